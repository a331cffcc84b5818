"""A model is replaced while it is asked, and stays where its successor cannot be loaded."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from burnish.errors import ModelNotFoundError, OverCapacityError, UnknownModelError
from burnish.serving.engine import Ask
from burnish.serving.models import Models

from .conftest import candidate


def test_a_swap_answers_with_the_new_version_and_lets_the_old_one_finish(
    folders: dict[str, Path], other_classifier: Path
) -> None:
    place = [folders["colours"]]

    async def go() -> None:
        models = Models({"colours": lambda: candidate("colours", place[0])}, max_queue=8)
        models.load()
        with models.use(None) as old:
            before = (await old.answer([Ask(text="word1 word2")]))[0].prediction.scores
            assert not await models.swap("colours")
            place[0] = other_classifier
            assert await models.swap("colours")
            again = (await old.answer([Ask(text="word1 word2")]))[0].prediction.scores
        with models.use("colours") as new:
            after = (await new.answer([Ask(text="word1 word2")]))[0].prediction.scores
        assert again == before != after
        assert old.facts.version != new.facts.version
        await models.close()
        assert old.scheduler._threads._shutdown

    asyncio.run(go())


@pytest.mark.parametrize(
    "failure", [ModelNotFoundError("gone", where="here", fix="bring it back"), OSError("gone")]
)
def test_where_the_new_one_cannot_be_loaded_the_old_one_serves(
    failure: Exception, folders: dict[str, Path]
) -> None:
    state: dict[str, Any] = {"broken": False}

    def find() -> Any:
        if state["broken"]:
            raise failure
        return candidate("colours", folders["colours"])

    async def go() -> None:
        models = Models({"colours": find}, max_queue=8)
        with pytest.raises(OverCapacityError), models.use("colours"):
            pass
        models.load()
        state["broken"] = True
        with pytest.raises(type(failure)):
            await models.swap("colours")
        assert "gone" in models.failures["colours"]
        with models.use("colours") as served:
            assert await served.answer([Ask(text="word1")])
        state["broken"] = False
        assert not await models.swap("colours")
        assert models.failures == {}
        await models.close()

    asyncio.run(go())


def test_an_unknown_name_is_told_with_those_there_are(folders: dict[str, Path]) -> None:
    models = Models({"colours": lambda: candidate("colours", folders["colours"])}, max_queue=8)

    with pytest.raises(UnknownModelError) as unknown, models.use("colors"):
        pass

    assert "colours" in unknown.value.fix


def test_a_version_is_of_the_files_and_not_of_the_place(
    folders: dict[str, Path], other_classifier: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(folders["colours"], tmp_path / "copy")
    (copied / "README.md").write_text("another card", "utf-8")

    versions = [candidate("a", one).version for one in (folders["colours"], copied)]
    other = candidate("a", other_classifier).version

    assert versions[0] == versions[1] != other
