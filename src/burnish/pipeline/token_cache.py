"""Tokens of texts seen before, kept on disk, so that no text is tokenised twice.

A row is found by its text, the tokenizer and the options of the call. Which split it is in, the
seeds and the rest of the recipe have no part in it; so a second run finds all of them again,
and lengths, prompts and targets are still made of them by the code as it is now.

Every run that meets new texts adds one file, written whole and named by its content: two
processes that write at once write two files, or the same one. Only arrays are kept (npz without
objects); a file that cannot be read counts as absent.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import tokenizers
import transformers
from numpy.typing import NDArray

from burnish.errors import StorageError
from burnish.files import atomic_writer
from burnish.training.gguf import cache_folder

OFF = "off"
SWITCH = "BURNISH_TOKEN_CACHE"  # environment variable
MOST_BYTES = 2_000_000_000  # of all files; the longest unused go first
_FORMAT = 1
_DEFAULTS: dict[str, Any] = {
    "add_special_tokens": True,
    "truncation": False,
    "max_length": None,
    "return_offsets_mapping": False,
}
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, BadZipFile)

Keys = NDArray[np.bytes_]  # shape (n,), 16 bytes each
Row = tuple[NDArray[np.int32], NDArray[np.int32]]  # tokens (t,); spans (t, 2), or (0, 2)


def default_folder() -> Path | None:
    """Return `tokens` in the cache folder; None where that is `off`, or cannot be."""
    if os.environ.get(SWITCH, "").lower() == OFF:
        return None
    try:
        return cache_folder() / "tokens"
    except StorageError:  # a home that cannot be written costs time, not the run
        return None


class CachedTokenizer:
    """A fast tokenizer that looks a text up before it tokenises it; else the same."""

    def __init__(self, tokenizer: Any, folder: Path) -> None:
        self._inner = tokenizer
        self._folder = folder
        self._own = folder / _digest(tokenizer)
        self._shelves: dict[str, _Shelf] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # a copy in the making has none yet
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __len__(self) -> int:
        return len(self._inner)

    def __call__(self, texts: Any, **options: Any) -> Any:
        """Return what the tokenizer does; of a list of texts, input_ids and offset_mapping.

        Calls with options that change more than these two are passed on as they are.
        """
        asked = {key: value for key, value in options.items() if key != "verbose"}
        plain = isinstance(texts, list) and all(isinstance(one, str) for one in texts)
        if not plain or not asked.keys() <= _DEFAULTS.keys():
            return self._inner(texts, **options)
        named = _DEFAULTS | asked
        if not named["truncation"]:
            named["max_length"] = None
        shelf = self._shelf(json.dumps(named, sort_keys=True, default=str))
        rows = self._rows(shelf, texts, options)
        found: dict[str, Any] = {"input_ids": [tokens.tolist() for tokens, _ in rows]}
        if named["return_offsets_mapping"]:
            found["offset_mapping"] = [list(map(tuple, spans.tolist())) for _, spans in rows]
        return found

    def keep(self) -> None:
        """Write what is new and let go of all in memory; a disk that is full is no error."""
        for shelf in self._shelves.values():
            with suppress(StorageError, OSError):
                shelf.write()
        self._shelves.clear()
        with suppress(OSError):
            _prune(self._folder)

    def _shelf(self, name: str) -> "_Shelf":
        if name not in self._shelves:
            self._shelves[name] = _Shelf(self._own, hashlib.sha256(name.encode()).hexdigest()[:8])
        return self._shelves[name]

    def _rows(self, shelf: "_Shelf", texts: list[str], options: dict[str, Any]) -> list[Row]:
        """Return the row of each text, tokenising each unknown text once."""
        keys = [_key(text) for text in texts]
        known = shelf.find(list(dict.fromkeys(keys)))
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if unknown:
            made = self._inner(list(unknown.values()), **options)
            spans = made.get("offset_mapping") or [()] * len(unknown)
            fresh = {
                key: (np.array(ids, np.int32), np.array(ends, np.int32).reshape(-1, 2))
                for key, ids, ends in zip(unknown, made["input_ids"], spans, strict=True)
            }
            shelf.fresh |= fresh
            known |= fresh
        return [known[key] for key in keys]


def keep(tokenizer: Any) -> None:
    """Write what a tokenizer has learned, where it is one that keeps."""
    if isinstance(tokenizer, CachedTokenizer):
        tokenizer.keep()


class _Shelf:
    """Rows of one tokenizer under one set of options: those on disk, and fresh ones."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.fresh: dict[bytes, Row] = {}
        self._files: list[Path] = []
        self._opened: dict[int, _Block | None] = {}
        self._keys: Keys = np.zeros(0, "S16")  # sorted, of all files
        self._places: NDArray[np.int64] = np.zeros((0, 2), np.int64)  # file and row of each
        self._index()

    def _index(self) -> None:
        keys, places = [], []
        for path in sorted(self._folder.glob(f"{self._name}-*.npz")):
            with suppress(*_UNREADABLE), _arrays(path) as file:
                held = file["keys"].astype("S16")
                keys.append(held)
                rows = np.arange(len(held))
                places.append(np.column_stack([np.full_like(rows, len(self._files)), rows]))
                self._files.append(path)
        if keys:
            joined = np.concatenate(keys)
            order = np.argsort(joined, kind="stable")
            self._keys, self._places = joined[order], np.concatenate(places)[order]

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """Return the rows that are known, by key."""
        found = {key: self.fresh[key] for key in keys if key in self.fresh}
        rest = [key for key in keys if key not in found]
        if not rest or not len(self._keys):
            return found
        wanted = np.array(rest, "S16")
        at = np.searchsorted(self._keys, wanted).clip(max=len(self._keys) - 1)
        for hit in np.flatnonzero(self._keys[at] == wanted):
            file, row = self._places[at[hit]].tolist()
            block = self._block(file)
            if block is not None:
                found[rest[hit]] = block.row(row)
        return found

    def _block(self, file: int) -> "_Block | None":
        if file not in self._opened:
            self._opened[file] = None
            with suppress(*_UNREADABLE):
                self._opened[file] = _Block(self._files[file])
        return self._opened[file]

    def write(self) -> None:
        """Write the fresh rows as one file, and mark the files that were of use."""
        for file, block in self._opened.items():
            if block is not None:
                os.utime(self._files[file])
        if not self.fresh:
            return
        keys = sorted(self.fresh)
        tokens, spans = zip(*(self.fresh[key] for key in keys), strict=True)
        content = hashlib.sha256(b"".join(keys)).hexdigest()[:16]
        with atomic_writer(self._folder / f"{self._name}-{content}.npz") as out:
            np.savez(
                out,
                keys=np.array(keys, "S16"),
                offsets=np.cumsum([0, *map(len, tokens)]),
                tokens=np.concatenate(tokens),
                spans=np.concatenate(spans),
            )


class _Block:
    """The rows of one file."""

    def __init__(self, path: Path) -> None:
        with _arrays(path) as file:
            self._offsets = file["offsets"]
            self._tokens: NDArray[np.int32] = file["tokens"]
            self._spans: NDArray[np.int32] = file["spans"]
        if self._offsets[-1] != len(self._tokens):
            raise ValueError("the tokens are not those the offsets tell of")

    def row(self, at: int) -> Row:
        """Return one row."""
        part = slice(*self._offsets[at : at + 2].tolist())
        return self._tokens[part], self._spans[part]


@contextmanager
def _arrays(path: Path) -> Iterator[Any]:
    """Yield what an npz file holds; NumPy itself leaves a damaged one open."""
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        yield file


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _digest(tokenizer: Any) -> str:
    """Return what tells tokenizers apart: vocabulary, rules, clean-up, and the library."""
    versions = [_FORMAT, tokenizers.__version__, transformers.__version__]
    told = [*versions, type(tokenizer).__name__, tokenizer.model_max_length]
    whole = json.dumps(told) + tokenizer.backend_tokenizer.to_str()
    return hashlib.sha256(whole.encode()).hexdigest()[:24]


def _prune(folder: Path) -> None:
    """Remove the files that were unused for longest until the rest is small enough."""
    held = sorted(_files(folder), reverse=True)
    total = 0
    for _, size, path in held:
        total += size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob("*/*.npz"):
        with suppress(OSError):  # gone: another process prunes too
            told = path.stat()
            yield told.st_mtime, told.st_size, path
