"""The reply to the most similar training input, word for word: what memory alone can do.

Similar is the cosine of TF-IDF vectors of words (counts damped by a logarithm). Of equally
similar inputs the first counts; so does the first of all for an input without a known word.
"""

from collections.abc import Iterator

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from burnish.evaluation.baselines.base import Baseline, Rows, labelled_only, to_texts
from burnish.evaluation.spaces import is_texts
from burnish.records import Prediction, Space, TextSpace

_CELLS = 4_000_000  # similarities held at a time; 32 MB
_ANY_WORD = r"(?u)\b\w+\b"  # words of one letter too: dialogues and code are full of them


class Retrieval(Baseline[TextSpace]):
    """The first reference of the nearest training input."""

    @classmethod
    def applies(cls, space: Space) -> bool:
        """Where answers are texts."""
        return is_texts(space)

    def fit(self, rows: Rows, choose: Rows | None, space: TextSpace, seed: int) -> None:  # noqa: ARG002
        """Remember every training input with its reply."""
        rows = labelled_only(rows)
        self._replies = [accepted[0] if accepted else "" for accepted in rows.references]
        vectorizer = TfidfVectorizer(token_pattern=_ANY_WORD, sublinear_tf=True)
        try:
            self._inputs = vectorizer.fit_transform(rows.texts).T.tocsr()
        except ValueError:  # scikit-learn's word for "no words in any text"
            vectorizer = None
        self._vectorizer = vectorizer

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer each row with the reply to its nearest training input."""
        return to_texts(rows, [self._replies[at] for at in self._nearest(rows.texts)])

    def _nearest(self, texts: tuple[str, ...]) -> Iterator[int]:
        if self._vectorizer is None:
            yield from (0 for _ in texts)
            return
        vectors = self._vectorizer.transform(texts)
        size = max(1, _CELLS // len(self._replies))
        for start in range(0, len(texts), size):
            alike = (vectors[start : start + size] @ self._inputs).toarray()
            yield from np.argmax(alike, axis=1).tolist()
