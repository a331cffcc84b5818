"""Continued pre-training: every token of plain texts is learned, and no text is cut.

A text longer than a piece is read in several, each beginning with the last token of the one
before, so that every token but the first is foretold once. The mark at the end of a text is
learned too but stands outside the score: a model that merely learns where texts end has learned
nothing of what they say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl

from burnish.recipe.task import PLAIN_TEXT
from burnish.recipe.task import PlainTextTask as Section
from burnish.records import PlainSpace
from burnish.tasks.base import Batch, Unfit
from burnish.tasks.batch import tensors
from burnish.tasks.causal_lm import joined
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tasks.lengths import Limit, known, percentile_of
from burnish.tasks.likelihood import LOSS, WIDTH, LikelihoodTask

if TYPE_CHECKING:
    from torch import Tensor

_LOSS_OF_ENDS = WIDTH + LOSS  # column of the raw outputs
_ENDS = 0  # column of the targets: 1 where a piece holds the end mark of its text


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainTextTask(LikelihoodTask):
    """How much of a text is read at once."""

    family: ClassVar[str] = "causal-lm"
    kind: ClassVar[str] = PLAIN_TEXT
    joins: ClassVar[bool] = True

    max_length: Limit  # longest piece, in tokens
    space: PlainSpace = field(default_factory=PlainSpace, init=False)

    @classmethod
    def from_recipe(cls, section: Section, space: PlainSpace) -> Self:  # noqa: ARG003
        """Build the task of a recipe."""
        return cls(max_length=section.max_length)

    @property
    def longest(self) -> int:
        """The longest text read at once, in tokens."""
        return known(self.max_length)

    @property
    def width(self) -> int:
        """The sums of a row's tokens, then those of its end mark."""
        return 2 * WIDTH

    def measure(self, rows: pl.DataFrame, tokenizer: Any) -> Self:
        """Return the task with a percentile of the training texts made a number."""
        if not isinstance(self.max_length, str):
            return self
        lengths = [len(one) for one in _tokens(rows, tokenizer)]
        asked = percentile_of(lengths, self.max_length)
        return replace(self, max_length=max(8, min(asked, tokenizer.model_max_length)))

    def unfit(self, rows: pl.DataFrame, tokenizer: Any) -> list[Unfit]:
        """Return rows without a single token to learn."""
        empty = np.array([len(one) <= 1 for one in _tokens(rows, tokenizer)], dtype=np.bool_)
        words = "have no token to learn"
        found = Unfit(
            code="no-token", rows=empty, words=words, action="drop", fix="leave such rows out"
        )
        return [found] if empty.any() else []

    def encode(self, rows: pl.DataFrame, tokenizer: Any) -> Encoded:
        """Turn texts into pieces: a first token that is given, and those that follow it."""
        texts = zip(rows["id"].to_list(), _tokens(rows, tokenizer), strict=True)
        pieces = [(name, *piece) for name, text in texts for piece in self._pieces(text)]
        return Encoded(
            ids=tuple(name for name, _, _ in pieces),
            inputs=Ragged.of([tokens[:1] for _, tokens, _ in pieces]),
            answers=Ragged.of([tokens[1:] for _, tokens, _ in pieces]),
            targets=np.array([[ends] for _, _, ends in pieces], np.float32).reshape(-1, 1),
            references=((),) * len(pieces),
            rows_cut=0,
            tokens_lost=0,
        )

    def _pieces(self, text: list[int]) -> Iterator[tuple[list[int], bool]]:
        """Yield the pieces of a text with its end mark, and whether each foretells that mark.

        Of an empty text there is one, with nothing to foretell: no row goes without an answer.
        """
        step = known(self.max_length) - 1  # the token before it stands in front of each
        for start in range(0, max(1, len(text) - 1), step):
            yield text[start : start + step + 1], 1 < len(text) <= start + step + 1

    def collate(self, encoded: Encoded, rows: Sequence[int], *, packed: bool, pad_id: int) -> Batch:
        """Return the pieces as a decoder reads them; end marks have owners of their own."""
        batch = joined(encoded, rows, packed=packed, pad_id=pad_id)
        ends = encoded.targets[list(rows), _ENDS] > 0
        owner = batch["owner"].numpy()
        is_last = np.append(owner[1:] != owner[:-1], True)
        owner = np.where(is_last & ends[owner], owner + len(rows), owner)
        return batch | tensors(owner=owner, kinds=np.array(2))

    def loss(self, outputs: "Tensor", batch: Batch) -> "Tensor":  # noqa: ARG002
        """Return the loss summed over all tokens and end marks, in nats."""
        return outputs[:, [LOSS, _LOSS_OF_ENDS]].sum()


def _tokens(rows: pl.DataFrame, tokenizer: Any) -> list[list[int]]:
    """Return the tokens of each text as the tokenizer begins one, with an end mark."""
    texts = rows["text"].fill_null("").to_list()
    found = tokenizer(texts, verbose=False)["input_ids"] if texts else []
    end = tokenizer.eos_token_id
    return [one if one[-1:] == [end] else [*one, end] for one in found]
