"""Whether a model in another form, or served, still answers as it was judged.

Compares answers with those that were kept, within what the arithmetic of both allows. Called by
`pipeline.export` for all rows of the judged split, and by `serving.parity` for the golden rows
that a model folder keeps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from burnish.evaluation.likelihoods import TOPS
from burnish.evaluation.report.words import share
from burnish.records import Asked, Prediction

# Scores that say something of the answer, not of the model; and counts, in which one near tie
# that falls otherwise is a whole token.
_NOT_COMPARED = ("complete", "tokens", *TOPS)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far answers may be from those that were judged."""

    difference: float = 0.0  # of a probability, or of a log-likelihood in nats a token
    equal: float = 1.0  # least share of equal answers, in [0, 1]
    spare: int = 0  # answers that may differ though the share asks for more

    def widened(self, other: Self) -> Self:
        """Return bounds that hold wherever these or the others do."""
        return replace(
            self,
            difference=max(self.difference, other.difference),
            equal=min(self.equal, other.equal),
            spare=max(self.spare, other.spare),
        )

    def of_few(self) -> Self:
        """Return bounds for so few rows that one near tie is more than the share allows."""
        return replace(self, spare=1) if self.equal < 1 else self


# What the arithmetic allows, for labels and for written answers. A written answer is a chain of
# choices: one near tie that falls otherwise changes all after it.
_EXACT = {"labels": Bounds(1e-4, 1.0), "texts": Bounds(1e-3, 0.99)}
_ROUNDED = {"labels": Bounds(0.03, 0.995), "texts": Bounds(0.2, 0.5)}


def is_exact(precision: str, device: str) -> bool:
    """Whether answers are computed in fp32 on a processor, as every other program computes."""
    return (precision, device) == ("fp32", "cpu")


def bounds(asked: Asked, *, exact: bool) -> Bounds:
    """Return what the arithmetic allows.

    Args:
        asked: what the task wants answered.
        exact: whether both were computed so (`is_exact`). A run judged in bf16, or on a GPU that
            shortens fp32 products, differs by their rounding.
    """
    return (_EXACT if exact else _ROUNDED)["labels" if asked == "labels" else "texts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How answers compare with those that were judged.

    A score is a probability, or of a written answer the log-likelihood of the reference, in nats
    a token.
    """

    split: str
    rows: int
    equal_answers: int
    largest_score_difference: float  # inf where a score is no number
    allowed: Bounds

    @property
    def holds(self) -> bool:
        """Whether the answers are those that were judged, within the bounds."""
        unequal = self.rows - self.equal_answers
        return self.largest_score_difference <= self.allowed.difference and (
            unequal <= self.allowed.spare or self.equal_answers >= self.allowed.equal * self.rows
        )

    @property
    def words(self) -> str:
        """The comparison in a sentence."""
        asked = f"at least {share(self.allowed.equal, 1)} asked"
        if self.allowed.spare:
            asked += f", or all but {self.allowed.spare}"
        gap = self.largest_score_difference
        differ = f"scores differ by at most {gap:.1g}"
        return (
            f"{self.equal_answers:,} of {self.rows:,} answers on {self.split} "
            f"({share(self.equal_answers, self.rows)}; {asked}) are those that were judged; "
            f"{differ if math.isfinite(gap) else 'some scores are no numbers'} "
            f"({self.allowed.difference:g} allowed)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of parity.json."""
        told = asdict(self)
        allowed, gap = told.pop("allowed"), self.largest_score_difference
        return told | {
            "largest_score_difference": gap if math.isfinite(gap) else None,
            "most_allowed": allowed["difference"],
            "least_equal_share": allowed["equal"],
            "unequal_allowed": allowed["spare"],
            "holds": self.holds,
        }


def compare(
    judged: Sequence[Prediction],
    answers: Mapping[str, Prediction],
    *,
    split: str,
    allowed: Bounds,
) -> Parity:
    """Return how answers compare with those that were judged.

    Args:
        judged: what was kept; not empty.
        answers: by id, one for each of them, with every score that was kept.
        split: that the rows are of.
        allowed: what counts as the same.
    """
    pairs = [(one, answers[one.example_id]) for one in judged]
    return Parity(
        split=split,
        rows=len(pairs),
        equal_answers=sum(a.answer == b.answer for a, b in pairs),
        largest_score_difference=max(_gap(a, b) for a, b in pairs),
        allowed=allowed,
    )


def _gap(a: Prediction, b: Prediction) -> float:
    """Return the largest difference of a probability, or of the log-likelihood of a token."""
    tokens = max(1.0, a.scores.get("tokens", 1.0))
    gaps = [
        abs(score - b.scores[name]) / tokens
        for name, score in a.scores.items()
        if name not in _NOT_COMPARED
    ]
    # What is no number is larger than nothing and smaller than nothing: max() would pass it by.
    return math.inf if any(map(math.isnan, gaps)) else max(gaps, default=0.0)
