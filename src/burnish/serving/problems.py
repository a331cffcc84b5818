"""Errors as responses: which status an error has, and the form it takes in each API."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from burnish.errors import (
    AccessError,
    BurnishError,
    DeadlineError,
    OverCapacityError,
    RateLimitError,
    RequestError,
    UnknownModelError,
)

_STATUS: Mapping[type[BurnishError], int] = {
    AccessError: 401,
    UnknownModelError: 404,
    RateLimitError: 429,
    OverCapacityError: 503,
    DeadlineError: 504,
}
UNFIT = 422
DEFECT = 500
_OPENAI = ("/v1/chat/", "/v1/completions", "/v1/embeddings", "/v1/models")
_INFERENCE = "/v2"
_OPENAI_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    504: "server_error",
}


class DefectError(BurnishError):
    """Something is wrong with the server itself."""

    code = "BN999"  # as the command line tells its own


def status_of(err: BurnishError) -> int:
    """Return the HTTP status of an error; what the user's input caused is 422."""
    if isinstance(err, RequestError):
        return err.status
    return next((status for kind, status in _STATUS.items() if isinstance(err, kind)), UNFIT)


def response_to(err: BurnishError, path: str, *, status: int | None = None) -> Response:
    """Return the response that tells an error, in the form of the API that the path is of."""
    status = status or status_of(err)
    if path.startswith(_OPENAI) and status == UNFIT:
        status = 400
    headers = {}
    if isinstance(err, OverCapacityError):
        headers["retry-after"] = str(err.retry_after_s)
    if isinstance(err, AccessError):
        headers["www-authenticate"] = "Bearer"
    return json_response(_told(err, path, status), status=status, headers=headers)


def json_response(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return JSON in ASCII, in which anything that a client sent can be told back to it."""
    body = json.dumps(value, allow_nan=False)
    return Response(body, status, headers=headers, media_type="application/json")


def defect() -> BurnishError:
    """Return the error for what is no fault of the request; the log has its cause."""
    return DefectError(
        "a defect of the server, not of the request",
        where="the server; its log tells more under the request's id",
        fix="report it with that log",
    )


def _told(err: BurnishError, path: str, status: int) -> dict[str, Any]:
    if path.startswith(_OPENAI):
        return as_openai(err, status)
    return _as_text(err) if path.startswith(_INFERENCE) else _as_ours(err)


def _as_ours(err: BurnishError) -> dict[str, Any]:
    return {"error": {"code": err.code, "message": err.what, "where": err.where, "fix": err.fix}}


def as_openai(err: BurnishError, status: int) -> dict[str, Any]:
    """Return an error in OpenAI's form."""
    kind = _OPENAI_TYPES.get(status, "invalid_request_error")
    code = getattr(err, "kind", None) or err.code
    if isinstance(err, UnknownModelError):
        code = "model_not_found"
    message = _in_words(err)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _as_text(err: BurnishError) -> dict[str, Any]:
    """Return an error in the form of the Open Inference Protocol, whose clients take a text."""
    return {"error": f"[{err.code}] {_in_words(err)}"}


def _in_words(err: BurnishError) -> str:
    return f"{err.what} ({err.where}); {err.fix}"
