"""Everything that can be known about a recipe without training.

The ledger is kept as far as the data goes, so that an error in the checks still shows all
that was found before it.
"""

import gc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import polars as pl

from burnish.data.ledger import ledger_json
from burnish.errors import BurnishError
from burnish.files import write_json, write_jsonl, write_text
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.plugins import check_plugins
from burnish.pipeline.stage import Stage, encode_entries
from burnish.recipe.load import dump_recipe
from burnish.recipe.recipe import Recipe
from burnish.records import Finding, LedgerEntry
from burnish.tasks.encoded import Encoded
from burnish.training.estimate import Estimate, estimate
from burnish.training.hardware import probe
from burnish.training.sources import ModelSource

SAMPLE_ROWS = 5_000  # of a split: the share of cut rows is then known within 1.5 points


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What `burnish check` found."""

    entries: tuple[LedgerEntry, ...]
    findings: tuple[Finding, ...]
    splits: dict[str, int] = field(default_factory=dict)
    estimate: Estimate | None = None
    remarks: tuple[str, ...] = ()
    error: BurnishError | None = None

    @classmethod
    def refused(cls, error: BurnishError) -> Self:
        """Return what is known where an error ended it."""
        return cls(entries=error.entries, findings=error.findings, error=error)

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish check --json` prints."""
        return {
            "ok": self.error is None,
            "ledger": ledger_json(self.entries),
            "findings": [finding.to_json() for finding in self.findings],
            "splits": self.splits,
            "estimate": self.estimate.to_json() if self.estimate else None,
            "remarks": list(self.remarks),
            "error": str(self.error) if self.error else None,
        }


def check(recipe: Recipe, *, out: Path | None = None) -> Checked:
    """Check recipe, data and model; write ledger and findings under `out` if given.

    Errors come back in `Checked.error`, with what was known of the rows before.
    """
    context = Context.of_nothing()
    try:
        check_plugins(recipe)
        found = execute(
            ("fitting", "choosing_split", "judged_split", "model_source", "task", "label_space"),
            recipe=recipe,
            context=context,
        )
        checked = _trainable(recipe, context, found)
    except BurnishError as err:
        checked = Checked.refused(err)
    if out:
        _write(out, recipe, checked)
    return checked


def _trainable(recipe: Recipe, context: Context, found: dict[str, Any]) -> Checked:
    """Tokenise what may be too long, and time a few steps of the real model."""
    stage: Stage = found.pop("fitting")
    source: ModelSource = found["model_source"]
    rows = {name: frame.height for name, frame in stage.rows.items()}
    sampled = {name: _sample(frame, recipe) for name, frame in stage.rows.items()}
    entries, findings = stage.entries, stage.findings
    del stage
    gc.collect()  # large data is let go before the model comes
    encoded = execute(
        ("encoded",),
        recipe=recipe,
        context=context,
        overrides={
            "splits": sampled,
            "task": found["task"],
            "label_space": found["label_space"],  # else all rows would be read for it again
            "model_source": source,
            "token_cache": None,  # a check writes nothing
        },
    )["encoded"]
    cost = estimate(
        recipe,
        found["task"],
        source,
        encoded["train"],
        rows=rows["train"],
        hardware=probe(recipe.training),
    )
    return Checked(
        # A sample says nothing of the rows outside it, so it has no place in the ledger.
        entries=entries
        + encode_entries({n: part for n, part in encoded.items() if part.examples == rows[n]}),
        findings=findings,
        splits=rows,
        estimate=cost,
        remarks=(*_truncation(rows, encoded, found["task"].longest), *cost.words()),
    )


def _sample(rows: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Return rows to tokenise: all, or an even sample of a large split."""
    return rows if rows.height <= SAMPLE_ROWS else rows.sample(SAMPLE_ROWS, seed=recipe.split.seed)


def _truncation(rows: dict[str, int], encoded: dict[str, Encoded], max_length: int) -> list[str]:
    lines = []
    for name, part in encoded.items():
        told = f"{name}: {rows[name]:,} rows"
        basis = "" if part.examples == rows[name] else f" (of a sample of {part.examples:,})"
        if len(part) > part.examples:
            lines.append(
                f"{told}; read in {len(part):,} pieces{basis} of up to {max_length} tokens"
            )
            continue
        share = part.rows_cut / max(1, len(part))
        lines.append(
            f"{told}; {share:.1%}{basis} are longer than {max_length} "
            f"tokens and would be cut, {part.tokens_lost:,} tokens lost"
        )
    return lines


def _write(out: Path, recipe: Recipe, checked: Checked) -> None:
    write_text(out / "recipe.yaml", dump_recipe(recipe))
    write_json(out / "ledger.json", ledger_json(checked.entries))
    write_jsonl(out / "findings.jsonl", (finding.to_json() for finding in checked.findings))
    write_json(out / "check.json", checked.to_json())
