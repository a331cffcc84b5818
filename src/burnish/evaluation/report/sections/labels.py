"""Rows whose label a model doubts that did not learn them, and near-duplicates in conflict."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from burnish.evaluation.report.runfiles import Absent, RunFiles
from burnish.evaluation.report.words import clipped

_MOST_ROWS = 20
_MOST_CLUSTERS, _MOST_OF_ONE = 10, 6
_MOST_CHARACTERS = 400  # of one text; its place in the file is told beside it


def view(run: RunFiles) -> dict[str, Any]:
    """Return the most doubtful rows, how many are flagged, and clusters of near-duplicates."""
    if why := (run.labels_checked or {}).get("skipped"):
        raise Absent(f"No label was looked at. {why}")
    if run.label_errors is None:
        raise Absent("label-errors.jsonl is not in the run folder.")
    conflicts = list(run.conflicts or ())
    clusters = [list(rows) for _, rows in groupby(conflicts, lambda line: line["cluster"])]
    return {
        "n": len(run.label_errors),
        "flagged": sum(bool(line.get("flagged")) for line in run.label_errors),
        "rows": [_row(line) for line in run.label_errors[:_MOST_ROWS]],
        "conflicts": len(conflicts),
        "clusters": [_cluster(rows) for rows in clusters[:_MOST_CLUSTERS]],
        "clusters_left_out": max(0, len(clusters) - _MOST_CLUSTERS),
    }


def _row(line: Mapping[str, Any]) -> dict[str, Any]:
    return _placed(line) | {
        "in_doubt": str(line["in_doubt"]),
        "held": line["in_doubt"] in line["labels"],
        "confidence": line["confidence"],
        "suggested": [str(name) for name in line["suggested"]],
        "flagged": bool(line.get("flagged")),
    }


def _cluster(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    shown = [_placed(line) for line in rows[:_MOST_OF_ONE]]
    return {"rows": shown, "left_out": len(rows) - len(shown)}


def _placed(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "place": f"{line['file']}:{line['row']}",
        "text": clipped(line["text"] or "", _MOST_CHARACTERS),
        "labels": [str(name) for name in line["labels"]],
    }
