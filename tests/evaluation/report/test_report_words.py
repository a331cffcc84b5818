"""Numbers as words, and values as places on an axis."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.evaluation.metrics.table import METRICS
from burnish.evaluation.metrics.units import POINTS
from burnish.evaluation.report import words
from burnish.evaluation.report.scales import scale_of


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.42, "0.4 s"), (59.7, "1 min 0 s"), (412.7, "6 min 53 s"), (7322, "2 h 2 min")],
)
def test_durations_are_told_in_the_units_that_matter(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_a_difference_carries_its_sign_unless_it_rounds_to_nothing() -> None:
    assert [words.points(d) for d in (0.048, -0.003, -0.0001)] == ["+4.8", "−0.3", "0.0"]


@pytest.mark.parametrize("function", [words.out_of_100, words.count, words.duration, words.figures])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, "text", True])
def test_what_is_no_number_becomes_a_dash(function: object, value: object) -> None:
    assert callable(function)
    assert function(value) == words.ABSENT


def test_small_p_values_are_not_told_as_zero() -> None:
    assert [words.p_value(p) for p in (0.0004, 0.0312)] == ["< 0.001", "0.031"]


def test_a_clipped_text_is_never_longer_than_asked() -> None:
    assert words.clipped("a long label", 6) == "a lon…"
    assert words.clipped("short", 6) == "short"


def test_times_are_told_as_dates_and_other_values_as_they_are() -> None:
    assert words.moment("2026-11-21T06:00:00Z") == "21 November 2026, 06:00 UTC"
    assert words.moment("yesterday") == "yesterday"


@pytest.mark.parametrize("metric", METRICS.names())
def test_every_metric_is_explained_and_points_the_right_way(metric: str) -> None:
    assert words.metric_words(metric)
    assert words.lower_is_better(metric) != METRICS.get(metric).higher_is_better


@pytest.mark.parametrize("metric", METRICS.names())
def test_values_and_differences_are_told_in_the_unit_of_the_metric(metric: str) -> None:
    unit = METRICS.get(metric).unit

    assert words.is_share(metric) == (unit is POINTS)
    assert words.change_told(0.5, metric).split()[1:] == unit.noun.split()


def test_shares_are_told_out_of_100_and_losses_as_they_are() -> None:
    assert (words.measured(0.412, "rougeL"), words.measured(0.412, "loss")) == ("41.2", "0.412")
    assert words.interval(2.5, 12.0, "perplexity") == "2.5 to 12"
    assert words.interval(0.025, 0.12) == "2.5 to 12.0"
    assert [words.change_told(d, "loss") for d in (-0.25, 0.0)] == ["−0.25 nats", "0 nats"]
    assert words.change_told(math.nan, "perplexity") == words.ABSENT
    assert words.of_difference("perplexity") == "difference"
    assert words.of_difference("bleu") == "points of difference"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(1, 8))
def test_an_axis_holds_every_value_in_order_with_rising_ticks(
    values: list[float], wanted: int
) -> None:
    scale = scale_of(values, wanted=wanted)
    places = [scale.at(v) for v in sorted(values)]

    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    ticks = [tick.at for tick in scale.ticks]
    assert ticks == sorted(set(ticks))


@given(st.lists(st.floats(0, 1), max_size=20))
def test_an_axis_of_shares_never_leaves_zero_to_one(values: list[float]) -> None:
    scale = scale_of(values, bounds=(0.0, 1.0))
    assert 0 <= scale.low < scale.high <= 1


def test_ticks_are_round_numbers() -> None:
    scale = scale_of([0.13, 0.78], wanted=6)
    assert [tick.label for tick in scale.ticks] == ["0", "0.2", "0.4", "0.6", "0.8"]


def test_values_that_are_no_numbers_are_left_out_of_the_axis() -> None:
    assert scale_of([math.nan, None, 2.0, 4.0]).low == 2.0
    assert scale_of([]).place(math.nan) is None
