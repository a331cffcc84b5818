"""Two run folders as the pipeline leaves them, made of seeded chance: fast, and the same always."""

import math
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.data.ledger import ledger_json
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.score import score
from burnish.evaluation.verdict import decide
from burnish.records import Finding, LabelSpace, LedgerEntry, Prediction
from burnish.runfolder import RunFolder, write_json, write_jsonl, write_predictions, write_text

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
def make_run() -> Callable[..., RunFolder]:
    return build_run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    root = tmp_path_factory.mktemp("runs")
    multi, binary = root / "20261121T060000Z-unfair-tos", root / "20261121T070000Z-binary"
    return {"multi": build_run(multi), "binary": build_run(binary, binary=True)}


@pytest.fixture
def run(built: dict[str, RunFolder], tmp_path: Path) -> RunFolder:
    """A multi-label run of 400 rows, to be spoiled at will."""
    return _copy(built["multi"], tmp_path)


@pytest.fixture
def binary_run(built: dict[str, RunFolder], tmp_path: Path) -> RunFolder:
    return _copy(built["binary"], tmp_path)


def _copy(folder: RunFolder, parent: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(folder.root, parent / folder.root.name)))


def build_run(
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
    _write_records(folder, space, count)
    return folder


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


def _write_records(folder: RunFolder, space: LabelSpace, count: int) -> None:
    recipe = (
        "version: 1\nname: unfair-tos\ntask:\n  kind: text-classification\n  multi_label: true\n"
        "model: sentence-transformers/all-MiniLM-L6-v2\ndata:\n  from: hub:coastalcph/lex_glue\n"
        "method:\n  kind: full\ntraining:\n  epochs: 6\n  learning_rate: 0.0001\n"
    )
    write_text(folder.recipe, recipe)
    write_json(folder.manifest, _manifest(space, count))
    write_json(folder.ledger, ledger_json(_ledger(count)))
    write_jsonl(folder.findings, (finding.to_json() for finding in _findings()))
    write_jsonl(folder.history, _history())


def _manifest(space: LabelSpace, count: int) -> dict[str, Any]:
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    return {
        "burnish": "0.1.0",
        "created": "2026-11-21T06:00:00Z",
        "recipe_sha256": digest,
        "git_commit": "4f1c2d9",
        "inputs": [
            {"path": "data/train.jsonl", "sha256": digest, "rows": 5532},
            {"path": "data/validation.jsonl", "sha256": digest[::-1], "rows": count + 5},
        ],
        "splits": {"train": 4958, "tune": 551, "validation": count},
        "label_space": space.to_json(),
        "seeds": {"split": 0, "training": 0, "bootstrap": 0},
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0"},
        "machine": {"processor": "AMD EPYC", "cores": 2, "memory_gb": 24, "platform": "Linux"},
        "hardware": {
            "device": "cpu", "precision": "bf16", "threads": 2, "matmul": "medium",
            "tokens_per_batch": 1024,
            "notes": ["bf16: the processor multiplies it 4.1 times as fast as fp32."],
        },
        "model": {
            "reference": "sentence-transformers/all-MiniLM-L6-v2", "revision": None,
            "origin": "starter package", "parameters": 22_716_296, "trainable": 22_716_296,
        },
        "timings": {"load": 0.9, "check": 2.4, "encode": 1.8, "train": 412.7, "predict": 9.1},
        "training": {
            "seconds": 412.7, "epochs": 6, "kept_epoch": 4, "tokens_per_second": 5212.0,
            "samples_per_second": 104.6, "peak_memory_mb": 1843.0,
        },
        "truncated": {"train": {"rows_cut": 12, "tokens_lost": 431}},
    }  # fmt: skip


def _ledger(count: int) -> list[LedgerEntry]:
    return [
        LedgerEntry(stage="read", split="train", rows_in=5532, kept=5532),
        LedgerEntry(stage="read", split="validation", rows_in=count + 5, kept=count + 5),
        LedgerEntry(
            stage="check", split="train", rows_in=5532, kept=5515, dropped={"empty-text": 17}
        ),
        LedgerEntry(
            stage="check", split="validation", rows_in=count + 5, kept=count,
            dropped={"null-text": 3, "empty-text": 2},
        ),
        LedgerEntry(stage="split", split="train", rows_in=5515, kept=4964, moved={"tune": 551}),
        LedgerEntry(stage="leaks", split="train", rows_in=4964, kept=4958, dropped={"leak": 6}),
        LedgerEntry(
            stage="encode", split="train", rows_in=4958, kept=4958, rows_cut=12, tokens_lost=431
        ),
    ]  # fmt: skip


def _findings() -> list[Finding]:
    return [
        Finding(
            code="near-duplicates", severity="info", message="31 rows nearly repeat another one",
            count=31, action="warn", split="train", file="data/train.jsonl", row=88,
        ),
        Finding(
            code="conflicting-labels", severity="warning", count=4, action="warn", split="train",
            message="4 rows have the text of another row and other labels",
            file="data/train.jsonl", row=1207,
        ),
    ]  # fmt: skip


def _history() -> list[dict[str, Any]]:
    rng = random.Random(3)
    steps = [
        {
            "step": step, "epoch": step / 155, "kind": "step",
            "metrics": {
                "train/loss": 0.62 * math.exp(-step / 160) + 0.03 + abs(rng.gauss(0, 0.02)),
                "learning_rate": 1e-4 * min(step / 93, (930 - step) / 837),
            },
        }
        for step in range(10, 931, 10)
    ]  # fmt: skip
    losses, scores = (0.21, 0.13, 0.11, 0.105, 0.112, 0.118), (0.44, 0.66, 0.73, 0.775, 0.77, 0.768)
    epochs = [
        {
            "step": 155 * e, "epoch": e, "kind": "epoch",
            "metrics": {"validation/loss": loss, "validation/lexglue_macro_f1": value},
        }
        for e, (loss, value) in enumerate(zip(losses, scores, strict=True), 1)
    ]  # fmt: skip
    return steps + epochs
