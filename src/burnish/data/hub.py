"""Data sets on the Hugging Face hub: `hub:owner/name[:config]` → Parquet files in the cache.

Only Parquet is taken, from the data set's own repository or from the hub's converted branch:
a loading script is code from elsewhere, and a recipe is data. Owner of `huggingface_hub` here.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from burnish.errors import DataNotFoundError

HUB = "hub:"
PARTS = ("train", "validation", "test")
NAMES = {  # part → what its files may be called
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
_SHARD = re.compile(r"-([0-9]+)-of-([0-9]+)(?![0-9])")
_CONVERTED = "refs/convert/parquet"
_PATIENCE_SECONDS = 15.0


def fetch(reference: str) -> dict[str, list[Path]]:
    """Return part → local Parquet files, downloaded where the cache has none.

    When the hub cannot be reached, what an earlier run left in its cache is used, if it is whole.

    Raises:
        DataNotFoundError: BN201, the hub cannot be reached, or the data set has no Parquet
            file of that config, or several configs of which none is named, or not all shards of
            a part; the fix names the key that takes local files instead.
    """
    repository, _, config = reference.removeprefix(HUB).partition(":")
    try:
        parts = _download(repository, config, None) or _download(repository, config, _CONVERTED)
    except DataNotFoundError:
        raise  # which says itself what is wrong
    except Exception as err:
        parts = _cached(repository, config, None) or _cached(repository, config, _CONVERTED)
        if not parts:
            lines = str(err).splitlines() or [type(err).__name__]
            raise _not_had(reference, f"the hub data set cannot be had: {lines[0]}") from err
    if not parts:
        raise _not_had(reference, f"it has no Parquet file of config {config or 'default'!r}")
    for part, paths in parts.items():
        if lacking := shards_lacking([path.name for path in paths]):
            raise _not_had(reference, f"of its {part} rows there are only {lacking}")
    return parts


def shards_lacking(names: Sequence[str]) -> str | None:
    """Return `1 of 2 shards` where names such as train-00000-of-00002 lack one, else None.

    Of two sets of shards, as a second upload leaves them, neither is taken for the whole.
    """
    found = [(int(one[1]), int(one[2])) for one in map(_SHARD.search, names) if one]
    if not found or sorted(found) == [(at, len(found)) for at in range(len(found))]:
        return None
    return f"{len(found)} of {' or '.join(map(str, sorted({of for _, of in found})))} shards"


def _download(repository: str, config: str, branch: str | None) -> dict[str, list[Path]]:
    from huggingface_hub import HfApi, hf_hub_download

    # Not list_repo_files: without a network it retries for half a minute.
    info = HfApi().dataset_info(repository, revision=branch, timeout=_PATIENCE_SECONDS)
    parts = parts_of((file.rfilename for file in info.siblings or ()), config)

    def local(name: str) -> Path:
        return Path(hf_hub_download(repository, name, repo_type="dataset", revision=branch))

    return {part: [local(name) for name in names] for part, names in parts.items()}


def _cached(repository: str, config: str, branch: str | None) -> dict[str, list[Path]]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(
            repository, repo_type="dataset", revision=branch, local_files_only=True
        )
    except (LocalEntryNotFoundError, OSError, ValueError):
        return {}
    folder = Path(found)
    names = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {part: [folder / n for n in found] for part, found in parts_of(names, config).items()}


def parts_of(names: Iterable[str], config: str) -> dict[str, list[str]]:
    """Return part → names of the Parquet files that hold it, for one config.

    The hub's layouts are `<config>/train-00000-of-00001.parquet`, `<config>/train/0000.parquet`
    and, without a config, `data/train-….parquet`.

    Raises:
        DataNotFoundError: BN201, no config is asked for, there are several, and none is the
            `default` one: their rows together are no data set.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        folders = path.parts[:-1]
        if path.suffix.lower() != ".parquet" or (config and config not in folders):
            continue
        stems = {path.name.split("-")[0].split(".")[0], *folders[-1:]}
        for part, words in NAMES.items():
            if stems & set(words):
                of = config or "/".join(one for one in folders if one not in words)
                found.setdefault(of, {}).setdefault(part, []).append(name)
    if len(found) > 1 and "default" not in found:
        configs = sorted(found)
        raise DataNotFoundError(
            f"it has {len(configs)} configs, and none is named: {', '.join(configs[:12])}",
            where="recipe key `data.from`",
            fix=f"name one, as in `hub:owner/name:{configs[0]}`",
        )
    return found.get("default") or next(iter(found.values()), {})


def _not_had(reference: str, what: str) -> DataNotFoundError:
    return DataNotFoundError(
        what,
        where=f"recipe key `data.from` ({reference})",
        fix="get the files another way and set `--set data.from=<folder with train.jsonl, "
        "validation.jsonl, test.jsonl>`",
    )
