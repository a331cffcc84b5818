"""Data sets on the Hugging Face hub: `hub:owner/name[:config]` → Parquet files in the cache.

Only Parquet is taken, from the data set's own repository or from the hub's converted branch:
a loading script is code from elsewhere, and a recipe is data. Owner of `huggingface_hub` here.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from burnish.errors import DataNotFoundError

HUB = "hub:"
_BRANCHES = (None, "refs/convert/parquet")
_PARTS = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


def fetch(reference: str) -> dict[str, list[Path]]:
    """Return part → local Parquet files, downloaded where the cache has none.

    Raises:
        DataNotFoundError: BN201, the hub cannot be reached, or the data set has no Parquet
            file of that config; the fix names the key that takes local files instead.
    """
    repository, _, config = reference.removeprefix(HUB).partition(":")
    try:
        from huggingface_hub import HfApi, hf_hub_download

        for branch in _BRANCHES:
            names = HfApi().list_repo_files(repository, repo_type="dataset", revision=branch)
            parts = parts_of(names, config)
            if parts:
                return {
                    part: [
                        Path(hf_hub_download(repository, n, repo_type="dataset", revision=branch))
                        for n in found
                    ]
                    for part, found in parts.items()
                }
    except Exception as err:
        lines = str(err).splitlines() or [type(err).__name__]
        raise _not_had(reference, f"the hub data set cannot be had: {lines[0]}") from err
    raise _not_had(reference, f"it has no Parquet file of config {config or 'default'!r}")


def parts_of(names: Iterable[str], config: str) -> dict[str, list[str]]:
    """Return part → names of the Parquet files that hold it, for one config.

    The hub's layouts are `<config>/train-00000-of-00001.parquet`, `<config>/train/0000.parquet`
    and, without a config, `data/train-….parquet`.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        folders = path.parts[:-1]
        if path.suffix != ".parquet" or (config and config not in folders):
            continue
        stems = {path.name.split("-")[0].split(".")[0], *folders[-1:]}
        for part, words in _PARTS.items():
            if stems & set(words):
                found.setdefault(part, []).append(name)
    return found


def _not_had(reference: str, what: str) -> DataNotFoundError:
    return DataNotFoundError(
        what,
        where=f"recipe key `data.from` ({reference})",
        fix="get the files another way and set `--set data.from=<folder with train.jsonl, "
        "validation.jsonl, test.jsonl>`",
    )
