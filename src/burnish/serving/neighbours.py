"""The APIs of two neighbours: the Open Inference Protocol (V2), and MLflow's scoring server.

Both send tables or tensors; here they have one column, the text.
"""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from burnish.errors import RequestError
from burnish.records import LabelSpace, PlainSpace
from burnish.serving.engine import Answered, Ask, Facts
from burnish.serving.models import Models
from burnish.serving.schemas import ERRORS, Text, is_whole
from burnish.serving.visit import visit_at

_COLUMN = "text"
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
Texts = Annotated[list[Text], Field(min_length=1)]


class Tensor(BaseModel):
    """A named array, its data row by row."""

    model_config = _STRICT

    name: str
    shape: list[Annotated[int, Field(ge=0)]]
    datatype: str = Field(examples=["BYTES"])
    data: list[Any] = Field(examples=[["one text", "another"]])
    parameters: dict[str, Any] | None = None


class Wanted(BaseModel):
    """The name of an output."""

    model_config = _STRICT

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(BaseModel):
    """Texts as one tensor."""

    model_config = _STRICT | ConfigDict(
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
    outputs: list[Wanted] | None = Field(None, description="The tensors wanted; none: all.")
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


class ServerFacts(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class Split(BaseModel):
    """A table by columns and rows, as pandas writes it with `orient="split"`."""

    model_config = _STRICT

    columns: list[str]
    data: list[list[Any]]
    index: list[Any] | None = None


class Invocation(BaseModel):
    """Texts in one of the forms that MLflow's server takes."""

    model_config = _STRICT | ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"inputs": ["one text", "another"]},
                {"dataframe_split": {"columns": ["text"], "data": [["one text"]]}},
            ]
        },
    )

    inputs: Texts | dict[str, Texts] | None = None
    instances: Texts | list[dict[str, Text]] | None = None
    dataframe_split: Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    params: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Invocation":
        forms = ("inputs", "instances", "dataframe_split", "dataframe_records")
        if sum(getattr(self, form) is not None for form in forms) != 1:
            raise ValueError(f"give one of {', '.join(forms)}")
        return self

    def texts(self) -> list[Any]:
        """Return the column of texts, whatever is in it."""
        if self.dataframe_split is not None:
            table = self.dataframe_split
            at = table.columns.index(_COLUMN) if _COLUMN in table.columns else None
            return [row[at] if at is not None and at < len(row) else None for row in table.data]
        if isinstance(self.inputs, dict):
            return list(self.inputs.get(_COLUMN, []))
        rows: Sequence[Any] = self.inputs or self.instances or self.dataframe_records or []
        return [row.get(_COLUMN) if isinstance(row, dict) else row for row in rows]


class Predictions(BaseModel):
    """Answers as `mlflow models serve` gives them: a row each, with `answer` and `scores`."""

    predictions: list[dict[str, Any]]


def routes(models: Models) -> APIRouter:
    """Return the routes of both."""
    router = APIRouter(responses=ERRORS)
    # Clients of this protocol do not say that their JSON is JSON.
    protocol = APIRouter(strict_content_type=False)
    _add_inference(protocol, models)
    router.include_router(protocol)

    @router.get("/ping", tags=["mlflow"], response_class=PlainTextResponse)
    async def ping() -> str:
        """Tell that the server answers."""
        return "\n"

    @router.get("/version", tags=["mlflow"], response_class=PlainTextResponse)
    async def of_server() -> str:
        """Tell the version of the server."""
        return version("burnish")

    @router.post("/invocations", tags=["mlflow"])
    async def invocations(asked: Invocation, request: Request) -> Predictions:
        """Answer with the first model, as MLflow's server does with its only one."""
        found, _ = await _answers(models, None, asked.texts(), request)
        told = [one.prediction for one in found]
        return Predictions(
            predictions=[{"answer": list(one.answer), "scores": one.scores} for one in told]
        )

    return router


def _add_inference(router: APIRouter, models: Models) -> None:
    tags: list[Any] = ["open inference protocol"]

    @router.get("/v2", tags=tags)
    async def server() -> ServerFacts:
        """Tell what the server is."""
        return ServerFacts(name="burnish", version=version("burnish"), extensions=[])

    @router.get("/v2/models/{model}", tags=tags)
    async def facts(model: str) -> ModelFacts:
        """Tell what a model takes and gives."""
        with models.use(model) as served:
            return _facts(served.facts)

    @router.get("/v2/models/{model}/ready", tags=tags)
    async def ready(model: str) -> dict[str, Any]:
        """Tell that a model answers."""
        with models.use(model) as served:
            return {"name": served.facts.name, "ready": True}

    @router.post("/v2/models/{model}/infer", tags=tags, response_model_exclude_none=True)
    async def infer(model: str, asked: InferRequest, request: Request) -> InferResponse:
        """Answer texts."""
        found, facts = await _answers(models, model, _flat(asked.inputs[0]), request)
        return InferResponse(
            model_name=facts.name,
            model_version=facts.version,
            id=asked.id,
            outputs=_chosen(_tensors(found, facts), asked.outputs),
        )


async def _answers(
    models: Models, name: str | None, texts: list[Any], request: Request
) -> tuple[list[Answered], Facts]:
    visit = visit_at(request)
    if not texts or not all(isinstance(text, str) and is_whole(text) for text in texts):
        raise RequestError(
            "there is a row without a text, or no row",
            where=f"the column or input {_COLUMN!r}",
            fix=f"send texts under the name {_COLUMN!r}",
        )
    with models.use(name) as served:
        visit.tell_model(served.facts, len(texts))
        visit.tell_text(input=texts)
        asks = [Ask(text=text) for text in texts]
        found: list[Answered] = await served.answer(asks, until=visit.until)
        visit.tell(tokens=sum(one.tokens for one in found))
        return found, served.facts


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


def _facts(facts: Facts) -> ModelFacts:
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
        inputs=[TensorFacts(name=_COLUMN, datatype="BYTES", shape=[-1])],
        outputs=outputs,
    )


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
