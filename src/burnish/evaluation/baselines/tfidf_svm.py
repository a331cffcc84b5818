"""The stronger cheap system: word and character n-grams, balanced weights, a linear SVM.

Word 1–2-grams (in at least 2 texts) beside character 3–5-grams within words (in at least 3),
term counts damped by a logarithm, each block with L2 norm; squared hinge loss, C = 1; a label's
few rows weigh as much together as its many non-rows. Nothing is chosen, so `choose` is unused.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.svm import LinearSVC

from burnish.evaluation.baselines.base import Baseline, Rows, labelled_only
from burnish.evaluation.baselines.linear import LinearPerLabel, Matrix, predictions_of
from burnish.records import LabelSpace, Prediction

Demands = dict[str, Any]

_BLOCKS: tuple[Demands, ...] = (
    {"analyzer": "word", "ngram_range": (1, 2), "min_df": 2},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "min_df": 3},
)
_MOST_FEATURES = 500_000  # a block; bounds memory on millions of rows
_SWEEPS, _SWEEPS_IF_MANY, _MANY_ROWS = 20_000, 1_000, 20_000


class TextFeatures:
    """Word and character TF-IDF, as fitted to some texts."""

    def __init__(self, blocks: list[TfidfVectorizer]) -> None:
        self._blocks = blocks

    @classmethod
    def of(cls, texts: tuple[str, ...]) -> "TextFeatures":
        """Learn the terms of texts."""
        blocks = [_fitted(demands, texts) for demands in _BLOCKS]
        return cls([block for block in blocks if block is not None])

    def read(self, texts: tuple[str, ...]) -> Matrix:
        """Return the features of texts, shape (n, terms)."""
        blocks = [block.transform(texts) for block in self._blocks]
        return hstack(blocks, format="csr") if blocks else csr_matrix(np.zeros((len(texts), 1)))


class CountedTexts:
    """Terms of texts, counted once, for folds that each learn their own weights of them."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        """Count every term of n texts."""
        counted = [(_counted(demands, texts), demands["min_df"]) for demands in _BLOCKS]
        self._blocks = [(counts, least) for counts, least in counted if counts is not None]

    def parted(self, learned: NDArray[np.intp], read: NDArray[np.intp]) -> tuple[Matrix, Matrix]:
        """Return what `TextFeatures` of the learned texts reads in them, and in the others."""
        both = [_weighed(counts, least, learned, read) for counts, least in self._blocks]
        found = [pair for pair in both if pair is not None]
        if not found:
            return csr_matrix((len(learned), 1)), csr_matrix((len(read), 1))
        mine, others = zip(*found, strict=True)
        return hstack(mine, format="csr"), hstack(others, format="csr")


class TfidfSvm(Baseline[LabelSpace]):
    """Word and character TF-IDF with a balanced linear SVM; the rival to beat."""

    def fit(self, rows: Rows, choose: Rows | None, space: LabelSpace, seed: int) -> None:  # noqa: ARG002
        """Train on `rows`."""
        rows = labelled_only(rows)
        self._space = space
        self._features = TextFeatures.of(rows.texts)
        sweeps = _SWEEPS if len(rows) <= _MANY_ROWS else _SWEEPS_IF_MANY
        svm = LinearSVC(class_weight="balanced", dual=True, max_iter=sweeps, random_state=seed)
        self._model = LinearPerLabel(svm, self._features.read(rows.texts), rows.truth, space)

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer by the sign, or the highest, of the decision values."""
        decisions = self._model.decide(self._features.read(rows.texts))
        return predictions_of(rows, self._space, decisions)


def _counted(demands: Demands, texts: tuple[str, ...]) -> csr_matrix | None:
    """Return the counts of all terms, shape (n, terms); None where there is no term."""
    try:
        return CountVectorizer(**{**demands, "min_df": 1}, dtype=np.int32).fit_transform(texts)
    except ValueError:  # scikit-learn's word for "no terms are left"
        return None


def _weighed(
    counts: csr_matrix, least: int, learned: NDArray[np.intp], read: NDArray[np.intp]
) -> tuple[csr_matrix, csr_matrix] | None:
    """Return the terms of one block that learned texts have, weighed by them; None without any."""
    mine = counts[learned]
    texts_with = np.bincount(mine.indices, minlength=mine.shape[1])
    kept = np.flatnonzero(texts_with >= (least if (texts_with >= least).any() else 1))
    if not len(kept):
        return None
    if len(kept) > _MOST_FEATURES:
        often = np.asarray(mine.sum(axis=0), dtype=np.float64).ravel()[kept]
        kept = np.sort(kept[(-often).argsort()[:_MOST_FEATURES]])
    mine = mine[:, kept]
    weights = TfidfTransformer(sublinear_tf=True).fit(mine)
    return weights.transform(mine), weights.transform(counts[read][:, kept])


def _fitted(demands: Demands, texts: tuple[str, ...]) -> TfidfVectorizer | None:
    """Return the vectoriser, with fewer demands on few texts; None where no term is left."""
    for least in (demands["min_df"], 1):
        vectorizer = TfidfVectorizer(
            **{**demands, "min_df": least}, sublinear_tf=True, max_features=_MOST_FEATURES
        )
        try:
            return vectorizer.fit(texts)
        except ValueError:  # scikit-learn's word for "no terms are left"
            continue
    return None
