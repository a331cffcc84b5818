"""The benchmark's own cheap system: TF-IDF of word 1–3-grams and a linear SVM.

Protocol (Chalkidis et al. 2022, "LexGLUE", and its published code): English stop words out,
terms in at least 5 texts, TF-IDF with L2 norm; {10k, 20k, 40k} features × C {0.1, 1, 10} ×
loss {hinge, squared_hinge}, the setting with the most rows exactly right on held-out rows, then
trained on the training rows only.

The benchmark chooses on its validation rows. Where those are the rows being judged, that would
be choosing on the test; folds of the training rows, by group (document) where there are
groups, choose instead. Stop words are scikit-learn's list, NLTK's being a download.
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.svm import LinearSVC

from burnish.evaluation.baselines.base import Baseline, Rows, labelled_only
from burnish.evaluation.baselines.folds import folds_of
from burnish.evaluation.baselines.linear import (
    LinearPerLabel,
    Matrix,
    answer_of,
    predictions_of,
)
from burnish.records import LabelSpace, Prediction

_FEATURES = (10_000, 20_000, 40_000)
_COSTS = (0.1, 1.0, 10.0)
_LOSSES = ("hinge", "squared_hinge")
_LEAST_TEXTS = 5
_SWEEPS, _SWEEPS_IF_MANY, _MANY_ROWS = 50_000, 1_000, 20_000  # solver passes; a bound on time


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the grid."""

    features: int
    cost: float
    loss: str


_GRID = [Setting(*point) for point in product(_FEATURES, _COSTS, _LOSSES)]
_NOT_CHOSEN = Setting(_FEATURES[0], 1.0, "squared_hinge")  # where no rows can choose


class Terms:
    """Word 1–3-grams counted once; each feature limit takes the most frequent of them."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self._vectorizer, self._counts = _count(texts)
        frequency = np.asarray(self._counts.sum(axis=0)).ravel()
        self._ranked = np.argsort(-frequency, kind="stable")

    def kept(self, limit: int) -> int:
        """Return how many features a limit leaves."""
        return min(limit, len(self._ranked))

    def fitted(self, limit: int) -> tuple[TfidfTransformer, NDArray[np.intp], Matrix]:
        """Return the TF-IDF weights, the columns kept, and the features of the counted texts."""
        columns = np.sort(self._ranked[:limit])
        weights = TfidfTransformer()
        return weights, columns, weights.fit_transform(self._counts[:, columns])

    def counts_of(self, texts: tuple[str, ...]) -> Matrix:
        """Return the counts of other texts, shape (n, all terms)."""
        return self._vectorizer.transform(texts)


class LexglueSvm(Baseline[LabelSpace]):
    """LexGLUE's TF-IDF SVM, settings chosen as its protocol says."""

    def fit(self, rows: Rows, choose: Rows | None, space: LabelSpace, seed: int) -> None:
        """Choose a setting on `choose`, or on folds of `rows`, and train on `rows`."""
        rows = labelled_only(rows)
        self._space = space
        self.setting = _choose_setting(rows, choose, space, seed)
        self._terms = Terms(rows.texts)
        self._weights, self._columns, features = self._terms.fitted(self.setting.features)
        self._model = _train(features, rows.truth, self.setting, space, seed)

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer by the sign, or the highest, of the decision values."""
        counts = self._terms.counts_of(rows.texts)[:, self._columns]
        decisions = self._model.decide(self._weights.transform(counts))
        return predictions_of(rows, self._space, decisions)


def _choose_setting(rows: Rows, choose: Rows | None, space: LabelSpace, seed: int) -> Setting:
    """Return the grid's setting with the most rows exactly right; the earliest of equals."""
    if choose is not None and choose.labelled.any():
        trials = [(rows, labelled_only(choose))]
    else:
        trials = [(rows.take(a), rows.take(b)) for a, b in folds_of(rows, seed)]
    if not trials:
        return _NOT_CHOSEN
    right = sum(_right_by_setting(*trial, space, seed) for trial in trials)
    return _GRID[int(np.argmax(right))]


def _right_by_setting(
    train: Rows, held_out: Rows, space: LabelSpace, seed: int
) -> NDArray[np.intp]:
    """Return how many held-out rows each setting gets exactly right, shape (grid,)."""
    terms = Terms(train.texts)
    counts = terms.counts_of(held_out.texts)

    @cache
    def right(setting: Setting) -> int:
        weights, columns, features = terms.fitted(setting.features)
        model = _train(features, train.truth, setting, space, seed)
        answer = answer_of(model.decide(weights.transform(counts[:, columns])), space)
        return int((answer == held_out.truth).all(axis=1).sum())

    # Limits above the number of terms leave the same features, and need one fit only.
    return np.array([right(replace(s, features=terms.kept(s.features))) for s in _GRID])


def _train(
    features: Matrix, truth: NDArray[np.bool_], setting: Setting, space: LabelSpace, seed: int
) -> LinearPerLabel:
    sweeps = _SWEEPS if features.shape[0] <= _MANY_ROWS else _SWEEPS_IF_MANY
    svm = LinearSVC(
        C=setting.cost, loss=setting.loss, dual=True, max_iter=sweeps, random_state=seed
    )
    return LinearPerLabel(svm, features, truth, space)


def _count(texts: tuple[str, ...]) -> tuple[CountVectorizer, Matrix]:
    """Count terms; fewer demands where nothing would be left of few or odd texts."""
    for demands in (
        {"stop_words": "english", "min_df": _LEAST_TEXTS},
        {"min_df": 1},
        {"min_df": 1, "analyzer": "char"},
    ):
        vectorizer = CountVectorizer(ngram_range=(1, 3), dtype=np.float64, **demands)
        try:
            return vectorizer, vectorizer.fit_transform(texts)
        except ValueError:  # scikit-learn's word for "no terms are left"
            continue
    nothing = CountVectorizer(vocabulary=["(no text)"], analyzer="char")
    return nothing, nothing.fit_transform(texts)
