"""The API of MLflow's scoring server, and what it shares with that of the Open Inference Protocol.

Both send tables or tensors; here they have one column, the text. See `serving.inference` for the
other.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from burnish.errors import RequestError
from burnish.serving.engine import Answered, Ask, Facts
from burnish.serving.models import Models
from burnish.serving.schemas import ERRORS, Asked, Few, Text
from burnish.serving.visit import visit_at
from burnish.signs import is_whole

COLUMN = "text"
STRICT = ConfigDict(strict=True, allow_inf_nan=False)
Texts = Annotated[list[Text], Field(min_length=1, fail_fast=True)]


class Split(Asked):
    """A table by columns and rows, as pandas writes it with `orient="split"`."""

    model_config = STRICT

    columns: Annotated[list[str], Field(fail_fast=True)]
    data: Annotated[list[list[Any]], Field(fail_fast=True)]
    index: list[Any] | None = None


class Invocation(Asked):
    """Texts in one of the forms that MLflow's server takes."""

    model_config = STRICT | ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"inputs": ["one text", "another"]},
                {"dataframe_split": {"columns": ["text"], "data": [["one text"]]}},
            ]
        },
    )

    inputs: Texts | Annotated[dict[str, Texts], Few] | None = None
    instances: (
        Texts | Annotated[list[Annotated[dict[str, Text], Few]], Field(fail_fast=True)] | None
    ) = None
    dataframe_split: Split | None = None
    dataframe_records: Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None = None
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
            at = table.columns.index(COLUMN) if COLUMN in table.columns else None
            return [row[at] if at is not None and at < len(row) else None for row in table.data]
        if isinstance(self.inputs, dict):
            return list(self.inputs.get(COLUMN, []))
        rows: Sequence[Any] = self.inputs or self.instances or self.dataframe_records or []
        return [row.get(COLUMN) if isinstance(row, dict) else row for row in rows]


class Predictions(BaseModel):
    """Answers as `mlflow models serve` gives them: a row each, with `answer` and `scores`."""

    predictions: list[dict[str, Any]]


def routes(models: Models) -> APIRouter:
    """Return `/ping`, `/health`, `/version` and `/invocations`."""
    router = APIRouter(tags=["mlflow"], responses=ERRORS)

    @router.get("/health", response_class=PlainTextResponse)
    @router.get("/ping", response_class=PlainTextResponse)
    async def ping() -> str:
        """Tell that the server answers."""
        return "\n"

    @router.get("/version", response_class=PlainTextResponse)
    async def of_server() -> str:
        """Tell the version of the server."""
        return version("burnish")

    @router.post("/invocations")
    async def invocations(asked: Invocation, request: Request) -> Predictions:
        """Answer with the first model, as MLflow's server does with its only one."""
        found, _ = await column_answers(models, None, asked.texts(), request)
        told = [one.prediction for one in found]
        return Predictions(
            predictions=[{"answer": list(one.answer), "scores": one.scores} for one in told]
        )

    return router


async def column_answers(
    models: Models,
    name: str | None,
    texts: list[Any],
    request: Request,
    *,
    version: str | None = None,
) -> tuple[list[Answered], Facts]:
    """Return the answers to a column of texts, and of which model they are.

    Args:
        models: by name.
        name: of one of them; None: the first.
        texts: whatever a client sent for them.
        request: is told in the log, and when it must be answered.
        version: which the model must be of; None: any.

    Raises:
        RequestError: BN701, a row has no text, or there is no row.
        BurnishError: there is no such model, no room, or no time.
    """
    visit = visit_at(request)
    if not texts or not all(isinstance(text, str) and is_whole(text) for text in texts):
        raise RequestError(
            "there is a row without a text, or no row",
            where=f"the column or input {COLUMN!r}",
            fix=f"send texts under the name {COLUMN!r}",
        )
    with models.use(name, version=version) as served:
        visit.tell_model(served.facts, len(texts))
        visit.tell_text(input=texts)
        served.check_room(len(texts))
        asks = [Ask(text=text) for text in texts]
        found: list[Answered] = await served.answer(asks, until=visit.until)
        visit.tell(tokens=sum(one.tokens for one in found))
        return found, served.facts
