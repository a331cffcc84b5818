"""The stronger cheap system: word and character n-grams, balanced weights, a linear SVM.

Word 1–2-grams (in at least 2 texts) beside character 3–5-grams within words (in at least 3),
term counts damped by a logarithm, each block with L2 norm; squared hinge loss, C = 1; a label's
few rows weigh as much together as its many non-rows. Nothing is chosen, so `choose` is unused.
"""

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from burnish.evaluation.baselines.base import Baseline, Rows, labelled_only
from burnish.evaluation.baselines.linear import LinearPerLabel, Matrix, predictions_of
from burnish.records import LabelSpace, Prediction

_BLOCKS = (
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


def _fitted(demands: dict[str, object], texts: tuple[str, ...]) -> TfidfVectorizer | None:
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
