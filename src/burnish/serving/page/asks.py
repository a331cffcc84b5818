"""What the page asks the models: through the queue, within the limits, counted and logged.

A question of the page is a request like those of the API: it waits in the same queue, has the same
deadline, is refused for the same reasons. Nothing here knows how the page looks.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from burnish.errors import BurnishError, RequestError
from burnish.records import LabelSpace, TextSpace
from burnish.serving.engine import Answered, Ask, Facts
from burnish.serving.growing import Write, Written
from burnish.serving.lifecycle import Lifecycle
from burnish.serving.logs import tell_failure
from burnish.serving.metrics import Metrics
from burnish.serving.models import Models
from burnish.serving.page.words import Part, parts_of, without
from burnish.serving.problems import DEFECT, status_of
from burnish.serving.settings import Settings
from burnish.serving.streaming import abandon, pieces
from burnish.serving.visit import LEFT, Visit
from burnish.signs import is_whole

PATH = "/page"
MOST_PARTS = 48  # pieces of a text that are left out in turn
MOST_WORDS_A_MASK = 20
MOST_TOKENS = 256  # written at once after a plain text
_MOST_TURNS = 64

Wanted = Literal["labels", "words for masks", "written answers"]  # what a model can give


class Asker:
    """Asks models by name."""

    def __init__(
        self, models: Models, *, settings: Settings, metrics: Metrics, lifecycle: Lifecycle
    ) -> None:
        self._models, self._settings = models, settings
        self._metrics, self._lifecycle = metrics, lifecycle

    async def one(
        self, model: str, text: str, *, top_k: int | None = None, wanted: Wanted | None = None
    ) -> Answered:
        """Return the answer to one text, as it was evaluated.

        Args:
            model: its name.
            text: to be answered.
            top_k: words a mask; None: as the task says.
            wanted: what the model must give; None: whatever it does.

        Raises:
            BurnishError: the text cannot be answered, there is no room, or no time.
        """
        _check_name(model, "name of the model")
        _check_number(top_k, MOST_WORDS_A_MASK, "words a mask")
        async with self._visit("ask") as visit:
            _check_gives(self.facts(model), wanted)
            found = await self._answers(model, [_checked(text)], visit, top_k=top_k)
        return found[0]

    async def words(self, model: str, text: str, label: str | None) -> tuple[str, list[Part]]:
        """Return how much each part of a text counts for a label.

        Args:
            model: a classifier.
            text: of at least two words.
            label: None: the likeliest one.

        Returns:
            The label, and the parts of the text in order with the change of the label's
            probability that comes of each: positive where the part speaks for the label.

        Raises:
            BurnishError: the text or the label cannot be asked about, there is no room, or no time.
        """
        _check_name(model, "name of the model")
        _check_name(label, "label")
        spans = parts_of(_checked(text), most=max(2, min(MOST_PARTS, self._settings.max_queue - 1)))
        async with self._visit("words") as visit:
            _check_gives(self.facts(model), "labels")
            asked = [text, *without(text, spans)]
            found = await self._answers(model, asked, visit)
        scores = [one.prediction.scores for one in found]
        label = label or max(scores[0], key=scores[0].__getitem__)
        if label not in scores[0]:
            raise _unfit(f"the model has no label {label!r}", f"use one of: {', '.join(scores[0])}")
        changes = [scores[0][label] - one[label] for one in scores[1:]]
        return label, [Part(*span, change) for span, change in zip(spans, changes, strict=True)]

    async def write(
        self, model: str, text: str, *, turns: list[dict[str, str]] | None, limit: int | None = None
    ) -> AsyncGenerator[str | Written, None]:
        """Yield a text as it is written, piece by piece, and last of all the whole.

        Args:
            model: one that writes.
            text: to go on from, where there are no turns.
            turns: a conversation to be answered.
            limit: tokens written; None: as the task says.

        Raises:
            BurnishError: it cannot be answered, there is no room, or no time.
        """
        _check_name(model, "name of the model")
        _check_number(limit, MOST_TOKENS, "tokens")
        asked = Ask.of_turns(_checked_turns(turns)) if turns is not None else Ask(text=text)
        write = Write(
            text=_checked(asked.text), turns=asked.turns, raw=turns is None, max_tokens=limit
        )
        async with self._visit("write") as visit:
            visit.tell_text(input=asked.turns or asked.text)
            told = pieces(
                self._models, model, [write], visit, lambda one: visit.tell_model(one.facts, 1)
            )
            try:
                async for _, piece in told:
                    if isinstance(piece, Written):
                        visit.tell(tokens=piece.tokens, written_tokens=piece.written_tokens)
                        visit.tell_text(answers=[piece.text])
                    yield piece
            finally:
                abandon([write])
                await told.aclose()

    def named(self, model: str) -> str:
        """Return the name of a model; where none is given, that of the first."""
        return model or self._models.names[0]

    def facts(self, model: str) -> Facts:
        """Return what is told of a model. Raises UnknownModelError (BN703)."""
        with self._models.use(model) as served:
            return served.facts

    async def _answers(
        self, model: str, texts: Sequence[str], visit: Visit, *, top_k: int | None = None
    ) -> list[Answered]:
        with self._models.use(model) as served:
            visit.tell_model(served.facts, len(texts))
            visit.tell_text(input=texts[0])
            asks = [Ask(text=text, top_k=top_k) for text in texts]
            found: list[Answered] = await served.answer(asks, until=visit.until)
        visit.tell(tokens=sum(one.tokens for one in found))
        visit.tell_text(answers=[found[0].prediction.to_json()])
        return found

    @asynccontextmanager
    async def _visit(self, what: str) -> AsyncIterator[Visit]:
        """Yield a request; it is counted and logged when the block ends, however it ends."""
        visit = Visit.begin(self._settings)
        self._lifecycle.check_open()
        self._lifecycle.began()
        self._metrics.began()
        status = LEFT
        try:
            yield visit
            status = 200
        except BurnishError as err:
            status = status_of(err)
            visit.tell(error=err.code)
            raise
        except Exception:
            status = DEFECT
            tell_failure("defect", id=visit.id)
            raise
        finally:
            self._lifecycle.ended()
            visit.ended(
                self._metrics,
                method="PAGE",
                path=f"{PATH}/{what}",
                route=f"{PATH}/{what}",
                status=status,
            )


def _checked(text: Any) -> str:
    """Return a text; who calls the page's endpoints may send anything."""
    if not isinstance(text, str) or not is_whole(text):
        raise _unfit("the text is none", "give a text of whole characters")
    if not text.strip():
        raise _unfit("the text is empty", "write something first")
    return text


def _checked_turns(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(turns) > _MOST_TURNS:
        raise _unfit(f"the conversation has {len(turns)} messages", "begin a new one")
    return [{"role": one["role"], "content": _checked(one["content"])} for one in turns]


def _check_name(name: Any, noun: str) -> None:
    if name is not None and not isinstance(name, str):
        raise _unfit(f"the {noun} is no text", "give it as a text, or leave it out")


def _check_number(number: Any, most: int, noun: str) -> None:
    if number is not None and not (isinstance(number, int) and 1 <= number <= most):
        raise _unfit(f"{noun}: {number!r}", f"ask for 1 to {most}")


def _check_gives(facts: Facts, wanted: Wanted | None) -> None:
    gives: dict[Wanted, bool] = {
        "labels": isinstance(facts.space, LabelSpace),
        "words for masks": facts.mask is not None,
        "written answers": isinstance(facts.space, TextSpace),
    }
    if wanted and not gives[wanted]:
        raise _unfit(f"the model gives no {wanted}", "name a model that does")


def _unfit(what: str, fix: str) -> RequestError:
    return RequestError(what, where="the page", fix=fix)
