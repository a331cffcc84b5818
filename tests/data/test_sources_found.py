"""Recipe section `data` leads to files, or to an error that names the key to set."""

from pathlib import Path
from typing import Any

import pytest

from burnish.data.hub import parts_of
from burnish.data.sources import find_sources
from burnish.errors import DataFormatError, DataNotFoundError
from burnish.recipe.data import Data


def found(**data: Any) -> dict[str, list[str]]:
    sources = find_sources(Data.model_validate(data))
    return {part: [Path(file).name for file in files] for part, files in sources.items()}


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("{}")
    return folder


def test_a_folder_gives_its_parts_by_name_whatever_the_format(tmp_path: Path) -> None:
    touch(tmp_path, "train.jsonl.gz", "dev.csv", "TEST.tsv", "README.md", "notes.txt")
    assert found(**{"from": str(tmp_path)}) == {
        "train": ["train.jsonl.gz"],
        "validation": ["dev.csv"],
        "test": ["TEST.tsv"],
    }


def test_shards_of_one_part_are_read_together(tmp_path: Path) -> None:
    names = ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    touch(tmp_path, *names, "validation.parquet")
    assert found(**{"from": str(tmp_path)})["train"] == names


@pytest.mark.parametrize(
    "names",
    [
        ("train.jsonl", "train.csv"),
        ("train.jsonl", "train.jsonl.gz"),
        ("train.jsonl", "training.jsonl"),
        ("train.jsonl", "train-old.jsonl"),
        ("train.jsonl", "train-00000-of-00001.jsonl"),
    ],
)
def test_two_candidates_for_one_part_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataFormatError, match="2 files could be the train rows"):
        found(**{"from": str(tmp_path)})


@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_a_folder_that_lacks_a_shard_is_refused(lacking: int, tmp_path: Path) -> None:
    touch(tmp_path, *(f"train-0000{n}-of-00003.jsonl" for n in range(3) if n != lacking))
    with pytest.raises(DataNotFoundError, match="of the train rows there are only 2 of 3 shards"):
        found(**{"from": str(tmp_path)})


def test_a_folder_with_one_data_file_is_a_file_to_be_split(tmp_path: Path) -> None:
    touch(tmp_path, "clauses.csv", "LICENSE")
    assert found(**{"from": str(tmp_path)}) == {"train": ["clauses.csv"]}


def test_a_part_replaces_what_the_folder_has(tmp_path: Path) -> None:
    touch(tmp_path, "train.jsonl", "test.jsonl", "other.jsonl")
    made = found(**{"from": str(tmp_path), "test": str(tmp_path / "other.jsonl")})
    assert made == {"train": ["train.jsonl"], "test": ["other.jsonl"]}


def test_globs_and_lists_are_sorted_and_kept_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.jsonl", "a.jsonl", "c.jsonl")
    files = (str(tmp_path / "c.jsonl"), str(tmp_path / "[ab].jsonl"))
    assert found(train=files) == {"train": ["c.jsonl", "a.jsonl", "b.jsonl"]}


def test_a_file_named_twice_would_count_twice_and_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.jsonl")
    with pytest.raises(DataFormatError, match=r"a\.jsonl is named twice"):
        found(train=(str(tmp_path / "a.jsonl"), str(tmp_path / "*.jsonl")))


def test_one_file_cannot_be_train_and_test(tmp_path: Path) -> None:
    touch(tmp_path, "a.jsonl")
    with pytest.raises(DataFormatError) as caught:
        found(train=str(tmp_path / "a.jsonl"), test=str(tmp_path / "." / "a.jsonl"))
    assert caught.value.where == "data.train and data.test"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"from": "nowhere"}, "no such file or folder"),
        ({"train": "nowhere/*.csv"}, "no file matches"),
        ({"train": ()}, "the list of files is empty"),
        ({"from": "."}, "no file named train.*"),
    ],
)
def test_what_is_not_there_is_told_with_the_key(
    data: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataNotFoundError) as caught:
        found(**data)
    assert words in caught.value.what
    assert "data" in caught.value.where + caught.value.fix


def test_validation_rows_without_training_rows_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "validation.jsonl")
    with pytest.raises(DataNotFoundError, match="no training rows: validation found"):
        found(**{"from": str(tmp_path)})


def test_a_hub_that_cannot_be_reached_says_which_key_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> list[str]:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    with pytest.raises(DataNotFoundError) as caught:
        found(**{"from": "hub:coastalcph/lex_glue:unfair_tos"})
    assert "no route to host" in caught.value.what
    assert "--set data.from=<folder with train.jsonl" in caught.value.fix


@pytest.mark.parametrize(
    ("names", "config", "expected"),
    [
        (
            ["a/train-0.parquet", "unfair_tos/train-0.parquet", "unfair_tos/test-0.parquet"],
            "unfair_tos",
            {"train": ["unfair_tos/train-0.parquet"], "test": ["unfair_tos/test-0.parquet"]},
        ),
        (
            ["default/train/0000.parquet", "default/validation/0000.parquet", "x.py"],
            "default",
            {
                "train": ["default/train/0000.parquet"],
                "validation": ["default/validation/0000.parquet"],
            },
        ),
        (
            ["data/train-00000-of-00001.parquet", "README.md"],
            "",
            {"train": ["data/train-00000-of-00001.parquet"]},
        ),
        (["train.csv"], "", {}),
        (
            ["default/train/0000.parquet", "other/train/0000.parquet"],
            "",
            {"train": ["default/train/0000.parquet"]},
        ),
        (["en/train-0.parquet"], "", {"train": ["en/train-0.parquet"]}),
    ],
)
def test_hub_layouts_are_understood(
    names: list[str], config: str, expected: dict[str, list[str]]
) -> None:
    assert parts_of(names, config) == expected


def test_rows_of_several_configs_are_not_mixed_where_none_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from types import SimpleNamespace

    import huggingface_hub

    names = [
        f"{config}/{part}/0000.parquet" for config in ("en", "fr") for part in ("train", "test")
    ]
    info = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: info)
    with pytest.raises(DataNotFoundError, match="it has 2 configs, and none is named: en, fr"):
        found(**{"from": "hub:some/where"})


def test_shards_that_the_cache_lacks_are_told_when_the_hub_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    touch(tmp_path / "data", "train-00000-of-00002.parquet", "test-00000-of-00001.parquet")
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    with pytest.raises(DataNotFoundError, match="of its train rows there are only 1 of 2 shards"):
        found(**{"from": "hub:some/where"})


def test_hub_files_become_paths_in_the_cache_and_are_found_again_without_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    import huggingface_hub

    touch(tmp_path / "unfair_tos", "train-0.parquet", "test-0.parquet")
    names = ["unfair_tos/train-0.parquet", "unfair_tos/test-0.parquet", "other/train-0.parquet"]
    info = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: info)
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda _, name, **__: str(tmp_path / name)
    )
    expected = {"train": ["train-0.parquet"], "test": ["test-0.parquet"]}
    assert found(**{"from": "hub:coastalcph/lex_glue:unfair_tos"}) == expected

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    assert found(**{"from": "hub:coastalcph/lex_glue:unfair_tos"}) == expected
    with pytest.raises(DataNotFoundError):
        found(test="hub:coastalcph/lex_glue:absent", train=str(tmp_path / "unfair_tos"))


def refused(**data: Any) -> str:
    with pytest.raises(DataNotFoundError, match="cannot be looked up") as caught:
        find_sources(Data.model_validate(data))
    return str(caught.value)


def test_paths_that_cannot_be_looked_up_are_told_with_their_key() -> None:
    assert "home directory" in refused(**{"from": "~nobody-is-called-so/x.jsonl"})
    assert "too long" in refused(**{"from": "x" * 300})
    assert "home directory" in refused(**{"from": "synth:~nobody-is-called-so/x.yaml"})


@pytest.mark.parametrize("pattern", ["x/**a/[.jsonl", "x/***/a"])
def test_a_pattern_that_is_none_is_told_with_its_key(pattern: str) -> None:
    with pytest.raises(DataNotFoundError, match=r"`data.train` \(x/\*\*"):
        find_sources(Data.model_validate({"train": pattern}))


@pytest.mark.parametrize("name", ["", "train.jsonl", "*.jsonl"])
def test_a_folder_closed_to_the_user_is_told_as_such(name: str, closed: Path) -> None:
    assert "Permission denied" in refused(**{"from": str(closed / name)})
    assert "`data.test`" in refused(**{"from": "starter:clauses", "test": str(closed / "a.jsonl")})
