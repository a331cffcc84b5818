"""The page is built for whoever asks first, and anew where that failed."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from burnish.serving.lifecycle import Lifecycle
from burnish.serving.page.asks import PATH
from burnish.serving.page.door import Door
from burnish.serving.settings import Settings


def page() -> Starlette:
    def shown(_: Any) -> PlainTextResponse:
        return PlainTextResponse("the page")

    return Starlette(routes=[Route(f"{PATH}/", shown), Route(f"{PATH}/config", shown)])


async def visits(build: Callable[[], Any], paths: list[str]) -> list[int]:
    """Ask for paths one after another; return the statuses."""
    lifecycle = Lifecycle()
    door = Door(Starlette(), build=build, settings=Settings(), lifecycle=lifecycle)
    transport = httpx.ASGITransport(app=door)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        found = [(await client.get(f"{PATH}/{path}")).status_code for path in paths]
    lifecycle.stop()
    await asyncio.sleep(0)
    return found


def test_a_page_that_could_not_be_built_is_told_and_built_anew_for_the_next_visit() -> None:
    tries: list[int] = []

    def build() -> Starlette:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no memory for it")
        return page()

    assert asyncio.run(visits(build, ["config", "config", "config"])) == [500, 200, 200]
    assert len(tries) == 2
