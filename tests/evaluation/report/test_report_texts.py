"""The page of a task that writes: its figures are those of the files, its rows those promised."""

import math
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from burnish.evaluation.answers import from_predictions
from burnish.evaluation.metrics.base import by_row
from burnish.evaluation.metrics.table import METRICS
from burnish.evaluation.report.render import render
from burnish.evaluation.texts import Texts
from burnish.files import read_json, write_json
from burnish.records import Prediction, TextSpace
from burnish.runfolder import RunFolder, read_predictions, write_predictions


def text_of(run: RunFolder, section: str) -> str:
    """Return the words of one section, tags stripped."""
    html = render(run).read_text("utf-8")
    part = html.split(f'<section id="{section}"')[1].split("</section>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part.split(">", 1)[1])).split())


def tuned(run: RunFolder) -> Texts:
    return from_predictions(
        read_predictions(run.predictions("tuned", "validation")), TextSpace(), where="tuned"
    )


def flat(text: str) -> str:
    return " ".join(text.split())


def test_systems_are_told_in_points_and_losses_as_they_are(text_run: RunFolder) -> None:
    text = text_of(text_run, "systems")

    for score in read_json(text_run.scores):
        plain = score["metric"] in ("loss", "perplexity")
        told = f"{score['value']:.3g}" if plain else f"{100 * score['value']:.1f}"
        assert told in text
    assert "loss (nats a token) and perplexity as they are" in text
    assert "first sentence of the input" in text
    assert "McNemar" not in text


def test_a_dozen_evenly_chosen_rows_show_input_references_and_every_answer(
    text_run: RunFolder,
) -> None:
    rows = pl.read_parquet(text_run.splits / "validation.parquet").to_dicts()
    said = {
        name: {p.example_id: p for p in read_predictions(text_run.predictions(name, "validation"))}
        for name in ("tuned", "base", "retrieval")
    }
    part = text_of(text_run, "side-by-side").split("does worst")[0]

    for at in np.linspace(0, len(rows) - 1, 12).round().astype(int):
        row = rows[at]
        assert flat(row["text"])[:400] in part
        assert all(flat(reference) in part for reference in row["labels"])
        assert all(flat(found[row["id"]].answer[0])[:400] in part for found in said.values())
        assert row["id"] in part
    assert part.count("should be") == 12


def test_the_worst_and_the_best_rows_by_the_metric_of_the_verdict_are_shown(
    text_run: RunFolder,
) -> None:
    texts = tuned(text_run)
    scores = by_row(METRICS.get("rougeL"), texts)
    _, worst, best = re.split("does worst|does best", text_of(text_run, "side-by-side"))

    assert f"tuned {100 * scores.min():.1f} {flat(texts.answers[int(scores.argmin())])}" in worst
    assert f"tuned {100 * scores.max():.1f} {flat(texts.answers[int(scores.argmax())])}" in best
    assert (worst.count("should be"), best.count("should be")) == (3, 3)


def test_the_section_of_the_worst_goes_from_bad_to_better(text_run: RunFolder) -> None:
    texts = tuned(text_run)
    exact = int(texts.correct.sum())
    text = text_of(text_run, "worst")
    worst, best = text.split("The 5 best")

    scores = sorted(by_row(METRICS.get("rougeL"), texts))
    told = [float(x) for x in re.findall(r"tuned ([\d.]+) ", worst)]
    assert told == pytest.approx([100 * s for s in scores[:20]], abs=0.051)
    told = [float(x) for x in re.findall(r"tuned ([\d.]+) ", best)]
    assert told == pytest.approx([100 * s for s in scores[:-6:-1]], abs=0.051)
    assert f"{exact} of 120 answers" in text


def test_where_less_is_better_the_worst_rows_are_those_of_the_highest_value(
    make_text_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = make_text_run(tmp_path / "r", count=40, metric="perplexity", resamples=100)
    losses = by_row(METRICS.get("perplexity"), tuned(run))
    text, verdict = text_of(run, "worst"), text_of(run, "verdict")

    assert float(re.findall(r"tuned ([\d.]+) ", text)[0]) == pytest.approx(losses.max(), rel=0.01)
    assert "← tuned better base better →" in verdict
    assert re.search(r"−[\d.]+ difference 95 % interval −", verdict)
    assert text_of(run, "systems").index("tuned: ") < text_of(run, "systems").index(
        "lead: no score"
    )


HAND_MADE = (
    # input, accepted, tuned, base
    ("the cat sat on the mat today", ("a cat sat",), "the cat sat on the mat", "x"),
    ("nothing of the kind", ("one two three",), "go on now and go on now and stop", "x"),
    ("all said", ("",), "", "x"),
    ("see you", ("b",), "see you", "x"),
)


def test_length_and_repetition_worked_by_hand(text_run: RunFolder) -> None:
    _replace(text_run, HAND_MADE)
    text = text_of(text_run, "writing")

    assert "Of 4 answers tuned base reference" in text
    assert "Words in the median answer 4 1 2" in text  # 0 2 6 9; the references 0 1 3 3
    assert "Cut off by the limit of length 25.0 % – –" in text
    assert "Empty 25.0 % 0.0 % 25.0 %" in text
    assert "Copied whole from the input 50.0 % 0.0 % 0.0 %" in text
    # Runs: 3 of the first answer, all from its input; 6 of the second, of which 1 comes again.
    assert "Runs of 4 words found in the input 33.3 % – –" in text
    assert "said before in the same answer 11.1 % – –" in text
    assert "Different answers among all 100.0 % 25.0 % 100.0 %" in text
    assert "tuned: half have at most 4, the longest 9; reference:" in text


def _replace(run: RunFolder, rows: tuple[tuple[str, tuple[str, ...], str, str], ...]) -> None:
    for name in ("tuned", "base"):
        predictions = [
            Prediction(
                example_id=str(i),
                answer=(said if name == "tuned" else other,),
                reference=accepted,
                scores={"complete": float(i != 1)} if name == "tuned" else {},
            )
            for i, (_, accepted, said, other) in enumerate(rows)
        ]
        write_predictions(run.predictions(name, "validation"), predictions)
    pl.DataFrame(
        {"id": [str(i) for i in range(len(rows))], "text": [r[0] for r in rows]}
    ).write_parquet(run.splits / "validation.parquet")
    verdict = read_json(run.verdict)
    write_json(run.verdict, verdict | {"comparisons": verdict["comparisons"][:1]})


def test_few_rows_are_all_shown_once(text_run: RunFolder) -> None:
    _replace(text_run, HAND_MADE)
    text = text_of(text_run, "side-by-side")

    assert "All rows" in text
    assert text.count("should be") == 4
    assert "tuned 0.0 (nothing)" in text


def test_without_the_rows_the_answers_are_shown_all_the_same(text_run: RunFolder) -> None:
    (text_run.splits / "validation.parquet").unlink()

    assert "Inputs are not shown: splits/validation.parquet" in text_of(text_run, "side-by-side")
    writing = text_of(text_run, "writing")
    assert "What is copied cannot be told" in writing
    assert re.search(r"Copied whole from the input – – – –", writing)


def test_without_answers_of_the_tuned_model_the_file_is_named(text_run: RunFolder) -> None:
    text_run.predictions("tuned", "validation").unlink()
    for section in ("side-by-side", "writing", "worst", "slices"):
        assert "predictions/tuned.validation.jsonl is not in" in text_of(text_run, section)


def test_texts_are_sliced_by_the_metric_of_the_verdict(text_run: RunFolder) -> None:
    text = text_of(text_run, "slices")

    assert "By mood ROUGE-L, out of 100, weakest first" in text
    assert "By words in the text" in text


def test_a_metric_that_is_gone_gives_way_to_the_tasks_own(text_run: RunFolder) -> None:
    write_json(text_run.verdict, read_json(text_run.verdict) | {"metric": "of-a-plug-in"})
    assert "is its ROUGE-L on that row alone" in text_of(text_run, "side-by-side")
    assert "By mood ROUGE-L" in text_of(text_run, "slices")


def test_long_answers_share_the_last_bar_and_every_row_is_in_one(
    make_text_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = make_text_run(tmp_path / "r", count=300, metric="exact_match", resamples=100)
    rows = read_predictions(run.predictions("tuned", "validation"))
    long = Prediction(
        example_id=rows[0].example_id, answer=("word " * 900,), reference=rows[0].reference
    )
    write_predictions(run.predictions("tuned", "validation"), [long, *rows[1:]])

    html = render(run).read_text("utf-8")
    plot = html.split('<section id="writing"')[1].split("</svg>")[0]
    top = float(re.findall(r'bottom:([\d.]+)%">([\d.]+) %', plot)[-1][1])
    for kind in ("tuned", "rival"):
        heights = [float(h) for h in re.findall(rf'rect class="{kind}".*?height="([\d.]+)%"', plot)]
        assert math.fsum(heights) * top / 100 == pytest.approx(100, abs=0.5)
    assert re.search(r">\d+\+</span>", html.split('<section id="writing"')[1])
    assert "the longest 900" in plot
