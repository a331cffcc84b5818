"""The API of the Open Inference Protocol (V2): texts as a tensor of one column, answers as tensors.

Its errors are texts; what the other APIs tell in four fields is one line here.
"""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from burnish.errors import RequestError
from burnish.records import LabelSpace, PlainSpace
from burnish.serving.engine import Answered, Facts
from burnish.serving.lifecycle import Lifecycle
from burnish.serving.models import Models
from burnish.serving.neighbours import COLUMN, STRICT, column_answers
from burnish.serving.schemas import ERRORS, STOPPING, Text


class Tensor(BaseModel):
    """A named array, its data row by row."""

    model_config = STRICT

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(fail_fast=True)]
    datatype: str = Field(examples=["BYTES"])
    data: list[Any] = Field(examples=[["one text", "another"]])
    parameters: dict[str, Any] | None = None


class Wanted(BaseModel):
    """The name of an output."""

    model_config = STRICT

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(BaseModel):
    """Texts as one tensor."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "inputs": [
                        {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a text"]}
                    ]
                }
            ]
        }
    )

    id: Text | None = None
    inputs: list[Tensor] = Field(min_length=1, max_length=1)
    outputs: Annotated[list[Wanted], Field(fail_fast=True)] | None = Field(
        None, description="The tensors wanted; none: all."
    )
    parameters: dict[str, Any] | None = None


class InferResponse(BaseModel):
    """Answers as tensors."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


class TensorFacts(BaseModel):
    """The form of a tensor; -1: any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelFacts(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorFacts]
    outputs: list[TensorFacts]


class Health(BaseModel):
    """How the server is; clients look for either word."""

    live: bool
    ready: bool


class ServerFacts(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class InferError(BaseModel):
    """What is wrong, where, and what to do, in one text."""

    error: str


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: told | {"model": InferError} for status, told in ERRORS.items()
}


def routes(models: Models) -> APIRouter:
    """Return the routes below /v2."""
    # Clients of this protocol do not say that their JSON is JSON.
    router = APIRouter(
        prefix="/v2", tags=["open inference protocol"], responses=_ERRORS, strict_content_type=False
    )

    @router.get("")
    async def server() -> ServerFacts:
        """Tell what the server is."""
        return ServerFacts(name="burnish", version=version("burnish"), extensions=[])

    _add_models(router, models)
    _add_versions(router, models)
    return router


def probes(lifecycle: Lifecycle) -> APIRouter:
    """Return the routes below /v2/health."""
    router = APIRouter(prefix="/v2/health", tags=["probes"])

    @router.get("/live")
    async def live() -> Health:
        """Tell that the process answers."""
        return Health(live=True, ready=not lifecycle.draining)

    @router.get("/ready", responses={503: STOPPING[503] | {"model": Health}})
    async def ready(response: Response) -> Health:
        """Tell whether requests are taken."""
        if lifecycle.draining:
            response.status_code = 503
        return Health(live=True, ready=not lifecycle.draining)

    return router


def _add_models(router: APIRouter, models: Models) -> None:
    @router.get("/models/{model}")
    async def facts(model: str) -> ModelFacts:
        """Tell what a model takes and gives."""
        return _facts(models, model)

    @router.get("/models/{model}/ready")
    async def ready(model: str) -> dict[str, Any]:
        """Tell that a model answers."""
        return _ready(models, model)

    @router.post("/models/{model}/infer", response_model_exclude_none=True)
    async def infer(model: str, asked: InferRequest, request: Request) -> InferResponse:
        """Answer texts."""
        return await _infer(models, model, None, asked, request)


def _add_versions(router: APIRouter, models: Models) -> None:
    """Add the same below the one version that each model has, which changes with its files."""

    @router.get("/models/{model}/versions/{version}")
    async def facts_of_version(model: str, version: str) -> ModelFacts:
        """Tell what a model takes and gives, if it is of that version."""
        return _facts(models, model, version)

    @router.get("/models/{model}/versions/{version}/ready")
    async def version_ready(model: str, version: str) -> dict[str, Any]:
        """Tell that a model of that version answers."""
        return _ready(models, model, version)

    @router.post("/models/{model}/versions/{version}/infer", response_model_exclude_none=True)
    async def infer_by_version(
        model: str, version: str, asked: InferRequest, request: Request
    ) -> InferResponse:
        """Answer texts with a model of that version."""
        return await _infer(models, model, version, asked, request)


def _facts(models: Models, model: str, version: str | None = None) -> ModelFacts:
    with models.use(model, version=version) as served:
        facts = served.facts
    outputs = [TensorFacts(name="answer", datatype="BYTES", shape=[-1])]
    if isinstance(facts.space, LabelSpace):
        width = len(facts.space.names)
        outputs.append(TensorFacts(name="scores", datatype="FP64", shape=[-1, width]))
    if isinstance(facts.space, PlainSpace):
        outputs.append(TensorFacts(name="log_likelihood", datatype="FP64", shape=[-1]))
    return ModelFacts(
        name=facts.name,
        versions=[facts.version],
        platform=f"burnish_{facts.kind}",
        inputs=[TensorFacts(name=COLUMN, datatype="BYTES", shape=[-1])],
        outputs=outputs,
    )


def _ready(models: Models, model: str, version: str | None = None) -> dict[str, Any]:
    with models.use(model, version=version) as served:
        return {"name": served.facts.name, "ready": True}


async def _infer(
    models: Models, model: str, version: str | None, asked: InferRequest, request: Request
) -> InferResponse:
    texts = _flat(asked.inputs[0])
    found, facts = await column_answers(models, model, texts, request, version=version)
    return InferResponse(
        model_name=facts.name,
        model_version=facts.version,
        id=asked.id,
        outputs=_chosen(_tensors(found, facts), asked.outputs),
    )


def _flat(tensor: Tensor) -> list[Any]:
    """Return the data of a tensor of one column, which may be written as rows of one."""
    rows = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in tensor.data]
    if tensor.datatype != "BYTES" or tensor.shape not in ([len(rows)], [len(rows), 1]):
        raise RequestError(
            f"the input is of {tensor.datatype}, shape {tensor.shape}, with {len(rows)} values",
            where=f"input {tensor.name!r}",
            fix="send BYTES of shape [n] or [n, 1] with n texts",
        )
    return rows


def _chosen(tensors: list[Tensor], wanted: list[Wanted] | None) -> list[Tensor]:
    """Return the tensors that are asked for, in that order."""
    if not wanted:
        return tensors
    known = {one.name: one for one in tensors}
    if unknown := [one.name for one in wanted if one.name not in known]:
        raise RequestError(
            f"the model does not give {', '.join(unknown)}",
            where="the field `outputs` of the request",
            fix=f"ask for {', '.join(known)}, or leave `outputs` out",
        )
    return [known[one.name] for one in wanted]


def _tensors(found: Sequence[Answered], facts: Facts) -> list[Tensor]:
    told = [one.prediction for one in found]
    single = not (isinstance(facts.space, PlainSpace) or getattr(facts.space, "multi_label", False))
    words = [one.answer[0] if single else json.dumps(one.answer) for one in told]
    outputs = [Tensor(name="answer", shape=[len(told)], datatype="BYTES", data=words)]
    if isinstance(facts.space, LabelSpace):
        names = facts.space.names
        outputs.append(
            Tensor(
                name="scores",
                shape=[len(told), len(names)],
                datatype="FP64",
                data=[one.scores[name] for one in told for name in names],
                parameters={"labels": ", ".join(names)},
            )
        )
    weighed = [one.scores["log_likelihood"] for one in told if "log_likelihood" in one.scores]
    if isinstance(facts.space, PlainSpace) and len(weighed) == len(told):  # none has a mask
        outputs.append(
            Tensor(name="log_likelihood", shape=[len(told)], datatype="FP64", data=weighed)
        )
    return outputs
