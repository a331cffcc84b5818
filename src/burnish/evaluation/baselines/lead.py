"""The first sentence of the input: hard to beat where texts begin with what matters.

See, Liu and Manning 2017, "Get To The Point", section 5: on news the lead outdid most models.
"""

from burnish.evaluation.baselines.base import Baseline, Rows, labelled_only, to_texts
from burnish.evaluation.sentences import sentences
from burnish.evaluation.spaces import is_texts
from burnish.records import Prediction, Space, TextSpace


class Lead(Baseline[TextSpace]):
    """The first sentence, in no more words than the longest training answer has."""

    @classmethod
    def applies(cls, space: Space) -> bool:
        """Where answers are texts."""
        return is_texts(space)

    def fit(self, rows: Rows, choose: Rows | None, space: TextSpace, seed: int) -> None:  # noqa: ARG002
        """Find out how long an answer may be."""
        answers = [accepted[0] for accepted in labelled_only(rows).references if accepted]
        self._most_words = max(len(answer.split()) for answer in answers)

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer with the beginning of each input; with nothing where it is blank."""
        firsts = [next(iter(sentences(text)), "") for text in rows.texts]
        return to_texts(rows, [self._cut(first) for first in firsts])

    def _cut(self, sentence: str) -> str:
        words = sentence.split()
        return sentence if len(words) <= self._most_words else " ".join(words[: self._most_words])
