"""The data: the row ledger as a table that adds up, findings, split sizes, truncation."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from burnish.evaluation.report.runfiles import RunFiles
from burnish.evaluation.report.words import is_number

_MOST_FINDINGS = 60
_STAGES: Mapping[str, str] = {
    "read": "Read from files",
    "check": "Checked",
    "rules": "Held to the rules",
    "select": "Selected by signals",
    "split": "Split",
    "limit": "Limited for a trial",
    "leaks": "Checked for leaks",
    "encode": "Turned into tokens",
}


def view(run: RunFiles) -> dict[str, Any]:
    """Return the flow of rows by stage, the findings worst first, and the splits."""
    rank = {severity: number for number, severity in enumerate(("error", "warning", "info"))}
    findings = sorted(
        run.findings or (), key=lambda f: rank.get(str(f.get("severity", "info")), len(rank))
    )
    return {
        "ledger": _flow(run.ledger["entries"]) if run.ledger else None,
        "findings": None if run.findings is None else findings[:_MOST_FINDINGS],
        "findings_left_out": max(0, len(findings) - _MOST_FINDINGS),
        "splits": _splits(run),
    }


def _flow(entries: list[Mapping[str, Any]]) -> dict[str, Any]:
    lines = [_line(entry) for entry in entries]
    stages: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        stages.setdefault(line["stage"], []).append(line)
    told = {name: found if name == "read" else _folded(found) for name, found in stages.items()}
    reasons: Counter[str] = Counter()
    for line in lines:
        reasons.update(line["dropped"])
    return {
        "stages": [(_STAGES.get(name, name), found) for name, found in told.items()],
        "balances": all(line["balances"] for line in lines),
        "read": sum(line["rows_in"] for line in stages.get("read", ())),
        "reasons": reasons.most_common(),
    }


def _line(entry: Mapping[str, Any]) -> dict[str, Any]:
    dropped, moved = dict(entry.get("dropped") or {}), dict(entry.get("moved") or {})
    rows_in, kept = int(entry.get("rows_in", 0)), int(entry.get("kept", 0))
    gone, handed = sum(dropped.values()), sum(moved.values())
    return {
        "stage": str(entry.get("stage", "")),
        "split": str(entry.get("split", "")),
        "rows_in": rows_in,
        "kept": kept,
        "dropped": dropped,
        "moved": moved,
        "rows_cut": int(entry.get("rows_cut") or 0),
        "tokens_lost": int(entry.get("tokens_lost") or 0),
        "balances": rows_in == kept + gone + handed,
        "bar": [round(100 * part / (rows_in or 1), 3) for part in (kept, handed, gone)],
    }


def _folded(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the splits of one stage to which nothing happened into one line, at the end."""
    quiet = [n for n in lines if n["rows_in"] == n["kept"] and n["balances"] and not n["rows_cut"]]
    if len(quiet) < 2:  # noqa: PLR2004
        return lines
    joined = {
        "stage": quiet[0]["stage"],
        "split": ", ".join(line["split"] for line in quiet),
        "rows_in": (rows := sum(line["rows_in"] for line in quiet)),
        "kept": rows,
    }
    return [line for line in lines if line not in quiet] + [_line(joined)]


def _splits(run: RunFiles) -> list[dict[str, Any]]:
    truncated = run.section("truncated")
    return [
        {"name": name, "rows": rows, "cut": truncated.get(name) or {}}
        for name, rows in run.section("splits").items()
        if is_number(rows)
    ]
