"""What every model of a run is asked: the tuned one, the one it was fitted from, and the control.

A model is loaded once, asked everything, and let go.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from burnish.data.load import load_part, with_text
from burnish.data.reading import META, Reading
from burnish.data.settle import settle
from burnish.data.signals.declared import formula_over
from burnish.errors import RecipeError
from burnish.evaluation.bootstrap import draw, interval
from burnish.evaluation.gates import TUNED
from burnish.recipe.evaluation import Probes
from burnish.recipe.recipe import Recipe
from burnish.records import Prediction
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.tasks.masked_lm import MaskedTask
from burnish.training.fill import Filled, fill
from burnish.training.hardware import Hardware
from burnish.training.predict import predictions

GENERAL = "general"  # the name of the split of general texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Rows and sentences that every model is asked."""

    judged: Encoded
    general: Encoded | None
    probes: tuple[str, ...]  # the recipe's own sentences first
    top_k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What one model answered."""

    judged: list[Prediction]
    general: list[Prediction] | None
    filled: list[Filled]  # of each probe


def ask(
    model: Any,
    task: Task,
    questions: Questions,
    hardware: Hardware,
    tokenizer: Any,
    *,
    judged: list[Prediction] | None = None,
) -> Arm:
    """Return a model's answers to all questions; `judged` where those are known already."""
    hardware = hardware.for_answers()
    if judged is None:
        judged = predictions(model, questions.judged, task, hardware, tokenizer)
    general, filled = None, []
    if questions.general is not None:
        general = predictions(model, questions.general, task, hardware, tokenizer)
    if questions.probes and isinstance(task, MaskedTask):
        probes, top_k = questions.probes, questions.top_k
        filled = fill(model, tokenizer, task, hardware, probes, top_k=top_k)
    return Arm(judged=judged, general=general, filled=filled)


def general_rows(recipe: Recipe) -> pl.DataFrame | None:
    """Return the recipe's general texts as canonical rows; None where it names none."""
    source = recipe.evaluation.general
    if source is None:
        return None
    # They need not hold the columns of slices and signals, as rows of the data do.
    rows, _ = load_part(GENERAL, [source], Reading(recipe.columns, recipe.data, labelled=False))
    return settle(recipe, {GENERAL: with_text(rows)})[1][GENERAL]


def probe_sentences(recipe: Recipe, rows: pl.DataFrame, mask: str) -> tuple[str, ...]:
    """Return the recipe's sentences, and rows in which the value of a column is hidden.

    Args:
        recipe: `evaluation.probes`.
        rows: the judged split.
        mask: the model's.

    Raises:
        RecipeError: BN101, a sentence has no mask, or the column's value stands in no row.
    """
    probes = recipe.evaluation.probes
    if probes is None:
        return ()
    if bare := [one for one in probes.sentences if mask not in one]:
        raise RecipeError(
            f"{bare[0][:60]!r} has no mask",
            where="recipe key `evaluation.probes.sentences`",
            fix=f"write {mask} where a word is to be filled in",
        )
    return (*probes.sentences, *_hidden(probes, rows, mask))


def _hidden(probes: Probes, rows: pl.DataFrame, mask: str) -> list[str]:
    if probes.hide is None:
        return []
    pairs = rows.select("text", pl.col(f"{META}{probes.hide}").cast(pl.String)).iter_rows()
    found = list(_with_mask(pairs, mask))
    if not found:
        raise RecipeError(
            f"the value of {probes.hide!r} stands in the text of no judged row",
            where="recipe key `evaluation.probes.hide`",
            fix="name a column whose value is a part of the text",
        )
    return found[: probes.rows]


def _with_mask(pairs: Iterator[tuple[str, str | None]], mask: str) -> Iterator[str]:
    for text, value in pairs:
        if value and text.count(value) == 1:
            yield text.replace(value, mask)


def probes_json(recipe: Recipe, questions: Questions, arms: Mapping[str, Arm]) -> dict[str, Any]:
    """Return the content of probes.json: what each system put in, and how much of it is wanted."""
    probes = recipe.evaluation.probes
    if probes is None:
        return {}
    shown = range(len(probes.sentences))
    return {
        "top_k": probes.top_k,
        "wanted": probes.wanted,
        "sentences": [
            {
                "text": questions.probes[at],
                "systems": {
                    name: [[_told(one) for one in mask] for mask in arm.filled[at]]
                    for name, arm in arms.items()
                },
            }
            for at in shown
        ],
        "shares": _shares(recipe, probes, arms) if probes.wanted else None,
    }


def _told(fill: Any) -> dict[str, Any]:
    return {"token_str": fill.token_str, "score": round(fill.score, 6)}


def _shares(recipe: Recipe, probes: Probes, arms: Mapping[str, Arm]) -> dict[str, Any]:
    """Return, over all probes, which share of each system's words is wanted, and by how much more.

    The intervals are of the bootstrap over sentences, the same sentences drawn for all systems.
    """
    wanted = {name: _wanted(recipe, probes, arm.filled) for name, arm in arms.items()}
    tuned = wanted[TUNED]
    seed, resamples = recipe.evaluation.seed, recipe.evaluation.resamples
    weights = np.vstack(list(draw(len(tuned), seed=seed, resamples=resamples)))
    drawn = {name: weights @ values / len(tuned) for name, values in wanted.items()}

    def told(values: Any, samples: Any) -> dict[str, float]:
        value = float(np.mean(values))
        low, high = interval(samples, around=value)
        return {"value": value, "low": low, "high": high}

    return {
        "n": len(tuned),
        "systems": {name: told(wanted[name], drawn[name]) for name in wanted},
        "gains": {
            name: told(tuned - wanted[name], drawn[TUNED] - drawn[name])
            for name in wanted
            if name != TUNED
        },
    }


def _wanted(recipe: Recipe, probes: Probes, filled: Sequence[Filled]) -> Any:
    """Return which share of the words put into each sentence is wanted, shape (sentences,)."""
    words = [one.token_str for masks in filled for mask in masks for one in mask]
    owners = [at for at, masks in enumerate(filled) for mask in masks for _ in mask]
    rows = pl.DataFrame({"text": words}, schema={"text": pl.String})
    signal = formula_over(recipe, str(probes.wanted), where="recipe key `evaluation.probes.wanted`")
    hits = signal.read(rows).fill_null(value=False).cast(pl.Float64).to_numpy()
    counts = np.bincount(owners, minlength=len(filled))
    return np.bincount(owners, weights=hits, minlength=len(filled)) / np.maximum(1, counts)
