"""The native API: answers as they were evaluated, and what is served."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response

from burnish.records import LabelSpace, PlainSpace
from burnish.serving.direct import DirectRoute
from burnish.serving.engine import Answered, Ask, Facts
from burnish.serving.models import Models, Served
from burnish.serving.schemas import (
    ERRORS,
    Answer,
    FillWord,
    Info,
    Input,
    ModelInfo,
    PredictRequest,
    PredictResponse,
)
from burnish.serving.settings import Settings
from burnish.serving.visit import visit_at


def routes(models: Models, settings: Settings) -> APIRouter:
    """Return `POST /v1/predict` and `GET /v1/info`."""
    router = APIRouter(tags=["native"], responses=ERRORS, route_class=DirectRoute)

    @router.post("/v1/predict", response_model=PredictResponse)
    async def predict(asked: PredictRequest, request: Request) -> Response:
        """Answer one input or many, as the model did in its evaluation."""
        visit = visit_at(request)
        inputs = asked.input if isinstance(asked.input, list) else [asked.input]
        with models.use(asked.model) as served:
            facts = served.facts
            visit.tell_model(facts, len(inputs))
            if visit.log_text:
                visit.tell_text(input=asked.model_dump(mode="json")["input"])
            served.check_room(len(inputs))
            asks = [_ask(one, asked.top_k) for one in inputs]
            found = await served.answer(asks, until=visit.until)
        visit.tell(tokens=sum(one.tokens for one in found))
        answers = [_answer(one, facts) for one in found]
        if visit.log_text:
            visit.tell_text(answers=[one.model_dump(exclude_none=True) for one in answers])
        return _response(facts, answers)

    @router.get("/v1/info")
    async def info() -> Info:
        """Tell what is served, and the limits of the server."""
        return Info(
            burnish=version("burnish"),
            models=[_info(one, models) for one in models.served.values()],
            max_queue=settings.max_queue,
            max_body_bytes=settings.body_bytes,
            deadline_s=settings.deadline_s,
        )

    return router


def _response(facts: Facts, answers: list[Answer]) -> Response:
    told = PredictResponse(
        model=facts.name,
        version=facts.version,
        task=facts.kind,
        thresholds=facts.thresholds or None,
        answers=answers,
    )
    # Written here: FastAPI would check once more what was checked as it was made.
    return Response(told.model_dump_json(exclude_none=True), media_type="application/json")


def _ask(given: Input, top_k: int | None) -> Ask:
    if isinstance(given, str):
        return Ask(text=given, top_k=top_k)
    return Ask.of_turns([one.model_dump() for one in given])


def _answer(found: Answered, facts: Facts) -> Answer:
    told = found.prediction
    fields: dict[str, Any] = {}
    if isinstance(facts.space, LabelSpace):
        fields = {
            "labels": list(told.answer),
            "scores": told.scores,
            "abstains": told.abstains,
        }
    elif isinstance(facts.space, PlainSpace):
        if told.fills:
            fields["fills"] = [
                [FillWord(word=w.token_str, score=w.score, text=w.sequence) for w in mask]
                for mask in told.fills
            ]
        else:
            fields["log_likelihood"] = told.scores["log_likelihood"]
            fields["scored_tokens"] = int(told.scores["tokens"])
    else:
        fields = {"text": told.answer[0], "complete": bool(told.scores["complete"])}
    return Answer(tokens=found.tokens, cut_tokens=found.cut_tokens, **fields)


def _info(served: Served, models: Models) -> ModelInfo:
    facts = served.facts
    space = facts.space if isinstance(facts.space, LabelSpace) else None
    return ModelInfo(
        name=facts.name,
        reference=facts.reference,
        version=facts.version,
        task=facts.kind,
        labels=list(space.names) if space else None,
        multi_label=space.multi_label if space else None,
        thresholds=facts.thresholds or None,
        calibrated=facts.calibrated,
        least_confidence=facts.least_confidence,
        max_tokens=facts.max_tokens,
        too_long=facts.too_long,
        precision=facts.precision,
        device=facts.device,
        parity=facts.parity,
        loaded_at=datetime.fromtimestamp(served.loaded_at, UTC).isoformat(timespec="seconds"),
        batch_tokens=served.batch_tokens,
        queued=served.scheduler.queued,
        last_swap_failed=models.failures.get(facts.name),
    )
