"""Written answers beside the texts that were accepted: what metrics of texts work on.

What a pair of answer and references adds to a metric, such as its ROUGE, is costly in Python
and needed again and again: for the score, each comparison, the verdict. So `Texts` keeps it
by row, and hands it on to whatever is taken of the rows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.evaluation.likelihoods import (
    LOG_LIKELIHOOD,
    TOKENS,
    TOPS,
    likelihood_fault,
    tops_fault,
    tops_of,
)
from burnish.records import Prediction, TextSpace

COMPLETE = "complete"
SCORES = (LOG_LIKELIHOOD, TOKENS, COMPLETE)
_NAMES = {*SCORES, *TOPS}

Statistic = Callable[[str, tuple[str, ...]], Sequence[float]]
"""What one answer and its references come to: any fixed number of figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What one system wrote on n rows, and the texts that were accepted."""

    most_shuffled: ClassVar[int | None] = 200
    no_skill: ClassVar[str] = (
        "The answers may say the same whatever the input is, or the references may not follow "
        "from the inputs, or the rows are too few to see it."
    )

    ids: tuple[str, ...]
    answers: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]  # one or more accepted texts a row
    log_likelihood: NDArray[np.float64]  # shape (n,), of the first reference, nats; nan: absent
    tokens: NDArray[np.float64]  # shape (n,), how many the likelihood is over; nan where absent
    tops: NDArray[np.float64]  # shape (n, 2), of how many the right one is first, among five; nan
    complete: NDArray[np.float64]  # shape (n,), 0 where the limit of length was hit, else 1; nan
    space: TextSpace = field(default_factory=TextSpace)
    kept: dict[Statistic, NDArray[np.float64]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each answer is one of its references but for white space around, shape (n,)."""
        pairs = zip(self.answers, self.references, strict=True)
        return np.array([is_exact(answer, accepted) for answer, accepted in pairs], dtype=np.bool_)

    def per_row(self, statistic: Statistic) -> NDArray[np.float64]:
        """Return what each row's answer and references come to, shape (n, k); computed once."""
        if statistic not in self.kept:
            pairs = zip(self.answers, self.references, strict=True)
            figures = [statistic(answer, accepted) for answer, accepted in pairs]
            self.kept[statistic] = np.array(figures, dtype=np.float64)
        return self.kept[statistic]

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> Self:
        """Return the given rows, in that order; a row may be taken more than once."""
        index = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in index),
            answers=tuple(self.answers[i] for i in index),
            references=tuple(self.references[i] for i in index),
            log_likelihood=self.log_likelihood[index],
            tokens=self.tokens[index],
            tops=self.tops[index],
            complete=self.complete[index],
            kept={statistic: figures[index] for statistic, figures in self.kept.items()},
        )

    def shuffled(self, order: NDArray[np.intp]) -> Self:
        """Return the answers as they are, row i beside the references of row `order[i]`.

        The likelihood of a reference that was never tried is not known: it becomes nan.
        """
        unknown = np.full(len(self), np.nan)
        return replace(
            self,
            references=tuple(self.references[i] for i in order),
            log_likelihood=unknown,
            tokens=unknown,
            tops=np.full_like(self.tops, np.nan),
            kept={},
        )

    def differing(self, other: "Texts") -> NDArray[np.bool_]:
        """Whether two systems answer each row differently, shape (n,); rows must be aligned."""
        return _unequal(self.answers, other.answers)

    def disputed(self, other: "Texts") -> NDArray[np.bool_]:
        """Whether two systems have other references for a row, shape (n,); rows aligned."""
        return _unequal(self.references, other.references)

    def reference_of(self, row: int) -> tuple[str, ...]:
        """Return the accepted texts of one row."""
        return self.references[row]


def is_exact(answer: str, references: Sequence[str]) -> bool:
    """Whether an answer is one of its references but for white space around both."""
    return answer.strip() in (reference.strip() for reference in references)


def of_predictions(predictions: Sequence[Prediction], where: str) -> Texts:
    """Return one system's written answers; the rows' ids and references are checked already.

    Raises:
        PredictionError: BN602: not exactly one text as an answer, no accepted text, or a score
            that is none of those there are, or not in its range.
    """
    for prediction in predictions:
        if fault := _fault(prediction):
            raise PredictionError(
                f"id {prediction.example_id!r} {fault}",
                where=where,
                fix="write one text in `answer`, one or more in `reference`, and in `scores` "
                "nothing but `log_likelihood` with its `tokens`, `top1` and `top5`, and `complete`",
            )
    nan = math.nan
    likelihood, tokens, complete = np.array(
        [[p.scores.get(name, nan) for p in predictions] for name in SCORES], dtype=np.float64
    )
    return Texts(
        ids=tuple(p.example_id for p in predictions),
        answers=tuple(p.answer[0] for p in predictions),
        references=tuple(p.reference or () for p in predictions),
        log_likelihood=likelihood,
        tokens=tokens,
        tops=tops_of(predictions),
        complete=complete,
    )


def are_texts(*files: Sequence[Prediction]) -> bool:
    """Return whether predictions that come without a model are texts rather than labels.

    Never where a row has other than one answer, no reference text, or a score by another name
    than texts have: those are labels with probabilities. Else surely where one of these scores is
    there. Where no row has scores, by this: names of labels come again from row to row, and texts
    do not. They are texts if more than half of the references are found on one row only, and some
    answer or reference is more than one word.
    """
    rows = [p for predictions in files for p in predictions]
    names = {name for p in rows for name in p.scores}
    if not names <= _NAMES or not all(len(p.answer) == 1 and p.reference != () for p in rows):
        return False
    if names:
        return True
    accepted = {(p.example_id, text) for p in rows for text in p.reference or ()}
    rows_with: dict[str, int] = {}
    for _, text in accepted:
        rows_with[text] = rows_with.get(text, 0) + 1
    single = sum(n == 1 for n in rows_with.values())
    several_words = any(len(t.split()) > 1 for p in rows for t in (*p.answer, *(p.reference or ())))
    return several_words and 2 * single > len(accepted)


def _unequal(a: Sequence[object], b: Sequence[object]) -> NDArray[np.bool_]:
    return np.array([one != other for one, other in zip(a, b, strict=True)], dtype=np.bool_)


def _fault(prediction: Prediction) -> str | None:
    """Return what is wrong with one row, or None."""
    scores, answers = prediction.scores, len(prediction.answer)
    likelihood, tokens = scores.get(LOG_LIKELIHOOD, 0.0), scores.get(TOKENS, 1.0)
    unknown = next((name for name in scores if name not in _NAMES), None)
    alone = (LOG_LIKELIHOOD in scores) != (TOKENS in scores)
    faults = {
        f"has {answers} answers; a written answer is one text": answers != 1,
        "has no accepted text in its reference": not prediction.reference,
        f"has a score called {unknown!r}, which texts do not have": unknown is not None,
        "has only one of `log_likelihood` and `tokens`, which say nothing alone": alone,
        f"has a likelihood over {tokens} tokens; it is over 1 or more": not (
            1 <= tokens < math.inf
        ),
        f"has `complete` {scores.get(COMPLETE)}; it is 0 or 1": (
            scores.get(COMPLETE, 1) not in (0, 1)
        ),
    }
    found = next((words for words, holds in faults.items() if holds), None)
    return found or likelihood_fault(likelihood) or tops_fault(scores)
