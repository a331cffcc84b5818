"""The same gates, comparisons and test of skill, for systems that write."""

import random
import time
from dataclasses import replace

import numpy as np
import pytest

from burnish.errors import PredictionError
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.compare import compare
from burnish.evaluation.metrics.table import METRICS
from burnish.evaluation.skill import LEVEL, skill
from burnish.evaluation.texts import Texts
from burnish.evaluation.verdict import decide
from burnish.recipe.evaluation import Gate
from burnish.records import Prediction, TextSpace

TEXTS = TextSpace()
BANK = (
    "river", "stone", "cloud", "garden", "window", "letter", "bridge", "winter", "copper", "signal",
)  # fmt: skip


def note(rng: random.Random) -> str:
    return " ".join(rng.choices(BANK, k=12))


def ladder(n: int, seed: int = 0, **kept: float) -> dict[str, Texts]:
    """Systems that get each word of a reference with that probability; `tuned` and `base` know
    likelihoods, the likelier the better they are."""
    rng = random.Random(seed)
    references = [note(rng) for _ in range(n)]
    return {
        name.replace("_", "-"): from_predictions(
            [_said(i, true, share, name, rng) for i, true in enumerate(references)], TEXTS
        )
        for name, share in kept.items()
    }


def _said(i: int, true: str, share: float, name: str, rng: random.Random) -> Prediction:
    words = [w if rng.random() < share else rng.choice(BANK) for w in true.split()]
    known = name in ("tuned", "base")
    surprise = 3 * (1 - share) + rng.random() / 5
    scores = {"log_likelihood": -13 * surprise, "tokens": 13.0, "complete": 1.0} if known else {}
    return Prediction(
        example_id=str(i), answer=(" ".join(words),), reference=(true,), scores=scores
    )


def test_a_model_that_writes_better_than_every_baseline_is_shipped() -> None:
    systems = ladder(200, tuned=0.9, retrieval=0.5, lead=0.1, base=0.4)

    result = decide([Gate()], systems, TEXTS, "rougeL", split="test", resamples=300)

    assert result["verdict"] == "ship"
    assert result["reasons"][0].startswith("tuned beats retrieval by ")
    assert "points in ROUGE-L (95 % interval" in result["reasons"][0]
    assert {c["b"] for c in result["comparisons"]} == {"retrieval", "lead", "base"}


def test_a_model_that_writes_no_better_is_not_shipped() -> None:
    systems = ladder(200, tuned=0.5, retrieval=0.9)
    assert decide([Gate()], systems, TEXTS, "rougeL", resamples=300)["verdict"] == "keep-baseline"


def test_answers_that_differ_on_few_rows_show_nothing() -> None:
    systems = ladder(200, tuned=0.99)
    same = systems["tuned"]
    spoiled = ("nothing at all",) * 5 + same.answers[5:]
    systems["retrieval"] = replace(same, answers=spoiled, kept={})

    result = decide([Gate()], systems, TEXTS, "rougeL", resamples=300)

    assert result["verdict"] == "need-more-data"
    assert "differently on only 5 row(s)" in result["reasons"][0]


@pytest.mark.parametrize("metric", ["loss", "perplexity"])
def test_a_gate_on_likelihoods_compares_systems_that_have_them(metric: str) -> None:
    systems = ladder(200, tuned=0.9, base=0.4, lead=0.1)
    over_base = Gate(metric=metric, over="base")

    passed = decide([over_base], systems, TEXTS, "rougeL", resamples=300)
    unknown = decide([Gate(metric=metric)], systems, TEXTS, "rougeL", resamples=300)

    assert passed["verdict"] == "ship"
    assert unknown["verdict"] == "need-more-data"
    assert "likelihoods, which tuned or lead does not give" in unknown["reasons"][0]


def test_losses_are_told_in_nats_and_perplexities_as_they_are() -> None:
    systems = ladder(200, tuned=0.9, base=0.4)

    loss, perplexity = (
        compare(systems["tuned"], systems["base"], metric=m, names=("tuned", "base"), resamples=200)
        for m in ("loss", "perplexity")
    )

    assert loss.difference == pytest.approx(-1.5, abs=0.02)
    assert loss.words.startswith(f"tuned is {abs(loss.difference):.3f} nats below base in loss")
    assert loss.words.endswith("tuned is better, beyond chance.")
    start = f"tuned is {abs(perplexity.difference):.2f} below base in perplexity (95 % interval −"
    assert perplexity.words.startswith(start)


def test_a_system_without_likelihoods_has_no_loss_to_compare() -> None:
    systems = ladder(20, tuned=0.9, lead=0.1)
    with pytest.raises(PredictionError, match=r"loss of lead is not defined .*`log_likelihood`"):
        compare(systems["tuned"], systems["lead"], metric="loss", names=("tuned", "lead"))


def test_one_answer_to_every_input_has_no_skill_and_the_words_fit_texts() -> None:
    systems = ladder(300, tuned=0.5, lead=0.0)
    one_for_all = replace(systems["tuned"], answers=(" ".join(BANK),) * 300, kept={})

    result = decide([Gate()], {**systems, "tuned": one_for_all}, TEXTS, "rougeL", resamples=300)

    assert result["verdict"] != "ship"
    reason = result["reasons"][0]
    assert reason.startswith("tuned has shown no skill: its ROUGE-L is ")
    assert "on 200 rows drawn from the 300" in reason
    assert "may say the same whatever the input is" in reason
    assert "label" not in reason


@pytest.mark.parametrize("metric", ["rougeL", "bleu", "exact_match"])
def test_skill_is_seen_on_few_rows_and_chance_is_not_taken_for_it(metric: str) -> None:
    able = ladder(60, tuned=0.8)["tuned"]
    if metric == "exact_match":
        able = replace(able, answers=tuple(r[0] for r in able.references), kept={})
    guessing = able.shuffled(np.random.default_rng(1).permutation(60))

    assert skill(able, METRICS.get(metric), seed=0).is_shown
    assert not skill(guessing, METRICS.get(metric), seed=0).is_shown


def test_guesses_show_skill_no_oftener_than_the_level_allows() -> None:
    shown = sum(
        skill(
            (answers := ladder(40, seed=s, tuned=0.8)["tuned"]).shuffled(
                np.random.default_rng(s).permutation(len(answers))
            ),
            METRICS.get("rougeL"),
            seed=s,
        ).is_shown
        for s in range(60)
    )
    # 60 tries at 1 in 200: three or more would happen 1 time in 250.
    assert shown <= 2
    assert LEVEL == 1 / 200


def test_skill_of_many_rows_is_tested_on_two_hundred_in_seconds_and_the_same_each_time() -> None:
    answers = ladder(3000, tuned=0.6)["tuned"]

    start = time.perf_counter()
    found = skill(answers, METRICS.get("rougeL"), seed=5)

    assert time.perf_counter() - start < 20
    assert (found.n, found.p) == (200, LEVEL)
    assert found == skill(answers, METRICS.get("rougeL"), seed=5)
    drawn = answers.take(range(200))
    assert found.value == pytest.approx(METRICS.get("rougeL").function(drawn), abs=0.05)


def test_a_verdict_by_loss_asks_for_skill_in_the_answers_all_the_same() -> None:
    systems = ladder(120, tuned=0.9, base=0.4)
    gate = Gate(over="base")
    deaf = replace(systems["tuned"], answers=(" ".join(BANK),) * 120, kept={})

    assert decide([gate], systems, TEXTS, "loss", resamples=300)["verdict"] == "ship"
    result = decide([gate], {**systems, "tuned": deaf}, TEXTS, "loss", resamples=300)
    assert result["verdict"] == "need-more-data"
    assert "no skill: its ROUGE-L" in result["reasons"][0]


def test_the_rouge_of_a_pair_is_found_once_for_score_comparison_and_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    systems = ladder(50, tuned=0.9, lead=0.1)
    for texts in systems.values():
        METRICS.get("rougeL").function(texts)
    asked: list[str] = []
    monkeypatch.setattr(
        "burnish.evaluation.metrics.rouge.tokens", lambda text: asked.append(text) or ()
    )

    compare(systems["tuned"], systems["lead"], metric="rougeL", names=("tuned", "lead"))
    METRICS.get("rougeL").resample(systems["tuned"].take([3, 1]))(np.ones((1, 2)))
    assert asked == []

    METRICS.get("rouge1").function(systems["tuned"])
    assert len(asked) == 100  # other figures are other work
