"""Texts as they are written: from the model's thread to events of a response (SSE)."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from starlette.responses import Response, StreamingResponse

from burnish.errors import BurnishError
from burnish.serving.growing import Write, Written
from burnish.serving.logs import tell_failure
from burnish.serving.models import Models, Served
from burnish.serving.problems import DEFECT, as_openai, defect, status_of
from burnish.serving.visit import Visit

Piece = tuple[int, str | Written]  # number of the text, and a piece of it or, at its end, all


async def pieces(
    models: Models, name: str, writes: list[Write], visit: Visit, noted: Callable[[Served], None]
) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of texts as they come, and each whole when all are written.

    Args:
        models: of the server.
        name: of the model that writes.
        writes: what is to be written.
        visit: the request; its deadline holds for the whole text.
        noted: is told the model, before anything is written.

    Raises:
        BurnishError: there is no such model, no room, no time; before the first piece or later.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Piece | None] = asyncio.Queue()
    for number, write in enumerate(writes):
        write.emit = _to(loop, queue, number)
    with models.use(name) as served:
        noted(served)
        work = asyncio.ensure_future(served.answer(writes, until=visit.until))
        work.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (piece := await queue.get()) is not None:
                yield piece
            for number, written in enumerate(await work):
                yield number, written
        finally:
            abandon(writes)
            work.cancel()


def abandon(writes: list[Write]) -> None:
    """Let the model stop writing what nobody waits for."""
    for write in writes:
        write.abandoned = True


def _to(
    loop: asyncio.AbstractEventLoop, queue: "asyncio.Queue[Piece | None]", number: int
) -> Callable[[str], None]:
    def emit(text: str) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, (number, text))

    return emit


async def streamed(
    found: AsyncGenerator[Piece, None],
    chunks: Callable[[Piece], list[Any]],
    last: Callable[[], list[Any]],
) -> Response:
    """Return the response that sends pieces as events, `[DONE]` at the end.

    The first piece is waited for, so that what goes wrong before it is told by the status.

    Args:
        found: what `pieces` yields.
        chunks: makes the JSON of a piece.
        last: makes what comes before `[DONE]`.
    """
    first = await anext(found)

    async def events() -> AsyncIterator[bytes]:
        try:
            for chunk in chunks(first):
                yield _event(chunk)
            async for piece in found:
                for chunk in chunks(piece):
                    yield _event(chunk)
            for chunk in last():
                yield _event(chunk)
        except BurnishError as err:
            yield _event(as_openai(err, status_of(err)))
        except Exception:  # noqa: BLE001  (the status is sent already; the client is told so)
            tell_failure("defect")
            yield _event(as_openai(defect(), DEFECT))
        finally:
            await found.aclose()  # also where the client left
        yield b"data: [DONE]\n\n"

    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def _event(value: Any) -> bytes:
    return f"data: {json.dumps(value, allow_nan=False)}\n\n".encode()
