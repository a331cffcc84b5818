"""The mistakes to read first: wrong answers that the system was most sure of.

Reading fifty of them shows more than any number: mislabelled rows, cut texts, a rule that was
missed. Called by the report.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answers import Answers

_TINY = 1e-7  # a probability of 0 for what is true costs 16, not infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstError:
    """One wrong answer."""

    id: str
    text: str  # empty where the text is not at hand
    truth: tuple[str, ...]
    answer: tuple[str, ...]
    loss: float  # surprise at the truth, in nats; without scores the number of wrong labels
    scores: dict[str, float]  # of the labels in truth or answer

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def worst_errors(
    answers: Answers, texts: Mapping[str, str] | None = None, *, limit: int = 50
) -> list[WorstError]:
    """Return at most `limit` wrong answers with the highest loss, worst first; ties by id.

    `texts` holds the text by example id, where it is at hand.
    """
    loss = row_loss(answers)
    wrong = np.flatnonzero(~answers.correct)
    ranked = sorted(wrong, key=lambda i: (-loss[i], answers.ids[i]))[:limit]
    return [
        WorstError(
            id=answers.ids[i],
            text=(texts or {}).get(answers.ids[i], ""),
            truth=answers.names_of(answers.truth[i]),
            answer=answers.names_of(answers.answer[i]),
            loss=float(loss[i]),
            scores=_scores_of(answers, int(i)),
        )
        for i in ranked
    ]


def row_loss(answers: Answers) -> NDArray[np.float64]:
    """Return each row's log loss, shape (n,): over all labels if multi-label, else the true one.

    Without scores: the number of labels that are wrong.
    """
    loss: NDArray[np.float64]
    if not answers.has_scores:
        loss = (answers.truth != answers.answer).sum(axis=1).astype(np.float64)
        return loss
    sure = np.where(answers.truth, answers.scores, 1 - answers.scores).clip(_TINY, 1)
    counted = sure if answers.space.multi_label else sure[answers.truth][:, None]
    loss = -np.log(counted).sum(axis=1)
    return loss


def _scores_of(answers: Answers, row: int) -> dict[str, float]:
    shown = answers.truth[row] | answers.answer[row]
    return {
        name: float(answers.scores[row, j])
        for j, name in enumerate(answers.space.names)
        if shown[j] and np.isfinite(answers.scores[row, j])
    }
