"""The example does what its first lines say."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "examples" / "hamilton_graph.py"


@pytest.mark.parametrize("data", ["made up", "a file"])
def test_the_example_trains_and_asks_what_it_saved(
    data: str,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--data", str(place / "data.json")] if data == "a file" else []
    settings = ["task.prompt={input}", "task.generation.max_new_tokens=4", "training.threads=1"]
    words = [str(SCRIPT), *given, "--model", str(place / "causal-lm"), *settings]
    monkeypatch.setattr(sys, "argv", words)

    runpy.run_path(str(SCRIPT), run_name="__main__")

    told = capsys.readouterr()
    assert "the same answers: True" in told.out
    assert "perplexity" in told.out
    assert "· " in told.err
    assert len(list(tmp_path.glob("runs/*/graph.*"))) == 1
