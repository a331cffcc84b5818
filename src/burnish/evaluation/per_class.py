"""How each class fares: counts, precision, recall, F1 with interval, and what is taken for what.

Called by the report. An average hides a class that is never found; this table does not.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answers import Answers
from burnish.evaluation.bootstrap import Groups, draw, interval
from burnish.evaluation.metrics.base import ratio
from burnish.evaluation.metrics.counts import add_no_label, f1_of

NO_LABEL = "(no label)"  # the row of the table for multi-label rows without any


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class of one system on one split."""

    label: str
    support: int  # rows that have it
    answered: int  # rows that were given it
    hits: int  # rows of both kinds
    precision: float  # 0 where it was never given
    recall: float  # 0 where no row has it
    f1: float
    low: float  # 2.5 % point of the bootstrap of F1; nan without support
    high: float  # 97.5 % point

    def to_json(self) -> dict[str, Any]:
        """Return plain values, null instead of nan."""
        plain = asdict(self)
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in plain.items()}


def per_class(
    answers: Answers, *, resamples: int = 2000, seed: int = 0, groups: Groups | None = None
) -> list[ClassScore]:
    """Return one entry a label in the order of the task; multi-label adds `(no label)` last."""
    truth, answer, names = answers.truth, answers.answer, list(answers.space.names)
    if answers.space.multi_label:
        truth, answer, names = add_no_label(truth), add_no_label(answer), [*names, NO_LABEL]
    each = np.stack([truth & answer, ~truth & answer, truth & ~answer]).astype(np.float64)
    tp, fp, fn = each.sum(axis=1)
    found = f1_of(tp, fp, fn)
    drawn = np.vstack(
        [
            f1_of(*(weights @ kind for kind in each))
            for weights in draw(len(answers), resamples=resamples, seed=seed, groups=groups)
        ]
    )
    ends = [
        interval(drawn[:, j], around=found[j]) if tp[j] + fn[j] else (float("nan"), float("nan"))
        for j in range(len(names))
    ]
    return [
        ClassScore(
            label=names[j],
            support=int(tp[j] + fn[j]),
            answered=int(tp[j] + fp[j]),
            hits=int(tp[j]),
            precision=float(ratio(tp, tp + fp)[j]),
            recall=float(ratio(tp, tp + fn)[j]),
            f1=float(found[j]),
            low=ends[j][0],
            high=ends[j][1],
        )
        for j in range(len(names))
    ]


def confusion(answers: Answers) -> NDArray[np.int64]:
    """Return how often each true label was answered by each label.

    Returns:
        Single-label: shape (L, L), rows are truth, columns answers, as in scikit-learn; all
        entries add up to n. Multi-label: shape (L + 1, L + 1), the last row and column being
        `(no label)`. There the diagonal holds hits, and a row's missed labels are counted
        against the labels wrongly given to it (or `(no label)` where none was), and labels
        given without a missed one against the truth `(no label)`. A row of several mistakes
        thus counts more than once.
    """
    if not answers.space.multi_label:
        crossed: NDArray[np.int64] = answers.truth.T.astype(np.int64) @ answers.answer.astype(
            np.int64
        )
        return crossed
    hit = answers.truth & answers.answer
    missed, extra = answers.truth & ~answers.answer, answers.answer & ~answers.truth
    neither = ~answers.truth.any(axis=1) & ~answers.answer.any(axis=1)
    missed = np.column_stack([missed, ~missed.any(axis=1)])
    extra = np.column_stack([extra, ~extra.any(axis=1)])
    table: NDArray[np.int64] = missed.T.astype(np.int64) @ extra.astype(np.int64)
    table[-1, -1] = neither.sum()
    table[np.arange(len(table) - 1), np.arange(len(table) - 1)] += hit.sum(axis=0)
    return table
