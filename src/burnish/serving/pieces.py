"""Tokens to text while they come: whole characters only, and nothing of a stop text.

A character may be made of several tokens, and a stop text may come in several pieces; what could
still become either is held back.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

_HALF = "\ufffd"  # what bytes that are no character yet are decoded as


class Pieces:
    """The text of one answer as it grows."""

    def __init__(
        self,
        tokenizer: Any,
        *,
        stop: Sequence[str] = (),
        emit: Callable[[str], None] | None = None,
        strip: bool = True,
        marks: bool = False,
    ) -> None:
        """Begin with nothing.

        Args:
            tokenizer: makes texts of tokens.
            stop: texts that end the answer, and are left out of it.
            emit: is called with each piece that is sure.
            strip: leave out white space at the beginning and the end.
            marks: tell special tokens, too.
        """
        self._tokenizer, self._stop, self._emit = tokenizer, stop, emit
        self._strip, self._marks = strip, marks
        self._tokens: list[int] = []
        self._context = self._read = 0  # tokens decoded for their context; tokens whose text is out
        self._held = ""
        self._told: list[str] = []
        self._size = 0  # characters taken in, those held back too
        self.begins = 0  # where in the text the next token begins; a part of a character, where it

    @property
    def text(self) -> str:
        """What was told so far."""
        return "".join(self._told)

    def add(self, token: int) -> bool:
        """Take a token in; return whether a stop text ended the answer."""
        self._tokens.append(token)
        before, after = self._decoded(self._read), self._decoded(len(self._tokens))
        if after.endswith(_HALF) or len(after) <= len(before):
            self.begins = self._size + max(0, len(after.rstrip(_HALF)) - len(before))
            return False
        self._context, self._read = self._read, len(self._tokens)
        self._hold(after[len(before) :])
        return self._tell()

    def end(self) -> None:
        """Tell what was held back."""
        before, after = self._decoded(self._read), self._decoded(len(self._tokens))
        self._hold(after[len(before) :])
        self._read = self._context = len(self._tokens)
        if not self._tell():
            self._put(self._held)
        self._held = ""

    def _decoded(self, end: int) -> str:
        text: str = self._tokenizer.decode(
            self._tokens[self._context : end], skip_special_tokens=not self._marks
        )
        return text

    def _hold(self, text: str) -> None:
        self._held += text
        self._size += len(text)
        self.begins = self._size

    def _tell(self) -> bool:
        """Tell what is sure; return whether a stop text was found."""
        found = [at for at in (self._held.find(one) for one in self._stop) if at >= 0]
        if found:
            self._put(self._held[: min(found)])
            self._held, self._stop = "", ()
            return True
        sure = len(self._held) - _overlap(self._held, self._stop)
        if self._strip:
            sure = len(self._held[:sure].rstrip())
        self._put(self._held[:sure], last=False)
        self._held = self._held[sure:]
        return False

    def _put(self, text: str, *, last: bool = True) -> None:
        if self._strip:
            text = text.rstrip() if last else text
            text = text if self._told else text.lstrip()
        if text:
            self._told.append(text)
            if self._emit:
                self._emit(text)


def offsets(tokens: Iterable[int], tokenizer: Any, *, marks: bool) -> list[int]:
    """Return where in their text each token begins, in characters.

    The parts of one character all begin where it does.

    Args:
        tokens: of the text.
        tokenizer: makes texts of tokens.
        marks: whether special tokens are part of the text.
    """
    pieces, found = Pieces(tokenizer, strip=False, marks=marks), []
    for token in tokens:
        found.append(pieces.begins)
        pieces.add(int(token))
    return found


def _overlap(text: str, stops: Sequence[str]) -> int:
    """Return how many characters at the end of a text could be the beginning of a stop text."""
    return max(
        (
            size
            for stop in stops
            for size in range(1, min(len(stop), len(text) + 1))
            if text.endswith(stop[:size])
        ),
        default=0,
    )
