"""A text that is to be written, and how it grows, whatever computes its tokens.

No library that computes is needed here: a server of classifiers takes such requests, too, to refuse
them, and need not load one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from burnish.data.conversation import Conversation
from burnish.serving.engine import Read
from burnish.serving.pieces import Pieces, offsets

MOST_SEED = 2**63

_HALF = "\ufffd"  # what a token that is a part of a character is decoded as

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOdds:
    """One token in its place."""

    text: str
    logprob: float | None  # in nats; None for the first token of a prompt, which follows nothing
    top: Mapping[str, float]  # the likeliest tokens there and this one, by falling logprob

    @classmethod
    def of(cls, token: int, likeliest: Mapping[int, float], tokenizer: Any) -> Self:
        """Return what is told of a token.

        Args:
            token: its number.
            likeliest: logprobs in its place by token, falling, its own among them; none for the
                first token of a prompt.
            tokenizer: makes texts of tokens.
        """
        top: dict[str, float] = {}
        for number, logprob in likeliest.items():
            top.setdefault(_token_text(number, tokenizer), logprob)
        return cls(text=_token_text(token, tokenizer), logprob=likeliest.get(token), top=top)


def _token_text(token: int, tokenizer: Any) -> str:
    """Return a token's text; of a part of a character, the vocabulary's own name for it."""
    text: str = tokenizer.decode([token])
    return str(tokenizer.convert_ids_to_tokens(token)) if _HALF in text else text


@dataclass(slots=True, kw_only=True, eq=False)
class Write:
    """One text to be written."""

    text: str
    turns: Conversation | None = None
    tokens: Sequence[int] | None = None  # the prompt as tokens, in place of its text
    raw: bool = False  # go on from the text itself; else answer it, as in the evaluation
    max_tokens: int | None = None  # None: as the task says
    temperature: float = 0.0  # 0: the likeliest token
    top_p: float = 1.0  # draw from the likeliest tokens of that much probability together
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None  # likeliest tokens told for each token; None: nothing is told
    echo: bool = False  # tell the prompt, too; its text and, with `logprobs`, its odds
    emit: Callable[[str], None] | None = None  # is called with each piece of text
    abandoned: bool = False  # set where nobody waits for the rest
    begun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A text that was written."""

    text: str
    finish: Finish
    tokens: int  # of the prompt
    written_tokens: int
    cut_tokens: int
    odds: tuple[TokenOdds, ...] = ()  # of the prompt, where it is told, and of what was written
    offsets: tuple[int, ...] = ()  # where in the text each of these tokens begins, in characters


@dataclass(eq=False, kw_only=True)
class Growing:
    """The text of one request while its tokens come, whatever computes them.

    Raises RuntimeError where the text was begun before, and its batch failed.
    """

    asked: Write
    limit: int  # tokens of the answer
    ends: Collection[int]
    tokenizer: Any
    finish: Finish | None = None
    written: int = 0
    odds: list[TokenOdds] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)  # of the tokens with odds, in what is written
    pieces: Pieces = field(init=False)

    def __post_init__(self) -> None:
        asked = self.asked
        if asked.begun:
            raise RuntimeError("the batch failed after this text was begun: not told twice")
        asked.begun = True
        self.pieces = Pieces(self.tokenizer, stop=asked.stop, emit=asked.emit, strip=not asked.raw)
        if not self.limit:
            self.end("length")

    def take(self, token: int, odds: TokenOdds | None) -> None:
        """Take the next token in, and how likely it was where that is told."""
        self.written += 1
        if odds is not None:
            self.odds.append(odds)
            self.offsets.append(self.pieces.begins)
        if token in self.ends or self.pieces.add(token) or self.asked.abandoned:
            self.end("stop")
        elif self.written >= self.limit:
            self.end("length")

    def end(self, finish: Finish) -> None:
        """Tell what was held back: no more tokens come."""
        self.finish = finish
        self.pieces.end()

    def told(self, read: Read, of_prompt: Callable[[int], list[TokenOdds]]) -> Written:
        """Return the text as it is told, after its prompt where that is wanted.

        Args:
            read: the request, whose rows are a Prompt.
            of_prompt: number of likeliest tokens → the odds of the prompt's tokens.
        """
        asked, tokens = self.asked, read.rows.tokens
        before, odds, places = "", self.odds, list[int]()
        if asked.echo:
            before = asked.text or self.tokenizer.decode(tokens)
            if asked.logprobs is not None and not asked.abandoned:  # which takes a pass
                odds = of_prompt(asked.logprobs) + odds
                places = offsets(tokens, self.tokenizer, marks=not asked.text)
        text = before + self.pieces.text
        places += [len(before) + at for at in self.offsets]
        return Written(
            text=text,
            odds=tuple(odds),
            offsets=tuple(min(at, len(text)) for at in places),  # a stop text is left out
            finish=self.finish or "length",
            tokens=read.tokens,
            written_tokens=self.written,
            cut_tokens=read.cut_tokens,
        )
