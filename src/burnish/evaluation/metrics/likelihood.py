"""How likely a model finds the truth: loss a token, and its exp, perplexity; of labels loss a row.

The loss of labels is the cross-entropy of the probabilities told, whatever training made smaller.
Beside them `top1` and `top5`: of how many tokens the right one is the model's first, or among its
first five. All are of the whole data set, so a long text counts by its tokens. They need a model's
own likelihoods (`log_likelihood` and `tokens` of every row), or counts (`top1`, `top5` and
`tokens`); a system without has no value.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answers import Answers
from burnish.evaluation.likelihoods import TOPS, Likelihoods
from burnish.evaluation.metrics.base import Metric, Needs, Resampler, Sums, Values
from burnish.evaluation.metrics.units import NATS, PLAIN, POINTS, Unit
from burnish.evaluation.spaces import has_likelihoods, is_any
from burnish.evaluation.texts import Texts
from burnish.records import Space

_LARGEST_LOSS = 700.0  # exp of more is infinite; a perplexity of 1e304 says the same


def _mean_loss(answers: Texts | Likelihoods) -> Resampler:
    return Sums(np.column_stack([-answers.log_likelihood, answers.tokens]), _a_token)


def _any_loss(answers: Texts | Likelihoods | Answers) -> Resampler:
    if isinstance(answers, Answers):  # each row counts as one token does
        rows = np.column_stack([-answers.log_likelihood, np.ones(len(answers))])
        return Sums(rows, _a_token)
    return _mean_loss(answers)


def _a_token(sums: NDArray[np.float64]) -> Values:
    """Return a sum over tokens; nan where there are none, or none are known."""
    unknown: Values = np.full(len(sums), np.nan)
    np.divide(sums[:, 0], sums[:, 1], out=unknown, where=sums[:, 1] > 0)
    return unknown


def _perplexity(answers: Texts | Likelihoods) -> Resampler:
    mean_loss = _mean_loss(answers)

    def exponential(weights: Values) -> Values:
        value: Values = np.exp(np.minimum(mean_loss(weights), _LARGEST_LOSS))
        return value

    return exponential


def _hits(name: str) -> Callable[[Texts | Likelihoods], Resampler]:
    at = list(TOPS).index(name)

    def resampler(answers: Texts | Likelihoods) -> Resampler:
        return Sums(np.column_stack([answers.tops[:, at], answers.tokens]), _a_token)

    return resampler


_LIKELIHOODS = Needs(
    short="log-likelihoods", full="`log_likelihood` and `tokens` of every row's first reference"
)
_PROBABILITIES = Needs(
    short="likelihoods",
    full=f"a probability for every label, or {_LIKELIHOODS.full}",
)
_COUNTS = Needs(
    short="counts of tokens", full="`top1`, `top5` and `tokens` of every row's first reference"
)


def _metric(
    words: str,
    resampler: Callable[[Any], Resampler],
    unit: Unit,
    needs: Needs = _LIKELIHOODS,
    applies: Callable[[Space], bool] = has_likelihoods,
) -> Metric[Any]:
    return Metric.fast(
        words,
        resampler,
        applies=applies,
        higher_is_better=unit is POINTS,
        needs_scores=True,
        needs=needs,
        pairs=False,
        unit=unit,
    )


loss = _metric("loss", _any_loss, NATS, _PROBABILITIES, is_any)
perplexity = _metric("perplexity", _perplexity, PLAIN)
top1 = _metric("top-1 accuracy", _hits("top1"), POINTS, _COUNTS)
top5 = _metric("top-5 accuracy", _hits("top5"), POINTS, _COUNTS)
