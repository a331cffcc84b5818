"""Curves through a few scores hold the truth about as often as they say, and claim no more."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.evaluation.power_law import Points, PowerLaw, fit

Curve = Callable[[Any], Any]
SHARES = (0.0, 1.0)
DRAWS = 250


def points(
    curve: Curve, *, seed: int, luck: float = 0.01, sizes: int = 4, seeds: int = 1,
    judged: float = 0.015, alike: float = 0.85, most: int = 4000,
) -> Points:  # fmt: skip
    """Return scores that stray by the judged rows, alike at all sizes, and by luck, not alike."""
    rng = np.random.default_rng(seed)
    rows = most / 2.0 ** np.arange(sizes - 1, -1, -1)
    root = judged * np.linalg.cholesky(alike + (1 - alike) * np.eye(sizes))
    values = curve(rows) + root @ rng.normal(size=sizes) + luck * rng.normal(size=(seeds, sizes))
    drawn = values[..., None] + root @ rng.normal(size=(sizes, DRAWS))
    return Points(rows=rows, values=values, drawn=drawn)


def law_of(found: Points, *, usual_noise: float = 0.015, seed: int = 0) -> PowerLaw:
    return fit(found, usual_noise=usual_noise, bounds=SHARES, seed=seed)


def ends(values: Any) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def share_held(curve: Curve, times: float, *, count: int = 80, **options: Any) -> float:
    """Return how often the interval of the curve itself holds what is true."""
    held = 0
    for seed in range(count):
        law = law_of(points(curve, seed=seed, **options), seed=seed)
        low, high = ends(law.at(times * law.most))
        held += low <= curve(times * law.most) <= high
    return held / count


@pytest.mark.parametrize(
    "curve",
    [
        pytest.param(lambda n: 0.85 - 4 * n**-0.5, id="a square root"),
        pytest.param(lambda n: 0.95 - 2.5 * n**-0.3, id="slow"),
        pytest.param(lambda n: 0.8 - 40 / n, id="fast"),
        pytest.param(lambda n: 0.3 + 0.05 * np.log(n), id="never slower"),
        pytest.param(lambda n: 0.7 + 0 * n, id="flat"),
    ],
)
@pytest.mark.parametrize("options", [{"luck": 0.01}, {"luck": 0.03}, {"luck": 0.02, "seeds": 3}])
def test_a_known_law_is_held_about_as_often_as_the_interval_says(
    curve: Curve, options: dict[str, Any]
) -> None:
    assert share_held(curve, 2.0, **options) >= 0.85
    assert share_held(curve, 4.0, count=30, **options) >= 0.8


def test_what_one_training_scores_is_held_too() -> None:
    def curve(rows: Any) -> Any:
        return 0.85 - 4 * rows**-0.5

    held, rng = 0, np.random.default_rng(9)
    for seed in range(150):
        law = law_of(points(curve, seed=seed, luck=0.02), seed=seed)
        low, high = ends(law.trained_on(2 * law.most))
        held += low <= curve(2 * law.most) + 0.02 * rng.normal() <= high

    assert held / 150 >= 0.9


def test_a_flat_curve_is_seldom_taken_for_a_rising_one() -> None:
    rises = falls = 0
    for seed in range(150):
        law = law_of(points(lambda n: 0.7 + 0 * n, seed=seed, luck=0.03), seed=seed)
        low, high = ends(law.at(2 * law.most) - law.at(law.most))
        rises, falls = rises + (low > 0), falls + (high < 0)

    assert rises / 150 <= 0.05
    assert falls / 150 <= 0.05


def test_a_steep_curve_is_seen_to_rise() -> None:
    rises = 0
    for seed in range(40):
        law = law_of(points(lambda n: 0.95 - 2.5 * n**-0.3, seed=seed), seed=seed)
        rises += np.quantile(law.at(2 * law.most) - law.at(law.most), 0.025) > 0

    assert rises >= 36


def test_seeds_that_differ_widen_what_lies_ahead_and_seeds_that_agree_narrow_it() -> None:
    def width(luck: float) -> float:
        found = points(lambda n: 0.8 - 4 * n**-0.5, seed=4, luck=0.0, seeds=5)
        sway = luck * np.array([-1, 1, 0, 1, -1])[:, None] * [1, -1, 1, -1]
        moved = Points(
            rows=found.rows, values=found.values + sway, drawn=found.drawn + sway[..., None]
        )
        law = law_of(moved)
        low, high = ends(law.trained_on(2 * law.most))
        return high - low

    once = law_of(points(lambda n: 0.8 - 4 * n**-0.5, seed=4, luck=0.0))
    low, high = ends(once.trained_on(2 * once.most))
    assert width(0.001) < high - low < width(0.06)


def test_each_curve_goes_through_its_own_ends_and_keeps_its_constants() -> None:
    law = law_of(points(lambda n: 0.8 - 4 * n**-0.5, seed=2))

    assert law.at(law.most) == pytest.approx(np.clip(law.last, 0, 1))
    assert law.at(law.least) == pytest.approx(np.clip(law.first, 0, 1))
    by_constants = law.limit - law.factor * (2 * law.most) ** -law.exponent
    assert np.clip(by_constants, 0, 1) == pytest.approx(law.at(2 * law.most))


@settings(max_examples=40)
@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=8), st.integers(0, 99),
    st.floats(0, 0.1), st.integers(1, 4),
)  # fmt: skip
def test_whatever_the_scores_curves_are_monotone_and_within_bounds(
    scores: list[float], seed: int, judged: float, seeds: int
) -> None:
    def curve(rows: Any) -> Any:
        return np.array(scores)

    found = points(curve, seed=seed, sizes=len(scores), judged=judged, seeds=seeds)
    law = law_of(found)
    steps = np.diff([law.at(law.most * times) for times in (0.25, 0.5, 1, 2, 4)], axis=0)

    assert ((steps >= -1e-12).all(axis=0) | (steps <= 1e-12).all(axis=0)).all()
    assert all(0 <= one <= 1 for one in law.trained_on(4 * law.most))
    assert ((law.exponent >= 0.029) & (law.exponent <= 2.01)).all()


@settings(max_examples=30)
@given(st.integers(0, 99))
def test_a_loss_is_the_mirrored_score(seed: int) -> None:
    up = points(lambda n: 0.8 - 4 * n**-0.5, seed=seed)
    down = Points(rows=up.rows, values=1 - up.values, drawn=1 - up.drawn)

    ahead = [law_of(one).at(8000.0) for one in (up, down)]

    assert np.median(ahead[0]) == pytest.approx(1 - np.median(ahead[1]), abs=0.01)


def test_the_same_seed_draws_the_same_curves() -> None:
    found = points(lambda n: 0.8 - 4 * n**-0.5, seed=2)

    first, again, other = (law_of(found, seed=one).at(8000.0) for one in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_scores_without_any_doubt_break_nothing() -> None:
    values = np.ones((1, 4))
    law = law_of(Points(rows=np.array([1.0, 2, 4, 8]), values=values, drawn=np.ones((1, 4, 50))))

    assert np.isfinite(law.at(16.0)).all()
    assert law.at(16.0).max() <= 1
