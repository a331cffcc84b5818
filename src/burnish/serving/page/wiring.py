"""From an event of the page to a function, and from its errors to words."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import wraps
from html import escape
from inspect import isasyncgenfunction
from typing import Any

import gradio as gr

from burnish.errors import BurnishError, OverCapacityError
from burnish.serving.problems import defect


def on(events: list[Any], function: Any, inputs: Any, outputs: Any) -> Any:
    """Let events call a function; programs have endpoints of their own."""
    return gr.on(events, safely(function), inputs, outputs, api_visibility="private")


def safely(function: Any) -> Callable[..., Any]:
    """Return a function whose errors reach the reader as words, never as a traceback."""
    if isasyncgenfunction(function):

        @wraps(function)
        async def streamed(*given: Any) -> AsyncGenerator[Any, None]:
            try:
                async for one in function(*given):
                    yield one
            except Exception as err:  # noqa: BLE001  (the log has it)
                raise _words_of(err) from None

        return streamed

    @wraps(function)
    async def called(*given: Any) -> Any:
        try:
            work: Awaitable[Any] = function(*given)
            return await work
        except Exception as err:  # noqa: BLE001  (the log has it)
            raise _words_of(err) from None

    return called


def _words_of(err: Exception) -> gr.Error:
    told = err if isinstance(err, BurnishError) else defect()
    words = f"{told.what}; {told.fix}"
    if isinstance(err, OverCapacityError):
        words += f" ({err.retry_after_s} s)"
    return gr.Error(escape(words, quote=False), title=told.code, print_exception=False, duration=20)
