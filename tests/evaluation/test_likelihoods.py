"""Systems that only read: judged by how likely they find each text, and by nothing else."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from burnish.errors import PredictionError, RecipeError
from burnish.evaluation.answered import align
from burnish.evaluation.answers import from_predictions, infer_space
from burnish.evaluation.compare import compare
from burnish.evaluation.likelihoods import Likelihoods
from burnish.evaluation.metrics.table import METRICS, default_metric, metric_names, metrics_for
from burnish.evaluation.score import score_answers
from burnish.evaluation.spaces import space_from_json
from burnish.evaluation.verdict import decide
from burnish.recipe.evaluation import Gate
from burnish.records import LabelSpace, PlainSpace, Prediction

PLAIN = PlainSpace()
TOKENS = (4.0, 10.0, 6.0, 0.0)
LOSSES = (2.0, 1.0, 3.0, 0.0)  # nats a token


def line(at: int, likelihood: float, tokens: float, **other: Any) -> Prediction:
    scores = {
        "log_likelihood": likelihood, "tokens": tokens, "top1": tokens // 4, "top5": 3 * tokens // 5
    }  # fmt: skip
    return Prediction(
        **({"example_id": str(at), "answer": (), "reference": (), "scores": scores} | other)
    )


def system(shift: float = 0.0, rows: int = 4) -> list[Prediction]:
    every = zip(TOKENS * (rows // 4), LOSSES * (rows // 4), strict=True)
    wobble = np.random.default_rng(0).normal(0, 0.05, rows)
    return [
        line(at, -tokens * max(0.0, loss + shift + shift * wobble[at]), tokens)
        for at, (tokens, loss) in enumerate(every)
    ]


def test_loss_is_of_all_tokens_together_and_perplexity_its_exponential() -> None:
    answers = from_predictions(system(), PLAIN)

    assert isinstance(answers, Likelihoods)
    assert METRICS.get("loss").function(answers) == pytest.approx((8 + 10 + 18) / 20)
    assert METRICS.get("perplexity").function(answers) == pytest.approx(math.exp(1.8))
    assert answers.losses.tolist() == list(LOSSES)
    assert math.isnan(METRICS.get("loss").function(answers.take([3])))


def test_these_metrics_and_no_others_fit() -> None:
    assert metric_names(PLAIN) == ("loss", "perplexity", "top1", "top5")
    assert default_metric(PLAIN) == "perplexity"
    with pytest.raises(RecipeError, match="rougeL do not fit a plain-text task"):
        metrics_for(["rougeL"], PLAIN)
    told = score_answers("tuned", "test", from_predictions(system(0, 40), PLAIN), resamples=200)
    assert {one.metric for one in told} == {"loss", "perplexity", "top1", "top5"}
    assert all(one.low < one.value < one.high for one in told)


def old(lines: list[Prediction]) -> list[Prediction]:
    """The same as files of old have it: without the tokens that are hit."""
    known = ("log_likelihood", "tokens")
    return [replace(one, scores={name: one.scores[name] for name in known}) for one in lines]


def test_tokens_that_are_hit_are_shares_of_all_tokens_together() -> None:
    answers = from_predictions(system(), PLAIN)

    assert METRICS.get("top1").function(answers) == pytest.approx((1 + 2 + 1) / 20)
    assert METRICS.get("top5").function(answers) == pytest.approx((2 + 6 + 3) / 20)
    assert METRICS.get("top1").function(answers.take([1])) == pytest.approx(2 / 10)


def test_a_system_with_more_hits_is_told_to_be_better_on_the_same_rows() -> None:
    base = system(0, 400)
    better = [replace(p, scores=p.scores | {"top1": p.scores["top5"]}) for p in base]
    pair = (from_predictions(rows, PLAIN) for rows in (better, base))

    told = compare(*pair, metric="top1", names=("tuned", "base"), resamples=200)

    assert told.difference == pytest.approx((11 - 4) / 20)
    assert 0 < told.low < told.difference < told.high
    assert told.words.startswith("tuned is 35.0 points above base in top-1 accuracy")
    assert told.words.endswith("tuned is better, beyond chance.")


def test_files_of_old_without_counts_of_hits_are_read_and_have_no_such_metric() -> None:
    lines, partly = old(system(0, 40)), [*old(system())[:3], line(3, -1.0, 2.0)]

    told = score_answers("tuned", "test", from_predictions(lines, PLAIN), resamples=200)

    assert infer_space(lines) == infer_space(lines, system()) == PLAIN
    assert {one.metric for one in told} == {"loss", "perplexity"}
    assert math.isnan(METRICS.get("top5").function(from_predictions(partly, PLAIN)))
    with pytest.raises(PredictionError, match=r"top1 of base is not defined .*`top1`, `top5`"):
        compare(
            from_predictions(system(), PLAIN), from_predictions(old(system()), PLAIN),
            metric="top1", names=("tuned", "base"),
        )  # fmt: skip


def test_a_model_that_finds_the_texts_likelier_is_shipped_and_one_that_does_not_is_kept_back() -> (
    None
):
    base, better, worse = (from_predictions(system(by, 400), PLAIN) for by in (0, -0.5, 0.2))
    gates = [Gate(over="base")]

    def said(tuned: Any) -> dict[str, Any]:
        systems = {"tuned": tuned, "base": base}
        return decide(gates, systems, PLAIN, "perplexity", split="test", resamples=200)

    assert said(better)["verdict"] == "ship"
    assert said(better)["metric"] == "perplexity"
    assert said(better)["reasons"][0].startswith("tuned beats base by 2.3")
    assert said(worse)["verdict"] == "keep-baseline"
    assert said(base)["verdict"] == "keep-baseline"


def test_two_systems_are_compared_only_where_they_count_the_same_tokens() -> None:
    one = from_predictions(system(), PLAIN)
    other = from_predictions([*system()[:3], line(3, -1.0, 2.0)], PLAIN)

    with pytest.raises(PredictionError, match=r"'0 tokens'. against .'2 tokens'"):
        align(one, other)
    back = align(one, one.take([2, 0, 3, 1]))[1]
    assert back.ids == one.ids
    assert back.log_likelihood.tolist() == one.log_likelihood.tolist()
    assert not one.differing(back).any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"answer": ("yes",)}, "has an answer or a reference"),
        ({"reference": ("yes",)}, "has an answer or a reference"),
        ({"scores": {}}, "has scores of no kind"),
        ({"scores": {"log_likelihood": -1.0}}, "has scores log_likelihood; not the two"),
        ({"scores": {"log_likelihood": 1.0, "tokens": 2.0}}, "it is finite and at most 0"),
        ({"scores": {"log_likelihood": -1.0, "tokens": -2.0}}, "it is over 0 or more"),
        (
            {"scores": {"log_likelihood": -1.0, "tokens": 2.0, "top1": 0.0, "top5": 3.0}},
            "has `top1` 0, `top5` 3 of 2 tokens",
        ),
        ({"scores": {"log_likelihood": -1.0, "tokens": 2.0, "top1": math.nan}}, "`top1` nan of 2"),
    ],
)
def test_a_line_that_is_no_likelihood_of_a_text_is_refused(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(PredictionError, match=told) as raised:
        from_predictions([*system()[:3], line(3, -1.0, 2.0, **changes)], PLAIN, where="the file")

    assert raised.value.where == "the file"


def test_what_a_file_speaks_of_is_told_from_its_lines() -> None:
    assert infer_space(system(), system(0.3)) == PLAIN
    assert space_from_json(PLAIN.to_json()) == PLAIN
    bare = [line(0, -1, 1, scores={}), line(1, -1, 1, scores={})]
    assert isinstance(infer_space(bare), LabelSpace)
    assert isinstance(infer_space([]), LabelSpace)


def test_likelihoods_are_never_handed_to_other_texts() -> None:
    with pytest.raises(ValueError, match="cannot be handed"):
        from_predictions(system(), PLAIN).shuffled(np.array([1, 0, 2, 3]))
