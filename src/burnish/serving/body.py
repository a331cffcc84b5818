"""Read a request's body whole, up to a size and within a time, before anything looks at it."""

import asyncio

from starlette.types import Message, Receive, Scope

from burnish.errors import RequestError


class ClientLeftError(Exception):
    """The client closed the connection; nobody is there to be answered."""


async def read_body(scope: Scope, receive: Receive, *, most: int, until: float) -> bytes:
    """Return the body, empty where there is none.

    Args:
        scope: of the request.
        receive: gives its parts.
        most: bytes.
        until: time of the event loop.

    Raises:
        RequestError: BN701, it is longer (413), said to be so or not, or it is sent too slowly
            (408).
        ClientLeftError: the client went before the end.
    """
    told = dict(scope["headers"]).get(b"content-length", b"")
    if told.isdigit() and int(told) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout_at(until):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeftError
                parts.append(message.get("body", b""))
                size, more = size + len(parts[-1]), message.get("more_body", False)
                if size > most:
                    raise _too_large(most)
    except TimeoutError as err:
        raise _too_slow() from err
    return b"".join(parts)


def replayed(body: bytes, gone: asyncio.Event) -> Receive:
    """Return a function that gives the body once, and then waits for the client to leave."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if parts:
            return parts.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    return receive


def _too_large(most: int) -> RequestError:
    err = RequestError(
        f"the body has more than {most} bytes",
        where="the body of the request",
        fix="send fewer or shorter texts at once, or start the server with --max-body",
    )
    err.status = 413
    return err


def _too_slow() -> RequestError:
    err = RequestError(
        "the body did not come within the time a request may take",
        where="the body of the request",
        fix="send it faster, or start the server with a longer --deadline",
    )
    err.status = 408
    return err
