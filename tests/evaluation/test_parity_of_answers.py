"""Whether a model in another form answers as it was judged."""

import json
import math

import pytest

from burnish.evaluation.parity import Parity, bounds, compare
from burnish.records import Prediction


def compared(asked: str, score: float, *, name: str) -> Parity:
    """Ten rows answered alike, the sixth of them with another score."""

    def row(at: int, value: float) -> Prediction:
        return Prediction(example_id=str(at), answer=("a",), reference=("a",), scores={name: value})

    judged = [row(at, -0.5 if name == "log_likelihood" else 0.5) for at in range(10)]
    answers = {one.example_id: one for one in judged} | {"5": row(5, score)}
    allowed = bounds("labels" if asked == "labels" else "texts", exact=False)
    return compare(judged, answers, split="test", allowed=allowed)


@pytest.mark.parametrize(("asked", "name"), [("labels", "a"), ("texts", "log_likelihood")])
@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_no_likeness(asked: str, name: str, score: float) -> None:
    found = compared(asked, score, name=name)

    assert not found.holds
    assert "10 of 10 answers" in found.words
    assert "some scores are no numbers" in found.words
    assert '"largest_score_difference": null' in json.dumps(found.to_json(), allow_nan=False)


def test_a_score_within_what_rounding_moves_it_is_the_same() -> None:
    assert compared("labels", 0.51, name="a").holds
    assert not compared("labels", 0.55, name="a").holds
