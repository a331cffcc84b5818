"""Rows of a split as token ids, end to end: what every task makes of them and reads.

Arrays alone, so that texts can be read where nothing is computed by torch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of tokens end to end: row i is `tokens[offsets[i]:offsets[i + 1]]`."""

    tokens: NDArray[np.int32]  # shape (total,)
    offsets: NDArray[np.int64]  # shape (n + 1,)

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Ragged":
        """Join rows of token ids."""
        if len(rows) == 1:  # a request: a tenth of the time
            return cls(np.array(rows[0], np.int32), np.array([0, len(rows[0])], np.int64))
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        tokens = np.fromiter((one for row in rows for one in row), np.int32, int(offsets[-1]))
        return cls(tokens, offsets)

    @classmethod
    def joined(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """Return the rows of all parts, one part after the other; there is at least one."""
        lengths = np.concatenate([part.lengths for part in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(np.concatenate([part.tokens for part in parts]), offsets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row, shape (n,)."""
        return np.diff(self.offsets)

    def row(self, at: int) -> NDArray[np.int32]:
        """Return the tokens of one row."""
        return self.tokens[self.offsets[at] : self.offsets[at + 1]]

    def take(self, rows: Sequence[int]) -> "Ragged":
        """Return some rows, in that order."""
        return Ragged.of([self.row(at).tolist() for at in rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One split as token ids: what goes into the model and what should come out.

    A row is an example, or a piece of one: those of a long plain text share its id.
    """

    ids: tuple[str, ...]  # example ids, n of them
    inputs: Ragged  # n rows, special tokens included
    answers: Ragged | None = None  # n rows that are learned: they follow the inputs, or fill them
    places: Ragged | None = None  # where in its input each token of an answer belongs; None: after
    words: Ragged | None = None  # which word of its row an input's token is of; -1: none
    targets: NDArray[np.float32]  # shape (n, classes); zeros where unlabelled, (n, 0) for texts
    references: tuple[tuple[str, ...] | None, ...]  # what predictions carry as `reference`
    rows_cut: int  # rows with something cut off
    tokens_lost: int  # tokens cut from them

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens that go through the model when a row is learned, shape (n,)."""
        own = self.inputs.lengths
        if self.answers is None or self.places is not None:
            return own
        return own + self.answers.lengths

    @property
    def examples(self) -> int:
        """How many examples the rows come from."""
        return len(set(self.ids))

    @property
    def digest(self) -> str:
        """Return a name of ids, tokens and targets: other rows, or another order, have another."""
        found = hashlib.sha256("\n".join(self.ids).encode("utf-8", "surrogatepass"))
        for part in (self.inputs, self.answers, self.places, self.words):
            if part is not None:
                found.update(part.offsets.tobytes() + part.tokens.tobytes())
        found.update(self.targets.tobytes())
        return found.hexdigest()

    @classmethod
    def joined(cls, parts: Sequence["Encoded"]) -> "Encoded":
        """Return the rows of all parts of one task, one part after the other."""
        if len(parts) == 1:
            return parts[0]

        def ragged(name: str) -> Ragged | None:
            found = [getattr(part, name) for part in parts]
            return None if found[0] is None else Ragged.joined(found)

        return cls(
            ids=tuple(one for part in parts for one in part.ids),
            inputs=Ragged.joined([part.inputs for part in parts]),
            answers=ragged("answers"),
            places=ragged("places"),
            words=ragged("words"),
            targets=np.concatenate([part.targets for part in parts]),
            references=tuple(one for part in parts for one in part.references),
            rows_cut=sum(part.rows_cut for part in parts),
            tokens_lost=sum(part.tokens_lost for part in parts),
        )

    def take(self, rows: Sequence[int]) -> "Encoded":
        """Return some rows, in that order; what was cut is not counted again."""
        rows = [int(at) for at in rows]
        return Encoded(
            ids=tuple(self.ids[at] for at in rows),
            inputs=self.inputs.take(rows),
            answers=self.answers and self.answers.take(rows),
            places=self.places and self.places.take(rows),
            words=self.words and self.words.take(rows),
            targets=self.targets[rows],
            references=tuple(self.references[at] for at in rows),
            rows_cut=0,
            tokens_lost=0,
        )

    def __len__(self) -> int:
        return len(self.ids)
