"""Decoders in vLLM: the same answers as the torch engine's; refused where it cannot run."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from burnish.cli.main import main
from burnish.errors import (
    HardwareError,
    MissingPackageError,
    ModelTaskError,
    ParityError,
    ServerError,
    UsageError,
)
from burnish.serving.engine import Ask
from burnish.serving.growing import Write
from burnish.serving.opening import find

from . import standin_vllm
from .conftest import Start, open_engine
from .test_parity import judged, spoil


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> type[standin_vllm.LLMEngine]:
    """A machine with a GPU and vLLM, as far as the engine can see."""
    monkeypatch.setitem(sys.modules, "vllm", standin_vllm.module())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    return standin_vllm.LLMEngine


def opened(folder: Path) -> Any:
    return find("chat", str(folder), fetchers={}, precision="fp32", engine="vllm").load()


@pytest.fixture
def engine(
    vllm: type[standin_vllm.LLMEngine], folders: dict[str, Path], tmp_path: Path
) -> Iterator[Any]:
    found = opened(judged(folders["chat"], tmp_path / "chat"))
    yield found
    found.close()
    assert vllm.latest.is_shut


def both(engine: Any, folder: Path, *asked: Any) -> list[tuple[Any, Any]]:
    """Return what the torch engine and this one say."""
    plain = open_engine("chat", folder)
    return list(zip(*(one.answer(one.read(list(asked))) for one in (plain, engine)), strict=True))


def test_answers_and_proof_are_those_of_the_torch_engine(
    engine: Any, folders: dict[str, Path]
) -> None:
    found = both(engine, folders["chat"], *(Ask(text=text) for text in ("the cat", "mat", "äöü")))

    assert engine.facts.parity.startswith("8 of 8 answers")
    assert (engine.facts.device, engine.facts.precision) == ("cuda", "fp32")
    for plain, other in found:
        assert other.prediction.answer == plain.prediction.answer
        assert other.prediction.scores == plain.prediction.scores
        assert (other.tokens, other.cut_tokens) == (plain.tokens, plain.cut_tokens)


def test_what_is_written_stopped_and_weighed_is_that_of_the_torch_engine(
    engine: Any, folders: dict[str, Path]
) -> None:
    whole = open_engine("chat", folders["chat"])
    text = whole.answer(whole.read([Write(text="the cat", max_tokens=8)]))[0].text
    for options in (
        {"max_tokens": 8},
        {"max_tokens": 8, "stop": (text[2:4],)},
        {"max_tokens": 5, "raw": True, "logprobs": 3, "echo": True},
        {"max_tokens": 0, "raw": True, "logprobs": 2, "echo": True},
    ):
        asked = [Write(text="the cat", **options) for _ in range(2)]
        plain = open_engine("chat", folders["chat"])
        expected, found = plain.answer(plain.read(asked[:1])), engine.answer(engine.read(asked[1:]))

        assert found[0].text == expected[0].text
        assert found[0].finish == expected[0].finish
        assert found[0].written_tokens == expected[0].written_tokens
        assert [one.text for one in found[0].odds] == [one.text for one in expected[0].odds]
        for one, other in zip(found[0].odds, expected[0].odds, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
            assert set(one.top) == set(other.top)


def test_requests_are_written_together_and_one_that_nobody_waits_for_is_given_up(
    engine: Any, vllm: type[standin_vllm.LLMEngine]
) -> None:
    asked = [Write(text=f"the cat {at}", max_tokens=40, raw=True) for at in range(8)]
    asked[3].emit = lambda _: setattr(asked[3], "abandoned", True)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda one: engine.answer(engine.read([one]))[0], asked))

    assert vllm.latest.most_at_once > 1
    assert found[3].written_tokens < 40
    assert vllm.latest.aborted
    assert not vllm.latest.open


def test_a_failed_step_is_told_to_those_it_concerns_and_the_engine_goes_on(
    engine: Any, vllm: type[standin_vllm.LLMEngine]
) -> None:
    read = engine.read([Write(text="the cat", max_tokens=4)])
    vllm.latest.fails = RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        engine.answer(read)
    with pytest.raises(RuntimeError, match="not told twice"):
        engine.answer(read)
    with pytest.raises(ValueError, match="non-negative"):
        engine.answer(engine.read([Write(text="the cat", temperature=-1.0)]))

    assert engine.answer(engine.read([Write(text="the cat", max_tokens=4)]))[0].written_tokens <= 4


def test_an_engine_that_has_stopped_says_so_at_once(
    vllm: type[standin_vllm.LLMEngine], folders: dict[str, Path], tmp_path: Path
) -> None:
    found = opened(judged(folders["chat"], tmp_path / "chat"))
    read = found.read([Write(text="the cat", max_tokens=4)])
    found.close()

    with pytest.raises(ServerError, match="has stopped"):
        found.answer(read)

    assert vllm.latest.is_shut


def test_a_model_whose_own_settings_alter_its_tokens_is_refused(
    vllm: type[standin_vllm.LLMEngine], folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = judged(folders["chat"], tmp_path / "chat")
    told = json.loads((folder / "generation_config.json").read_text("utf-8"))
    (folder / "generation_config.json").write_text(json.dumps(told | {"repetition_penalty": 1.2}))

    with pytest.raises(ModelTaskError, match="other tokens written"):
        opened(folder)


def test_it_streams_over_http_and_is_let_go_when_the_server_ends(
    vllm: type[standin_vllm.LLMEngine], start: Start, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = judged(folders["chat"], tmp_path / "chat")
    ask = {"model": "chat", "messages": [{"role": "user", "content": "the cat"}], "max_tokens": 6}

    with start(
        {"chat": lambda: pytest.fail("not looked up")}, engines={"chat": opened(folder)}
    ) as it:
        whole = it.client.post("/v1/chat/completions", json=ask).json()
        lines = it.client.post("/v1/chat/completions", json=ask | {"stream": True}).text.split("\n")

    assert whole["usage"]["completion_tokens"] <= 6
    assert "data: [DONE]" in lines
    assert vllm.latest.is_shut


def test_one_that_answers_otherwise_is_not_served_and_leaves_no_memory_taken(
    vllm: type[standin_vllm.LLMEngine], folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = spoil(
        judged(folders["chat"], tmp_path / "chat"), lambda row: row.update(answer=["other"])
    )

    with pytest.raises(ParityError, match="0 of 8"):
        opened(folder)

    assert vllm.latest.is_shut


def test_tasks_and_forms_that_it_has_not_are_refused(
    vllm: type[standin_vllm.LLMEngine], folders: dict[str, Path]
) -> None:
    for name in ("colours", "short", "plain"):
        with pytest.raises(ModelTaskError, match="not served by vLLM"):
            opened(folders[name])
    with pytest.raises(UsageError, match="fp32 or bf16"):
        find("c", str(folders["chat"]), fetchers={}, precision="int8", engine="vllm").load()


def test_without_the_package_or_a_gpu_it_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
    folders: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingPackageError, match="vllm"):
        opened(folders["chat"])
    command = ["burnish", "serve", str(folders["chat"]), "--engine", "vllm", "--port=0"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 3
    assert "pip install vllm" in capsys.readouterr().err

    monkeypatch.setitem(sys.modules, "vllm", standin_vllm.module())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(HardwareError, match="needs a GPU"):
        opened(folders["chat"])
