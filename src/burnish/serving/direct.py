"""A route whose requests are mostly right: these skip most of what FastAPI does for any route.

FastAPI reads a body, looks for dependencies and checks the response once more, which takes longer
than a small model's tokens. Here a body that is JSON, said to be, and fits goes to the function
at once; everything else goes FastAPI's way, so that errors and the OpenAPI pages are its own.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

_JSON = "application/json"


class DirectRoute(APIRoute):
    """A route of a function that takes a body, a pydantic model, and the request.

    The function returns a Response.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        usual = super().get_route_handler()
        model = self.body_field.field_info.annotation if self.body_field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return usual

        async def answer(request: Request) -> Response:
            asked = None
            if request.headers.get("content-type") == _JSON:
                asked = _fitting(model, await request.body())
            if asked is None:
                return await usual(request)
            found: Response = await self.endpoint(asked, request)
            return found

        return answer


def _fitting(model: type[BaseModel], body: bytes) -> BaseModel | None:
    """Return a body as a model; None where it does not fit, whatever is wrong with it."""
    try:
        return model.model_validate(json.loads(body))
    except (ValueError, RecursionError):  # (pydantic's errors are ValueErrors)
        return None
