"""Masked language modelling: hidden words of plain texts are foretold from what stands around.

In training, words are hidden at random, others in each epoch. In evaluation every word of a text
is hidden once, a share of them at a time, in turns that depend on the text alone: so a figure
repeats exactly, is the same for all models that share a tokenizer, and needs no draw of luck.

Source of the pseudo-perplexity of a text: Salazar et al. 2020, "Masked Language Model Scoring",
who hide one token at a time; hiding a share at a time costs a tenth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.errors import ModelTaskError
from burnish.recipe.task import MASKED
from burnish.recipe.task import MaskedTask as Section
from burnish.records import PlainSpace
from burnish.tasks import batch as batches
from burnish.tasks.base import Batch, Unfit
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tasks.lengths import Limit, known, percentile_of
from burnish.tasks.likelihood import LikelihoodTask, foretold
from burnish.tasks.masks import by_lot, in_turn
from burnish.tasks.words import Read, pieces_of, read_texts

_MASKS = 2  # keeps this random stream of a seed apart from those of `training.batching`


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedTask(LikelihoodTask):
    """What is hidden, and how much of a text is read at once."""

    family: ClassVar[str] = "masked-lm"
    kind: ClassVar[str] = MASKED

    max_length: Limit  # longest piece, in tokens, special ones included
    share: float  # of the words, hidden at once
    whole_words: bool
    random: float  # share of the hidden tokens that another stands for, in training
    kept: float  # share of the hidden tokens that are seen, in training
    top_k: int
    mask_id: int = -1  # of the tokenizer; known once lengths are measured
    vocabulary: int = 0  # how many tokens may stand for another
    space: PlainSpace = field(default_factory=PlainSpace, init=False)

    @classmethod
    def from_recipe(cls, section: Section, space: PlainSpace) -> Self:  # noqa: ARG003
        """Build the task of a recipe."""
        masking = section.masking
        return cls(
            max_length=section.max_length,
            share=masking.share,
            whole_words=masking.whole_words,
            random=masking.random,
            kept=masking.kept,
            top_k=section.top_k,
        )

    @property
    def longest(self) -> int:
        """The longest text read at once, in tokens."""
        return known(self.max_length)

    def prepare_tokenizer(self, tokenizer: Any) -> Any:
        """Return the tokenizer.

        Raises:
            ModelTaskError: BN304, it has no mask.
        """
        if tokenizer.mask_token_id is None:
            raise ModelTaskError(
                "the tokenizer has no mask token, so no word can be hidden",
                where="recipe key `model`",
                fix="use an encoder such as sentence-transformers/all-MiniLM-L6-v2, or "
                "`task: causal-lm-text` for a decoder",
            )
        return tokenizer

    def measure(self, rows: pl.DataFrame, tokenizer: Any) -> Self:
        """Return the task with the tokenizer's mask, and a percentile made a number."""
        longest = self.max_length
        if isinstance(longest, str):
            lengths = [len(one.tokens) for one in self._read(rows, tokenizer)]
            asked = percentile_of(lengths, longest)
            longest = max(8, min(asked, tokenizer.model_max_length))
        return replace(
            self,
            max_length=longest,
            mask_id=int(tokenizer.mask_token_id),
            vocabulary=len(tokenizer),
        )

    def unfit(self, rows: pl.DataFrame, tokenizer: Any) -> list[Unfit]:
        """Return rows without a single word to foretell."""
        empty = [not (one.words >= 0).any() for one in self._read(rows, tokenizer)]
        found = Unfit(
            code="no-token",
            rows=np.array(empty, dtype=np.bool_),
            words="have no word to learn",
            action="drop",
            fix="leave such rows out",
        )
        return [found] if any(empty) else []

    def encode(self, rows: pl.DataFrame, tokenizer: Any) -> Encoded:
        """Turn texts into turns: in each a share of the words is hidden, in all of them every one.

        A text without a word to foretell takes one turn, so that no row goes without an answer.
        """
        ids, tokens, words = self._pieces(rows, tokenizer)
        turn, turns = in_turn(tokens, words, self.share)
        takes = [(row, at) for row, all_of in enumerate(turns) for at in range(max(1, all_of))]
        of_row = np.split(turn, tokens.offsets[1:-1])
        places = Ragged.of([np.flatnonzero(of_row[row] == at).tolist() for row, at in takes])
        repeated = tokens.take([row for row, _ in takes])
        return _encoded([ids[row] for row, _ in takes], repeated, places, seen=self.mask_id)

    def encode_to_learn(self, rows: pl.DataFrame, tokenizer: Any) -> Encoded:
        """Turn texts into pieces, words hidden as in the first epoch of seed 0."""
        ids, tokens, words = self._pieces(rows, tokenizer)
        nothing = Ragged.of([()] * len(ids))
        bare = _encoded(ids, tokens, nothing, seen=self.mask_id, words=words)
        return self.drawn(bare, seed=0, epoch=0)

    def drawn(self, encoded: Encoded, *, seed: int, epoch: int) -> Encoded:
        """Return training rows with the words hidden that this epoch hides."""
        words = encoded.words
        if words is None:
            raise ValueError("these rows are for evaluation; encode_to_learn() makes others")
        rng = np.random.default_rng([seed, _MASKS, epoch])
        tokens = _restored(encoded)
        hidden = by_lot(words, self.share, rng)
        luck = rng.random(int(hidden.sum()))
        seen = np.full(len(luck), self.mask_id, np.int32)
        others = rng.integers(0, max(1, self.vocabulary), len(luck), dtype=np.int32)
        seen = np.where(luck < self.random, others, seen)
        seen = np.where(luck >= 1 - self.kept, tokens.tokens[hidden], seen)
        owner = np.repeat(np.arange(len(encoded)), tokens.lengths)[hidden]
        within = np.flatnonzero(hidden) - tokens.offsets[owner]
        counts = np.bincount(owner, minlength=len(encoded))
        offsets = np.concatenate([[0], np.cumsum(counts)])
        places = Ragged(within.astype(np.int32), offsets)
        return _encoded(encoded.ids, tokens, places, seen=seen, words=words)

    def collate(self, encoded: Encoded, rows: Sequence[int], *, packed: bool, pad_id: int) -> Batch:
        """Return the rows with what is to be foretold: `at` where, `next` token, `owner` row."""
        pieces = [encoded.inputs.row(row) for row in rows]
        form = batches.packed if packed else batches.padded
        batch = form(pieces, pad_id=pad_id)
        lengths = np.array([len(piece) for piece in pieces])
        width = batch["input_ids"].shape[1]
        starts = np.cumsum(lengths) - lengths if packed else width * np.arange(len(pieces))
        places, answers = encoded.places, encoded.answers
        if places is None or answers is None:
            raise ValueError("these rows hide nothing; encode them by this task")
        at = [start + places.row(row) for start, row in zip(starts, rows, strict=True)]
        return batch | foretold(at, [answers.row(row) for row in rows])

    def _read(self, rows: pl.DataFrame, tokenizer: Any) -> list[Read]:
        texts = rows["text"].fill_null("").to_list()
        return read_texts(texts, tokenizer, whole_words=self.whole_words)

    def _pieces(self, rows: pl.DataFrame, tokenizer: Any) -> tuple[list[str], Ragged, Ragged]:
        """Return id, tokens and words of each piece of the texts."""
        texts = zip(rows["id"].to_list(), self._read(rows, tokenizer), strict=True)
        longest = known(self.max_length)
        pieces = [(name, part) for name, text in texts for part in pieces_of(text, longest)]
        tokens = Ragged.of([part.tokens.tolist() for _, part in pieces])
        words = Ragged.of([part.words.tolist() for _, part in pieces])
        return [name for name, _ in pieces], tokens, words


def _encoded(
    ids: Sequence[str],
    tokens: Ragged,
    places: Ragged,
    *,
    seen: int | NDArray[np.int32],
    words: Ragged | None = None,
) -> Encoded:
    """Return rows of which the tokens at some places are to be foretold.

    Args:
        ids: n of them.
        tokens: n rows as they were written.
        places: n rows.
        seen: what stands at all of those places.
        words: number of each token's word.
    """
    at = _flat(places, tokens)
    inputs = tokens.tokens.copy()
    inputs[at] = seen
    return Encoded(
        ids=tuple(ids),
        inputs=Ragged(inputs, tokens.offsets),
        answers=Ragged(tokens.tokens[at], places.offsets),
        places=places,
        words=words,
        targets=np.zeros((len(ids), 0), np.float32),
        references=((),) * len(ids),
        rows_cut=0,
        tokens_lost=0,
    )


def _restored(encoded: Encoded) -> Ragged:
    """Return the tokens of rows as they were written."""
    tokens = encoded.inputs.tokens.copy()
    if encoded.places is not None and encoded.answers is not None:
        tokens[_flat(encoded.places, encoded.inputs)] = encoded.answers.tokens
    return Ragged(tokens, encoded.inputs.offsets)


def _flat(places: Ragged, tokens: Ragged) -> NDArray[np.int64]:
    """Return places in rows as places in all tokens."""
    starts: NDArray[np.int64] = np.repeat(tokens.offsets[:-1], places.lengths)
    return starts + places.tokens
