"""How often the intervals of `burnish tune --curve` hold the truth, on made-up laws with noise.

Scores at four sizes follow a law and stray by the judged rows, alike at all sizes, and by the luck
of each training. Prints one JSON line a law and luck: how often the interval at twice the rows
holds the law (`curve`) and one further training (`training`), and that of the gain its true value;
how often the gain is told as sure (`rises`) or as less than 2 points (`flat`); and beside it how
often the best fit holds the law that scipy finds, with the errors that it tells.

Run: `python benchmarks/learning_curve.py --curves 250`.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from burnish.evaluation.power_law import Points, fit

MOST, JUDGED, ALIKE, DRAWS = 4000, 0.015, 0.85, 400
LAWS: dict[str, Callable[[Any], Any]] = {
    "square-root": lambda n: 0.85 - 4 * n**-0.5,
    "slow": lambda n: 0.95 - 2.5 * n**-0.3,
    "fast": lambda n: 0.8 - 40 / n,
    "logarithm": lambda n: 0.3 + 0.05 * np.log(n),
    "flat": lambda n: 0.7 + 0 * n,
    "s-shape": lambda n: 0.2 + 0.6 / (1 + np.exp(1.5 * (9 - np.log2(n)))),
}


def points(law: Callable[[Any], Any], luck: float, seeds: int, rng: np.random.Generator) -> Points:
    """Return scores at an eighth, a quarter, half and all rows."""
    rows = MOST / 2.0 ** np.arange(3, -1, -1)
    root = JUDGED * np.linalg.cholesky(ALIKE + (1 - ALIKE) * np.eye(4))
    values = law(rows) + root @ rng.normal(size=4) + luck * rng.normal(size=(seeds, 4))
    drawn = values[..., None] + root @ rng.normal(size=(4, DRAWS))
    return Points(rows=rows, values=values, drawn=drawn)


def ends(values: Any) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def best_fit_holds(found: Points, truth: float) -> bool:
    """Whether the best fit at twice the rows, plus or minus 1.96 of its errors, holds the truth."""

    def law(rows: Any, a: float, b: float, c: float) -> Any:
        return a - b * (rows / MOST) ** -c

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            at, errors = curve_fit(law, found.rows, found.mean, p0=(0.9, 0.2, 0.5), maxfev=2000)
    except RuntimeError:  # it found none
        return False
    step = 1e-6
    slope = [(law(2 * MOST, *(at + step * one)) - law(2 * MOST, *at)) / step for one in np.eye(3)]
    if not np.isfinite(errors).all():  # three constants that four sizes do not tell apart
        return True
    error = float(np.sqrt(np.maximum(0, slope @ errors @ slope)))
    return bool(abs(law(2 * MOST, *at) - truth) <= 1.96 * error)


def held(law: Callable[[Any], Any], luck: float, seeds: int, curves: int) -> dict[str, float]:
    """Return the share of curves of which each holds."""
    counts: dict[str, int] = dict.fromkeys(
        ("curve", "training", "gain", "rises", "flat", "best_fit"), 0
    )
    for number in range(curves):
        rng = np.random.default_rng(number)
        found = points(law, luck, seeds, rng)
        fitted = fit(found, usual_noise=0.015, bounds=(0.0, 1.0), seed=number)
        now, then = law(MOST), law(2 * MOST)
        again = then + luck * rng.normal()
        low, high = ends(fitted.at(2 * MOST))
        counts["curve"] += low <= then <= high
        low, high = ends(fitted.trained_on(2 * MOST))
        counts["training"] += low <= again <= high
        low, high = ends(fitted.at(2 * MOST) - fitted.at(MOST))
        counts["gain"] += low <= then - now <= high
        counts["rises"] += low > 0
        counts["flat"] += high < 0.02
        counts["best_fit"] += best_fit_holds(found, then)
    return {name: round(count / curves, 3) for name, count in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=250, help="a law and luck")
    asked = parser.parse_args()
    for name, law in LAWS.items():
        for luck, seeds in ((0.005, 1), (0.01, 1), (0.02, 1), (0.03, 1), (0.02, 3)):
            told = {"law": name, "luck": luck, "seeds": seeds, "curves": asked.curves}
            print(json.dumps(told | held(law, luck, seeds, asked.curves)))


if __name__ == "__main__":
    main()
