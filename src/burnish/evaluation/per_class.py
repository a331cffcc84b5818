"""How each class fares: counts, precision, recall, F1 with interval, and what is taken for what.

Called by the report. An average hides a class that is never found; this table does not.
"""

from dataclasses import asdict, dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answers import Answers
from burnish.evaluation.bootstrap import Draws, draw, interval
from burnish.evaluation.groups import units
from burnish.evaluation.metrics.counts import (
    add_no_label,
    all_labels,
    f1_of,
    precision_of,
    recall_of,
    with_no_label,
)
from burnish.records import without_nan

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
    low: float  # 2.5 % point of the bootstrap of F1; nan without support, or of one row or group
    high: float  # 97.5 % point

    def to_json(self) -> dict[str, Any]:
        """Return plain values, null instead of nan."""
        return without_nan(asdict(self))


def per_class(answers: Answers, **draws: Unpack[Draws]) -> list[ClassScore]:
    """Return one entry a label in the order of the task; multi-label adds `(no label)` last."""
    (truth, answer), names = all_labels(answers), list(answers.space.names)
    if answers.space.multi_label:
        (truth, answer), names = with_no_label(answers), [*names, NO_LABEL]
    each = np.stack([truth & answer, ~truth & answer, truth & ~answer]).astype(np.float64)
    tp, fp, fn = counts = each.sum(axis=1)
    found = f1_of(*counts)
    drawn = np.vstack([f1_of(*(w @ kind for kind in each)) for w in draw(len(answers), **draws)])
    nothing = (float("nan"), float("nan"))
    alone = units(len(answers), draws.get("groups")) == 1  # drawn in one way only
    ends = [
        interval(drawn[:, j], around=found[j]) if support and not alone else nothing
        for j, support in enumerate(tp + fn)
    ]
    return [
        ClassScore(
            label=name,
            support=int(tp[j] + fn[j]),
            answered=int(tp[j] + fp[j]),
            hits=int(tp[j]),
            precision=float(precision_of(*counts)[j]),
            recall=float(recall_of(*counts)[j]),
            f1=float(found[j]),
            low=ends[j][0],
            high=ends[j][1],
        )
        for j, name in enumerate(names)
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
    truth, answer = answers.truth, answers.answer
    if not answers.space.multi_label:
        return _crossed(truth, answer)
    table = _crossed(add_no_label(truth & ~answer), add_no_label(answer & ~truth))
    table[-1, -1] = (~truth & ~answer).all(axis=1).sum()
    table += np.diag([*(truth & answer).sum(axis=0), 0])
    return table


def _crossed(rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> NDArray[np.int64]:
    return rows.T.astype(np.int64) @ columns.astype(np.int64)
