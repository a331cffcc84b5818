"""What stood in the place of masks before tuning and after, and what was forgotten on the way."""

from collections.abc import Mapping
from typing import Any

from burnish.evaluation.report.runfiles import TUNED, Absent, RunFiles

_GENERAL = "general"
_ORDER = ("base", "control", "last", TUNED)


def view(run: RunFiles) -> dict[str, Any]:
    """Return the words put into each sentence, how many were wanted, and general perplexities."""
    probes = run.probes or {}
    forgotten = {one.system: one for one in run.scores if _is_general(one)}
    if not probes and not forgotten:
        raise Absent("The recipe asks for no sentences to be filled (`evaluation.probes`).")
    shares = probes.get("shares") or {}
    return {
        "top_k": probes.get("top_k"),
        "wanted": probes.get("wanted"),
        "sentences": [_sentence(one) for one in probes.get("sentences", ())],
        "n": shares.get("n"),
        "shares": [
            (name, value, shares["gains"].get(name)) for name, value in _ordered(shares, "systems")
        ],
        "general": [forgotten[name] for name in _ORDER if name in forgotten],
    }


def _sentence(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sentence with the words of each system for each of its masks."""
    systems = dict(_ordered(told, "systems"))
    masks = len(next(iter(systems.values()), ()))
    scores = [word["score"] for found in systems.values() for mask in found for word in mask]
    return {
        "text": told["text"],
        "largest": max(scores, default=0.0) or 1.0,  # fills its bar; the others are beside it
        "masks": [[(name, found[at]) for name, found in systems.items()] for at in range(masks)],
    }


def _ordered(told: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    found = told.get(key) or {}
    return [(name, found[name]) for name in _ORDER if name in found]


def _is_general(score: Any) -> bool:
    return bool(score.split == _GENERAL and score.metric == "perplexity")
