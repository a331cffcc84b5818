"""The server as an ASGI application: routes behind one gate, errors in one form."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from burnish.errors import BurnishError, RequestError
from burnish.serving import inference, native, neighbours, openai
from burnish.serving.gate import Gate
from burnish.serving.heads import Heads
from burnish.serving.keys import KeyRing
from burnish.serving.lifecycle import Lifecycle
from burnish.serving.logs import tell, tell_failure
from burnish.serving.metrics import CONTENT_TYPE, Metrics
from burnish.serving.models import Models
from burnish.serving.page.asks import Asker
from burnish.serving.page.door import Door
from burnish.serving.page.opening import build_page, why_off
from burnish.serving.problems import response_to
from burnish.serving.schemas import STOPPING
from burnish.serving.settings import Settings
from burnish.serving.visit import visit_of

_FAULTS_TOLD = 8


def build_app(
    models: Models,
    *,
    settings: Settings,
    keys: KeyRing,
    metrics: Metrics,
    lifecycle: Lifecycle,
) -> FastAPI:
    """Return the application.

    Args:
        models: loaded.
        settings: limits, and what is told.
        keys: who may ask.
        metrics: that the models' queues tell as well.
        lifecycle: says when the server is to stop.
    """
    app = FastAPI(
        title="Burnish",
        version=version("burnish"),
        description="Answers of fine-tuned models, as they were evaluated.",
        lifespan=lambda _: _running(models, settings, lifecycle),
        docs_url=None,  # the pages of FastAPI load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # the address would lack what a proxy put before the path
    )
    _add_apis(app, models, settings, lifecycle)
    _add_probes(app, models, metrics, lifecycle)
    _add_handlers(app)
    # Of what is around the routes, the last added is the outermost.
    app.add_middleware(Heads)
    app.add_middleware(
        Gate,
        models=models,
        settings=settings,
        keys=keys,
        metrics=metrics,
        lifecycle=lifecycle,
        paths=app.openapi()["paths"],
    )
    if why_off(settings, keys) is None:
        _add_page(app, models, settings=settings, metrics=metrics, lifecycle=lifecycle)
    _let_origins_in(app, settings.origins)
    return app


def _add_apis(app: FastAPI, models: Models, settings: Settings, lifecycle: Lifecycle) -> None:
    app.include_router(native.routes(models, settings))
    app.include_router(openai.routes(models))
    app.include_router(inference.routes(models))
    app.include_router(inference.probes(lifecycle))
    app.include_router(neighbours.routes(models))


def _add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(BurnishError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_unfit)
    app.add_exception_handler(HTTPException, _on_http)


def _add_page(
    app: FastAPI, models: Models, *, settings: Settings, metrics: Metrics, lifecycle: Lifecycle
) -> None:
    asker = Asker(models, settings=settings, metrics=metrics, lifecycle=lifecycle)
    build = partial(build_page, models, asker)
    app.add_middleware(Door, build=build, settings=settings, lifecycle=lifecycle)


def _let_origins_in(app: FastAPI, origins: Sequence[str]) -> None:
    """Let web pages from elsewhere ask; around the gate, so that they see its refusals too."""
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["*"],  # clients have headers of their own; the origins are the gate
            expose_headers=["retry-after", "x-request-id"],
        )


@asynccontextmanager
async def _running(models: Models, settings: Settings, lifecycle: Lifecycle) -> AsyncIterator[None]:
    """Look models up anew where that is asked for; let them go when the server ends."""
    watch = asyncio.create_task(_refresh(models, settings.refresh_s))
    yield
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
    if not lifecycle.stopped:  # else nobody waits for the batch that is being computed
        await models.close()


async def _refresh(models: Models, every_s: float) -> None:
    while every_s:
        await asyncio.sleep(every_s)
        await swap_all(models)


async def swap_all(models: Models) -> None:
    """Replace each model by what its reference stands for now; what fails is logged and stays."""
    for name in models.names:
        try:
            if await models.swap(name):
                tell("swapped", model=name, version=models.served[name].facts.version)
        except Exception:  # noqa: BLE001  (whatever is wrong with a new model, the old one serves)
            tell_failure("swap failed", model=name)


def _add_probes(app: FastAPI, models: Models, metrics: Metrics, lifecycle: Lifecycle) -> None:
    @app.get("/healthz", tags=["probes"], response_class=PlainTextResponse)
    async def healthz() -> str:
        """Tell that the process answers."""
        return "ok\n"

    @app.get("/readyz", tags=["probes"], response_class=PlainTextResponse, responses=STOPPING)
    async def readyz() -> Response:
        """Tell whether requests are taken."""
        if lifecycle.draining:
            return PlainTextResponse("draining\n", 503)
        return PlainTextResponse("ready\n")

    @app.get("/metrics", tags=["probes"], response_class=PlainTextResponse)
    async def page() -> Response:
        """Give the figures of this server to Prometheus."""
        return Response(metrics.page(models), media_type=CONTENT_TYPE)


async def _on_error(request: Request, err: Exception) -> Response:
    if not isinstance(err, BurnishError):
        raise err
    if visit := visit_of(request):
        visit.tell(error=err.code)
    return response_to(err, request.url.path)


async def _on_unfit(request: Request, err: Exception) -> Response:
    """Tell all faults of a request at once, without the values, which may be anything."""
    if not isinstance(err, RequestValidationError):
        raise err
    faults = err.errors()
    told = RequestError(
        "; ".join(_fault(one["loc"], one["msg"]) for one in faults[:_FAULTS_TOLD]),
        where="the body of the request",
        fix="see /openapi.json for its fields; the body is JSON, and said to be by the header "
        "`Content-Type: application/json`",
    )
    if faults and faults[0]["type"] == "json_invalid":
        told.status = 400
    return await _on_error(request, told)


def _fault(place: tuple[int | str, ...], words: str) -> str:
    where = ".".join(str(one) for one in place if one != "body")
    return f"{where}: {words}" if where else words


async def _on_http(request: Request, err: Exception) -> Response:
    """Tell what the framework refuses: an unknown path, another method, a body that is no JSON."""
    if not isinstance(err, HTTPException):
        raise err
    fixes = {
        400: "send JSON in UTF-8, not too deeply nested",
        404: "see /openapi.json for what there is",
        405: "see /openapi.json for the method",
    }
    told = RequestError(
        str(err.detail), where=request.url.path, fix=fixes.get(err.status_code, "see /openapi.json")
    )
    told.status = err.status_code
    response = await _on_error(request, told)
    for name, value in (err.headers or {}).items():
        response.headers[name] = value
    if response.headers.get("allow") == "GET":
        response.headers["allow"] = "GET, HEAD"
    return response
