"""Run the data checks and do what the recipe says about each finding.

All findings are gathered before anything is refused, so that one run tells everything. Rows
left out are counted in the ledger under the name of the check.

To add a check: a function `(parts, space) -> list[Hit]`, a row in CHECKS and one in POLICIES.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal

import polars as pl

from burnish.data.dedupe import with_clusters
from burnish.data.integrity.hit import Check, Hit
from burnish.data.integrity.left_out import counts_told, refuse_nothing_left
from burnish.data.keys import with_keys, without_keys
from burnish.data.labels import refuse_one_class
from burnish.errors import CheckError, RecipeError
from burnish.recipe.data import Action, Data
from burnish.records import Finding, LabelSpace, LedgerEntry, PlainSpace, Severity, Space, TextSpace
from burnish.registry import Registry

CHECKS: Registry[Check] = Registry(
    "check",
    {
        "null-text": "burnish.data.integrity.rows:null_text",
        "empty-text": "burnish.data.integrity.rows:empty_text",
        "null-label": "burnish.data.integrity.rows:null_label",
        "empty-answer": "burnish.data.integrity.rows:empty_answer",
        "unknown-label": "burnish.data.integrity.rows:unknown_label",
        "duplicates": "burnish.data.integrity.repeats:duplicates",
        "conflicting-labels": "burnish.data.integrity.repeats:conflicting_labels",
        "near-duplicates": "burnish.data.integrity.repeats:near_duplicates",
        "length-outliers": "burnish.data.integrity.rows:length_outliers",
        "leak": "burnish.data.integrity.sides:leak",
        "near-leak": "burnish.data.integrity.sides:near_leak",
        "group-leak": "burnish.data.integrity.sides:group_leak",
        "missing-class": "burnish.data.integrity.sides:missing_class",
    },
    where="recipe key `data.checks`",
)

Parts = dict[str, pl.DataFrame]
Stage = Literal["check", "leaks"]


@dataclass(frozen=True, slots=True)
class Policy:
    """When a check runs, what happens if the recipe says nothing, and what it may say."""

    stage: Stage
    default: Action
    allowed: tuple[Action, ...] = ("ignore", "warn", "drop", "error")
    severity: Severity = "warning"  # of what does not stop the run
    # of tasks it has a meaning for
    spaces: tuple[type[Space], ...] = (LabelSpace, TextSpace, PlainSpace)


_ANSWERED = (LabelSpace, TextSpace)
_NOT_KEPT: tuple[Action, ...] = ("drop", "error")  # no system can answer such a row

# In the order the checks run: a row is dropped for the first reason that holds.
POLICIES: Mapping[str, Policy] = {
    "null-text": Policy("check", "drop", _NOT_KEPT),
    "empty-text": Policy("check", "drop"),
    "null-label": Policy("check", "drop", _NOT_KEPT, spaces=_ANSWERED),
    "empty-answer": Policy("check", "drop", spaces=(TextSpace,)),
    "unknown-label": Policy("check", "error", _NOT_KEPT, spaces=(LabelSpace,)),
    "conflicting-labels": Policy("check", "warn", spaces=_ANSWERED),
    "duplicates": Policy("check", "warn"),
    "near-duplicates": Policy("check", "warn"),
    "length-outliers": Policy("check", "warn", severity="info"),
    "leak": Policy("leaks", "error"),
    "near-leak": Policy("leaks", "warn"),
    "group-leak": Policy("leaks", "warn"),
    "missing-class": Policy("leaks", "warn", ("ignore", "warn", "error"), spaces=(LabelSpace,)),
}

Checked = tuple[Parts, tuple[Finding, ...], tuple[LedgerEntry, ...]]


def check_parts(parts: Parts, space: Space, data: Data) -> Checked:
    """Check the rows as they were read; return those kept, the findings, the ledger entries.

    Args:
        parts: canonical rows with settled labels or answers.
        space: the task's classes, or texts.
        data: `checks` says which actions differ from the defaults.

    Raises:
        CheckError: BN207, a check whose action is `error` found something; `.findings` has all.
        RecipeError: BN101, an action that a check cannot take, or a check that has no meaning
            for the task.
        EmptyDataError: BN205, no row of a part is left.
        LabelError: BN206, the training rows left are all of one class.
    """
    return _run("check", parts, space, data, needs_clusters="near-duplicates")


def check_splits(splits: Parts, space: Space, data: Data) -> Checked:
    """Check the splits against each other; return, and raise, as `check_parts` does.

    The frames returned are canonical: the private columns of keys are gone.
    """
    kept, findings, entries = _run("leaks", splits, space, data, needs_clusters="near-leak")
    return {name: without_keys(frame) for name, frame in kept.items()}, findings, entries


def _actions(data: Data, space: Space) -> dict[str, Action]:
    """Return what each check does; those without a meaning for the space are ignored."""
    actions: dict[str, Action] = {
        kind: policy.default if isinstance(space, policy.spaces) else "ignore"
        for kind, policy in POLICIES.items()
    }
    for place, check in enumerate(data.checks):
        policy = POLICIES[check.kind]
        if not isinstance(space, policy.spaces):
            if check.action == "ignore":
                continue
            raise RecipeError(
                f"the check {check.kind} does not apply to tasks whose answers are {space.asked}",
                where=f"recipe key `data.checks[{place}].kind`",
                fix="leave that check out",
            )
        if check.action not in policy.allowed:
            raise RecipeError(
                f"the check {check.kind} cannot {check.action}",
                where=f"recipe key `data.checks[{place}].action`",
                fix=f"use {' or '.join(policy.allowed)}",
            )
        actions[check.kind] = check.action
    return actions


def _run(stage: Stage, parts: Parts, space: Space, data: Data, *, needs_clusters: str) -> Checked:
    actions = _actions(data, space)
    rows_in = {name: frame.height for name, frame in parts.items()}
    parts = {name: with_keys(frame) for name, frame in parts.items()}
    if actions[needs_clusters] != "ignore":
        parts = with_clusters(parts)
    dropped: dict[str, Counter[str]] = {name: Counter() for name in parts}
    findings: list[Finding] = []
    for kind, policy in POLICIES.items():
        if policy.stage != stage or actions[kind] == "ignore":
            continue
        hits = CHECKS.get(kind)(parts, space)
        findings += [_finding(kind, hit, actions[kind], policy) for hit in hits]
        if actions[kind] == "drop":
            parts = _without(kind, parts, hits, dropped)
    _refuse(findings)
    refuse_nothing_left(
        parts,
        lambda name: (
            f"no {name} row is left after the data checks; dropped: {counts_told(dropped[name])}"
        ),
        fix=f"correct the rows, name the right columns in {data.columns(space.asked).keys}, or "
        "relax `data.checks`",
    )
    if isinstance(space, LabelSpace):
        refuse_one_class(space, parts["train"], data.label)
    entries = tuple(
        LedgerEntry(
            stage=stage,
            split=name,
            rows_in=rows_in[name],
            kept=frame.height,
            dropped=dict(dropped[name]),
        )
        for name, frame in parts.items()
    )
    return parts, tuple(findings), entries


def _finding(kind: str, hit: Hit, action: Action, policy: Policy) -> Finding:
    taken = {name: int(mask.sum()) for name, mask in hit.drops.items()}
    told = ", ".join(f"{count} {name} row(s) left out" for name, count in taken.items())
    more = f"; {told}" if action == "drop" else ""
    return hit.finding(kind, action, severity=policy.severity, more=more)


def _without(kind: str, parts: Parts, hits: list[Hit], dropped: dict[str, Counter[str]]) -> Parts:
    """Return the parts without the rows of the hits; a row in two hits is counted once."""
    left = dict(parts)
    for name, frame in parts.items():
        masks = [hit.drops[name] for hit in hits if name in hit.drops]
        if masks:
            left[name] = frame.filter(~reduce(or_, masks))
            dropped[name][kind] += frame.height - left[name].height
    return left


def _refuse(findings: list[Finding]) -> None:
    faults = [f for f in findings if f.action == "error"]
    if not faults:
        return
    kinds = list(dict.fromkeys(f.code for f in faults))
    # Some checks cannot drop; the fix must name only what works.
    droppable = [k for k in kinds if "drop" in POLICIES[k].allowed]
    instead = [f"{{kind: {k}, action: {'drop' if k in droppable else 'warn'}}}" for k in kinds]
    raise refusal(findings, fix=f"correct the rows, or set `data.checks: [{', '.join(instead)}]`")


def refusal(findings: Sequence[Finding], *, fix: str) -> CheckError:
    """Return the error for findings of which one at least has the action `error`."""
    faults = [f for f in findings if f.action == "error"]
    first = next((f for f in faults if f.file), faults[0])
    error = CheckError(
        f"{len(faults)} data check(s) failed: "
        + "; ".join(f"{f.code}: {f.message}" for f in faults),
        where=f"{first.file} row {first.row}" if first.file else f"split {first.split}",
        fix=fix,
    )
    error.findings = tuple(findings)
    return error
