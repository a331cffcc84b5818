"""The answer first: is the tuned model worth shipping, and why."""

from collections.abc import Mapping
from typing import Any

from burnish.evaluation.gates import BASE, LAST
from burnish.evaluation.report.runfiles import TUNED, RunFiles
from burnish.evaluation.report.scales import scale_of
from burnish.evaluation.report.words import changes_of, is_number, lower_is_better

# verdict → (headline, what it means for the reader)
_HEADLINES: Mapping[str, tuple[str, str]] = {
    "ship": (
        "Ship it.",
        "The tuned model beats what it was asked to beat, by more than chance would explain.",
    ),
    "keep-baseline": (
        "Keep the cheap one.",
        "Fine-tuning did not earn its cost here: a system that is there without it does the job.",
    ),
    "need-more-data": (
        "More data is needed.",
        "These rows cannot tell whether the tuned model is better.",
    ),
}

_RIVAL_WORDS = {BASE: "the model before tuning"}


def view(run: RunFiles) -> dict[str, Any]:
    """Return the headline, the reasons, and the few figures that carry them."""
    verdict = str(run.verdict["verdict"])
    headline, meaning = _HEADLINES.get(verdict, (verdict, ""))
    tuned = run.score(TUNED)
    comparison = deciding_comparison(run)
    rival = run.score(str(comparison["b"])) if comparison else None
    return {
        "verdict": verdict if verdict in _HEADLINES else "other",
        "headline": headline,
        "meaning": meaning,
        "reasons": [str(reason) for reason in run.verdict.get("reasons", ())],
        "caveats": [str(caveat) for caveat in run.verdict.get("caveats", ())],
        "n": tuned.n if tuned else run.section("splits").get(run.split),
        "tuned": tuned,
        "rival": rival,
        "rival_words": _RIVAL_WORDS.get(rival.system, "the best cheaper system") if rival else "",
        "comparison": comparison,
        "falling": lower_is_better(run.metric),
        "strip": _strip(comparison) if comparison else None,
        "seconds": run.section("training").get("seconds"),
    }


def deciding_comparison(run: RunFiles) -> Mapping[str, Any] | None:
    """Return the tuned model against its strongest cheap rival, in the verdict's metric."""
    found = [
        c
        for c in run.verdict.get("comparisons", ())
        if c.get("a") == TUNED and c.get("metric") == run.metric and is_number(c.get("difference"))
        if c.get("b") != LAST  # the same model at another time
    ]
    cheap = [c for c in found if c.get("b") != BASE] or found
    sign = -1 if lower_is_better(run.metric) else 1
    return min(cheap, key=lambda c: sign * c["difference"], default=None)


def _strip(comparison: Mapping[str, Any]) -> dict[str, Any]:
    values = [comparison["difference"], comparison.get("low"), comparison.get("high")]
    room = 0.12 * max(abs(v) for v in values if is_number(v))  # keeps 0 off the very edge
    scale = scale_of(values, include=[-room, room], label=changes_of(str(comparison["metric"])))
    return {"scale": scale, "place": scale.place(*values), "zero": scale.at(0.0)}
