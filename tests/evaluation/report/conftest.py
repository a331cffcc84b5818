"""Run folders as the pipeline leaves them, made of seeded chance: fast, and the same always."""

import math
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.evaluation.answers import from_predictions
from burnish.evaluation.baselines.base import from_frame
from burnish.evaluation.baselines.table import baseline_names, baselines_for
from burnish.evaluation.score import score, score_answers
from burnish.evaluation.verdict import decide
from burnish.files import write_json, write_jsonl
from burnish.records import LabelSpace, Prediction, Space, TextSpace
from burnish.runfolder import RunFolder, write_predictions

Records = Callable[[RunFolder, Space, int], None]  # writes what a run keeps beside its answers

UNFAIR = (
    "limitation of liability",
    "unilateral termination",
    "unilateral change",
    "content removal",
    "contract by using",
    "choice of law",
    "jurisdiction",
    "arbitration",
)
_CLAUSES = {
    "limitation of liability": "In no event shall {who} be liable for profits lost by {what}.",
    "unilateral termination": "{who} may close your account at any time, such as after {what}.",
    "unilateral change": "{who} can revise these terms as it sees fit; {what} counts as consent.",
    "content removal": "{who} may remove any content, in its sole discretion, after {what}.",
    "contract by using": "By {what} you agree to be bound by the terms of {who}.",
    "choice of law": "These terms and {what} are governed by the law of the seat of {who}.",
    "jurisdiction": "Disputes with {who} over {what} go to the courts of its home city only.",
    "arbitration": "You and {who} agree that claims over {what} go to binding arbitration.",
    "": "{who} will write to you before {what}; your settings hold the details.",
}
_WHO = ("Northwind", "Harbour Cloud", "Larkspur Games", "Tern & Co")
_WHAT = (
    "use of the service",
    "the sale of digital goods",
    "a change to the price list, the delivery options or the way in which your data is stored",
    "continued use after thirty days",
    "an order placed through a third party whose own terms may differ from ours in ways that "
    "neither party can foresee when the order is placed",
)
_SKILL = {"tuned": 2.3, "frozen-encoder": 1.5, "tfidf-svm": 1.9, "lexglue-svm": 1.2}


@dataclass(frozen=True)
class Row:
    id: str
    text: str
    labels: tuple[str, ...]
    service: str


@pytest.fixture(scope="session")
def make_run(write_records: Records) -> Callable[..., RunFolder]:
    return partial(build_run, write_records)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, write_records: Records) -> dict[str, RunFolder]:
    root = tmp_path_factory.mktemp("runs")
    multi, binary = root / "20261121T060000Z-unfair-tos", root / "20261121T070000Z-binary"
    texts = root / "20261121T080000Z-notes"
    return {
        "multi": build_run(write_records, multi),
        "binary": build_run(write_records, binary, binary=True),
        "texts": build_text_run(write_records, texts),
    }


@pytest.fixture
def run(built: dict[str, RunFolder], tmp_path: Path) -> RunFolder:
    """A multi-label run of 400 rows, to be spoiled at will."""
    return _copy(built["multi"], tmp_path)


@pytest.fixture
def binary_run(built: dict[str, RunFolder], tmp_path: Path) -> RunFolder:
    return _copy(built["binary"], tmp_path)


@pytest.fixture
def text_run(built: dict[str, RunFolder], tmp_path: Path) -> RunFolder:
    """A run of a task that writes, of 120 rows, to be spoiled at will."""
    return _copy(built["texts"], tmp_path)


@pytest.fixture(scope="session")
def make_text_run(write_records: Records) -> Callable[..., RunFolder]:
    return partial(build_text_run, write_records)


def _copy(folder: RunFolder, parent: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(folder.root, parent / folder.root.name)))


def build_run(
    write_records: Records,
    root: Path,
    *,
    binary: bool = False,
    count: int = 400,
    labels: tuple[str, ...] = UNFAIR,
    text: Callable[[str], str] = lambda clause: clause,
    resamples: int = 300,
) -> RunFolder:
    """Write every file of a finished run; `text` may spoil the texts on purpose."""
    rng = random.Random(7)
    names = ("fair", "unfair") if binary else labels
    space = LabelSpace(names=names, multi_label=not binary, positive="unfair" if binary else None)
    rows = [_row(i, rng, binary, labels, text) for i in range(count)]
    folder = RunFolder.create("unfair-tos", out=root)
    systems = {name: [_answer(r, space, s, rng) for r in rows] for name, s in _SKILL.items()}
    systems["majority"] = [_majority(row, space) for row in rows]
    for name, predictions in systems.items():
        write_predictions(folder.predictions(name, "validation"), predictions)
    folder.splits.mkdir()
    _frame(rows).write_parquet(folder.splits / "validation.parquet")
    scores = [
        s.to_json()
        for name, predictions in systems.items()
        for s in score(name, "validation", predictions, space, resamples=resamples)
    ]
    write_json(folder.scores, scores)
    answers = {name: from_predictions(found, space) for name, found in systems.items()}
    metric = "f1" if binary else "lexglue_macro_f1"
    write_json(folder.verdict, decide((), answers, space, metric, resamples=resamples))
    write_records(folder, space, count)
    _write_label_files(folder, rows, names)
    return folder


def _write_label_files(folder: RunFolder, rows: list[Row], names: tuple[str, ...]) -> None:
    """Every row, as if those that come first in the file were the most doubtful."""
    lines = [
        {
            "rank": at,
            "id": row.id,
            "file": "train.jsonl",
            "row": at,
            "text": row.text,
            "labels": list(row.labels),
            "in_doubt": names[-1],
            "confidence": round(at / (len(rows) + 1), 6),
            "suggested": [names[-1]],
            "flagged": at <= len(rows) // 20,
        }
        for at, row in enumerate(rows, 1)
    ]
    place = ("id", "file", "row", "text", "labels")
    pairs = [{"cluster": at // 2} | {key: lines[at][key] for key in place} for at in range(30)]
    files = folder.label_files
    write_jsonl(files.ranked, lines)
    write_jsonl(files.conflicts, pairs)
    told = {"rows": len(lines), "flagged": len(lines) // 20, "conflicts": 30, "skipped": None}
    write_json(files.summary, told)


def _row(i: int, rng: random.Random, binary: bool, labels: tuple[str, ...], text: Any) -> Row:
    is_unfair = rng.random() < (0.3 if binary else 0.45)
    kind = min(int(rng.expovariate(0.38)), len(labels) - 1) if is_unfair else -1
    found = (labels[kind],) if is_unfair else ()
    if found and not binary and rng.random() < 0.12:
        found = tuple(dict.fromkeys((*found, rng.choice(labels))))
    clause = _CLAUSES.get(found[0] if found else "", _CLAUSES[""])
    who, what = rng.choice(_WHO), rng.choice(_WHAT)
    sentence = clause.format(who=who, what=what)
    if binary:
        found = ("unfair",) if found else ("fair",)
    service = rng.choice(("streaming", "games", "travel", "social"))
    return Row(id=f"validation.jsonl:{i + 1}", text=text(sentence), labels=found, service=service)


def _answer(row: Row, space: LabelSpace, skill: float, rng: random.Random) -> Prediction:
    """Score each label with a logit around its truth; the more skill, the further apart."""
    hard = random.Random(row.id)  # the same for every system: what is hard for one is for all
    logits = {}
    for place, name in enumerate(space.names):
        middle = skill - 0.15 * place if name in row.labels else -2.4 - 0.8 * skill
        middle *= 1.0 if space.multi_label else 0.3
        logits[name] = middle + hard.gauss(0, 1.5) + rng.gauss(0, 1.0)
    if space.multi_label:
        scores = {name: 1 / (1 + math.exp(-logit)) for name, logit in logits.items()}
        answer = tuple(name for name in space.names if scores[name] > 0.5)
    else:
        total = sum(math.exp(logit) for logit in logits.values())
        scores = {name: math.exp(logit) / total for name, logit in logits.items()}
        answer = (max(scores, key=lambda name: scores[name]),)
    return Prediction(example_id=row.id, answer=answer, reference=row.labels, scores=scores)


def _majority(row: Row, space: LabelSpace) -> Prediction:
    answer = () if space.multi_label else (space.names[0],)
    return Prediction(example_id=row.id, answer=answer, reference=row.labels)


def _frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [row.id for row in rows],
            "text": [row.text for row in rows],
            "labels": [list(row.labels) for row in rows],
            "meta:service": [row.service for row in rows],
        },
        schema_overrides={"labels": pl.List(pl.String)},
    )


_TOPICS = ("a parcel", "a refund", "a broken screen", "the invoice", "a new password", "the trial")
_MONTHS = ("January", "March", "May", "July", "August", "October", "December")
_MOODS = ("calm", "angry", "pleased", "worried")
_ENDINGS = ("was promised a reply", "will get a call", "got what was asked for", "was sent a form")
_ASIDES = (
    "Thanks for waiting so long.", "I have looked into it.", "One moment, please!",
    "It worked fine last week.", "Is there anything else?", "My number is on the order.",
)  # fmt: skip


def build_text_run(
    write_records: Records,
    root: Path,
    *,
    count: int = 120,
    metric: str = "rougeL",
    text: Callable[[str], str] = lambda note: note,
    resamples: int = 300,
) -> RunFolder:
    """Write every file of a finished run that sums up conversations, beside real baselines."""
    rng = random.Random(11)
    train, judged = _notes(3 * count, rng, text), _notes(count, rng, text)
    folder = RunFolder.create("notes", out=root)
    space, names = TextSpace(), baseline_names(TextSpace())
    systems = {name: [_written(row, name, rng) for row in judged.rows()] for name in _SLIPS}
    for name, baseline in baselines_for(names, space).items():
        baseline.fit(from_frame(train, space), None, space, 0)
        systems[name] = baseline.predict(from_frame(judged, space))
    for name, predictions in systems.items():
        write_predictions(folder.predictions(name, "validation"), predictions)
    folder.splits.mkdir()
    judged.write_parquet(folder.splits / "validation.parquet")
    answers = {name: from_predictions(found, space) for name, found in systems.items()}
    scores = [
        one.to_json()
        for name, found in answers.items()
        for one in score_answers(name, "validation", found, resamples=resamples)
    ]
    write_json(folder.scores, scores)
    write_json(folder.verdict, decide((), answers, space, metric, resamples=resamples))
    write_records(folder, space, count)
    losses = folder.history.read_text("utf-8").replace("lexglue_macro_f1", "perplexity")
    folder.history.write_text(losses, "utf-8")
    return folder


def _notes(count: int, rng: random.Random, text: Callable[[str], str]) -> pl.DataFrame:
    rows = []
    for i in range(count):
        who, thing, mood, end = map(rng.choice, (_WHO, _TOPICS, _MOODS, _ENDINGS))
        topic = f"{thing} of order {rng.randint(1000, 9999)} from {rng.choice(_MONTHS)}"
        asides = rng.sample(_ASIDES, rng.randint(1, 5))
        talk = [f"Agent: {who}, good morning.", f"Customer: I write about {topic}."]
        talk += [f"{('Agent', 'Customer')[j % 2]}: {one}" for j, one in enumerate(asides)]
        talk += [f"Agent: I can see that you are {mood}. This customer {end}."]
        note = f"One {mood} customer asked {who} about {topic} and {end}."
        shorter = f"{who}: {topic}; the customer {end}."
        rows.append(
            {
                "id": f"notes.jsonl:{i + 1}",
                "text": text("\n".join(talk)),
                "labels": [text(note), text(shorter)] if i % 3 == 0 else [text(note)],
                "meta:mood": mood,
            }
        )
    return pl.DataFrame(rows, schema_overrides={"labels": pl.List(pl.String)})


_SLIPS = {"tuned": 0.08, "base": 0.75}  # chance of each word of a reference to be lost


def _written(row: tuple[Any, ...], name: str, rng: random.Random) -> Prediction:
    key, asked, accepted, _ = row
    words = accepted[0].split()
    kept = [word for word in words if rng.random() > _SLIPS[name]]
    if name == "base":  # goes on with the conversation, and then again
        kept = (asked.split()[: rng.randint(4, 30)] + kept) * rng.randint(1, 2)
    surprise = 2.2 * _SLIPS[name] + rng.random() / 4
    return Prediction(
        example_id=key,
        answer=(" ".join(kept),),
        reference=tuple(accepted),
        scores={
            "log_likelihood": -surprise * (len(words) + 1),
            "tokens": float(len(words) + 1),
            "complete": float(rng.random() > _SLIPS[name] / 4),
        },
    )
