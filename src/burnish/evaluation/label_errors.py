"""Labels that are likely wrong: what a model that never saw a row would have said of it.

Word counts and a logistic regression are trained on folds, so that each row is judged by a model
that did not learn it, and rows of one group by one that learned none of them. A label is suspicious
where the model is surer of the opposite than it is, on average, of rows that are labelled so.
Source: Northcutt, Jiang and Chuang 2021, "Confident Learning", for each label by itself.

Arrays alone; called by `pipeline.label_check`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from burnish.errors import EmptyDataError
from burnish.evaluation.baselines.base import Rows, labelled_only
from burnish.evaluation.baselines.folds import all_folds
from burnish.evaluation.baselines.linear import LinearPerLabel, scores_of
from burnish.evaluation.baselines.tfidf_svm import CountedTexts
from burnish.records import LabelSpace

_ITERATIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """How much a model that did not see them doubts the labels of n rows."""

    rows: Rows  # those with labels
    probability: NDArray[np.float64]  # shape (n, L), of each label
    confidence: NDArray[np.float64]  # shape (n,), in what each row says; the least of its labels
    label: NDArray[np.intp]  # shape (n,), the label in doubt
    flagged: NDArray[np.bool_]  # shape (n,), whether the doubt is more than usual

    def ranked(self) -> NDArray[np.intp]:
        """Return the rows, the most doubtful first; ties in their order."""
        order: NDArray[np.intp] = np.argsort(self.confidence, kind="stable")
        return order

    def suggested(self, row: int, space: LabelSpace) -> tuple[str, ...]:
        """Return the labels a row would have if the doubt is right."""
        names, truth = space.names, self.rows.truth[row]
        if not space.multi_label:
            return (names[int(self.probability[row].argmax())],)
        at = int(self.label[row])
        changed = truth.copy()
        changed[at] = not truth[at]
        return tuple(name for name, held in zip(names, changed, strict=True) if held)


def suspicion(rows: Rows, space: LabelSpace, *, seed: int) -> Suspicion:
    """Return the doubts about the labels of some rows.

    Args:
        rows: n of them; those without labels are passed over.
        space: the labels there may be.
        seed: of the folds, where rows have no groups.

    Raises:
        EmptyDataError: BN205, there are too few rows or groups to part them in two.
    """
    rows = labelled_only(rows)
    probability = _out_of_fold(rows, space, seed)
    given = np.where(rows.truth, probability, 1 - probability)
    # Where a row has one label, only the one that it has can be wrong.
    doubt = given if space.multi_label else np.where(rows.truth, given, 1.0)
    label = doubt.argmin(axis=1)
    flags = _beyond_usual(rows.truth, probability)
    return Suspicion(
        rows=rows,
        probability=probability,
        confidence=doubt.min(axis=1),
        label=label,
        flagged=flags[np.arange(len(rows)), label],
    )


def _beyond_usual(truth: NDArray[np.bool_], probability: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where the opposite is likelier than it usually is of rows that say so, (n, L)."""
    flags = np.zeros_like(truth)
    for at in range(truth.shape[1]):
        held, p = truth[:, at], probability[:, at]
        if held.any() and not held.all():
            flags[:, at] = np.where(held, 1 - p >= (1 - p)[~held].mean(), p >= p[held].mean())
    return flags


def _out_of_fold(rows: Rows, space: LabelSpace, seed: int) -> NDArray[np.float64]:
    """Return the probability of each label by a model that did not learn the row, (n, L)."""
    folds = all_folds(rows, seed)
    if not folds:
        raise EmptyDataError(
            f"{len(rows)} labelled row(s) of 1 group cannot be parted in two",
            where="the training rows",
            fix="give more rows, or leave `data.group` out",
        )
    found, counted = np.zeros(rows.truth.shape), CountedTexts(rows.texts)
    # The dual problem has the same solution and takes half the time where terms outnumber texts.
    regression = LogisticRegression(
        solver="liblinear", dual=True, max_iter=_ITERATIONS, random_state=seed
    )
    for learned, judged in folds:
        mine, others = counted.parted(learned, judged)
        linear = LinearPerLabel(regression, mine, rows.truth[learned], space)
        found[judged] = scores_of(linear.decide(others), space)
    return found
