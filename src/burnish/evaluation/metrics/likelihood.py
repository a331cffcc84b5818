"""How likely a model finds the references: loss a token, and perplexity, which is exp(loss).

Both are of the whole data set, so a long reference counts by its tokens. They need a model's
own likelihoods (`log_likelihood` and `tokens` of every row); a system without has no value.
"""

from collections.abc import Callable

import numpy as np

from burnish.evaluation.metrics.base import Metric, Needs, Resampler, Sums, Values
from burnish.evaluation.metrics.units import NATS, PLAIN, Unit
from burnish.evaluation.spaces import is_texts
from burnish.evaluation.texts import Texts

_LARGEST_LOSS = 700.0  # exp of more is infinite; a perplexity of 1e304 says the same


def _mean_loss(answers: Texts) -> Resampler:
    return Sums(
        np.column_stack([-answers.log_likelihood, answers.tokens]),
        lambda sums: sums[:, 0] / sums[:, 1],
    )


def _perplexity(answers: Texts) -> Resampler:
    mean_loss = _mean_loss(answers)

    def exponential(weights: Values) -> Values:
        value: Values = np.exp(np.minimum(mean_loss(weights), _LARGEST_LOSS))
        return value

    return exponential


def _metric(words: str, resampler: Callable[[Texts], Resampler], unit: Unit) -> Metric[Texts]:
    return Metric.fast(
        words,
        resampler,
        applies=is_texts,
        higher_is_better=False,
        needs_scores=True,
        needs=Needs(
            short="log-likelihoods",
            full="`log_likelihood` and `tokens` of every row's first reference",
        ),
        pairs=False,
        unit=unit,
    )


loss = _metric("loss", _mean_loss, NATS)
perplexity = _metric("perplexity", _perplexity, PLAIN)
