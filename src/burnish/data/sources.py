"""Where the rows are: recipe section `data` → the files of each part.

A part is train, validation or test. `data.from` names all of them at once (a folder, one
file, a hub data set, a starter set, a specification); `data.train` and its like replace one.

Called by `burnish.data.load`, and by the manifest, which records each input's digest.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from burnish.data.hub import HUB, NAMES, PARTS, fetch, shards_lacking
from burnish.data.readers import READERS, format_of
from burnish.data.synthesis.made import SYNTH, parts_made
from burnish.errors import DataFormatError, DataNotFoundError, RecipeError
from burnish.files import path_errors
from burnish.recipe.data import Data, Source

STARTER = "starter:"
MADE = (STARTER, SYNTH)  # rows that are made rather than read
_WILD = "*?["

Sources = Mapping[str, tuple[str, ...]]  # part → paths of files, or ids


def find_sources(data: Data) -> dict[str, tuple[str, ...]]:
    """Return part → its sources: paths of files, or one `starter:` or `synth:` id.

    `hub:` ids are fetched here and become paths in the hub's cache.

    Raises:
        DataNotFoundError: BN201, a file, folder, glob match or hub data set is not there.
        DataFormatError: BN202, a folder with two candidates for one part, or a file named twice.
    """
    found = _from_one(data.from_) if data.from_ else {}
    for part in PARTS:
        source = getattr(data, part)
        if source is not None:
            found[part] = _from_part(part, source)
    if "train" not in found:
        raise DataNotFoundError(
            f"no training rows: {', '.join(found) or 'nothing'} found",
            where=f"recipe key `data.from` ({data.from_})",
            fix="add a file named train.jsonl (or .csv, .parquet, …), or set `data.train`",
        )
    parts = {part: found[part] for part in PARTS if part in found}
    _refuse_twice(parts)
    return parts


def find_written(data: Data) -> Sources:
    """Return part → paths of files, for whoever copies rows as they stand.

    Raises:
        RecipeError: BN101, the rows are made and lie in no file. Others as `find_sources`.
    """
    sources = find_sources(data)
    made = [file for files in sources.values() for file in files if file.startswith(MADE)]
    if made:
        raise RecipeError(
            f"the rows of {made[0]} are made up and lie in no file",
            where="recipe key `data.from`",
            fix="write them with `burnish data synth --out FOLDER`, and name that folder",
        )
    return sources


def _from_one(source: str) -> dict[str, tuple[str, ...]]:
    if source.startswith(STARTER):
        return dict.fromkeys(PARTS, (source,))
    if source.startswith(SYNTH):
        return dict.fromkeys(parts_made(source), (source,))
    if source.startswith(HUB):
        return {part: tuple(map(str, paths)) for part, paths in fetch(source).items()}
    with _path_errors(source, "data.from"):
        path = Path(source).expanduser()
        if path.is_dir():
            return _from_folder(path)
    return {"train": _from_pattern(source, key="data.from")}


def _path_errors(source: str, key: str) -> AbstractContextManager[None]:
    return path_errors(
        DataNotFoundError,
        where=f"recipe key `{key}` ({source})",
        fix="set it to a path that exists and that you may read",
    )


def _from_folder(folder: Path) -> dict[str, tuple[str, ...]]:
    known = READERS.names()
    files = sorted(f for f in folder.iterdir() if f.is_file() and format_of(f) in known)
    found: dict[str, tuple[str, ...]] = {}
    for part, names in NAMES.items():
        mine = [f for f in files if _stem(f) in names]
        if len(mine) > 1 and not _are_shards(mine):
            raise DataFormatError(
                f"{len(mine)} files could be the {part} rows: {', '.join(f.name for f in mine)}",
                where=str(folder),
                fix=f"keep one of them, or name the right one in `data.{part}`",
            )
        if lacking := shards_lacking([f.name for f in mine]):
            raise DataNotFoundError(
                f"of the {part} rows there are only {lacking}",
                where=str(folder),
                fix=f"copy the others there, or name those to be read in `data.{part}`",
            )
        if mine:
            found[part] = tuple(map(str, mine))
    if not found and len(files) == 1:
        found["train"] = (str(files[0]),)
    if not found:
        raise DataNotFoundError(
            f"no file named train.*, validation.* or test.* among {len(files)} data file(s)",
            where=str(folder),
            fix=f"name one train.jsonl (or .{', .'.join(known)}), or set `data.train`",
        )
    return found


def _are_shards(files: list[Path]) -> bool:
    """Whether files are numbered parts of one: of one name and format, none with one number."""
    ends = {_whole_stem(f).removeprefix(_stem(f)) for f in files}
    numbered = all(end[:1] == "-" and end[1:2].isdecimal() for end in ends)
    alike = len({(_stem(f), format_of(f)) for f in files}) == 1
    return numbered and alike and len(ends) == len(files)


def _whole_stem(path: Path) -> str:
    return path.name.split(".", 1)[0].lower()


def _stem(path: Path) -> str:
    """Return `train` for train.jsonl.gz and for the shard train-00000-of-00002.parquet."""
    return _whole_stem(path).split("-", 1)[0]


def _from_part(part: str, source: Source) -> tuple[str, ...]:
    entries = (source,) if isinstance(source, str) else source
    if not entries:
        raise DataNotFoundError(
            "the list of files is empty",
            where=f"recipe key `data.{part}`",
            fix="name at least one file, or leave the key out",
        )
    return tuple(path for entry in entries for path in _from_entry(part, entry))


def _from_entry(part: str, entry: str) -> tuple[str, ...]:
    if entry.startswith(MADE):
        return (entry,)
    if entry.startswith(HUB):
        parts = fetch(entry)
        if part not in parts:
            raise DataNotFoundError(
                f"the hub data set has no {part} rows, only {', '.join(parts)}",
                where=f"recipe key `data.{part}` ({entry})",
                fix="name another data set or a file",
            )
        return tuple(map(str, parts[part]))
    return _from_pattern(entry, key=f"data.{part}")


def _from_pattern(pattern: str, *, key: str) -> tuple[str, ...]:
    is_glob = any(c in pattern for c in _WILD)
    with _path_errors(pattern, key):
        path = Path(pattern).expanduser()
        matches = [path] if path.exists() else _matches(path) if is_glob else []
    if not matches:
        set_to = key if key != "data.from" else "data.from=<folder with train.jsonl …> or data.from"
        raise DataNotFoundError(
            "no file matches" if is_glob else "no such file or folder",
            where=f"recipe key `{key}` ({pattern}), looked up from {Path.cwd()}",
            fix=f"set it to a path that exists: `--set {set_to}=<file>`",
        )
    return tuple(map(str, matches))


def _matches(pattern: Path) -> list[Path]:
    # Everything before the first wildcard is a plain folder; glob wants a relative pattern.
    plain = next(i for i, name in enumerate(pattern.parts) if any(c in name for c in _WILD))
    return sorted(Path(*pattern.parts[:plain]).glob(str(Path(*pattern.parts[plain:]))))


def _refuse_twice(parts: dict[str, tuple[str, ...]]) -> None:
    """Raise DataFormatError (BN202) for a file that is named twice, in one part or in two."""
    seen: dict[Path, str] = {}
    for part, sources in parts.items():
        for path in (Path(s).resolve() for s in sources if not s.startswith(MADE)):
            if path in seen:
                raise DataFormatError(
                    f"{path} is named twice, so its rows would count twice",
                    where=" and ".join(dict.fromkeys([f"data.{seen[path]}", f"data.{part}"])),
                    fix="name each file once; a glob may match a file that another key names too",
                )
            seen[path] = part
