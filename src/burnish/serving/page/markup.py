"""Answers as HTML: bars, words, cards, tables. Every text from data goes through `escape`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from burnish.records import LabelSpace
from burnish.serving.engine import Answered, Facts
from burnish.serving.page.runs import Example, Told
from burnish.serving.page.words import Part

_MOST_BARS = 30
_FAINT = 0.005  # a change of less is not worth a colour
_TOP = 6

_VERDICTS = {
    "ship": "ship: worth using",
    "keep-baseline": "keep the baseline: not proven better",
    "need-more-data": "need more data: the rows cannot tell",
}


def labels(found: Answered, facts: Facts) -> str:
    """Return the labels given, and a bar for each label with its threshold."""
    space, told = facts.space, found.prediction
    if not isinstance(space, LabelSpace):
        raise TypeError("only a classifier gives labels")
    given = "".join(f"<span class='bn-chip'>{escape(one)}</span>" for one in told.answer)
    order = sorted(told.scores, key=lambda name: -told.scores[name])
    bars = [
        bar(name, told.scores[name], at=facts.thresholds.get(name), given=name in told.answer)
        for name in order[:_MOST_BARS]
    ]
    more = len(order) - len(bars)
    return "".join(
        (
            f"<div class='bn-given'>{given or '<span class=bn-none>no label</span>'}</div>",
            "<div class='bn-bars'>", *bars, "</div>",
            f"<p class='bn-note'>{more} less likely labels are not shown.</p>" if more else "",
            "<p class='bn-note'>The dark line is the threshold: from there on a label is given.</p>"
            if facts.thresholds else "",
            "<p class='bn-note'><b>Not sure enough: a person should look at it.</b></p>"
            if told.abstains else "",
            cut(found.cut_tokens),
        )
    )  # fmt: skip


def bar(name: str, share: float, *, at: float | None = None, given: bool = False) -> str:
    """Return one bar. `share` and the mark `at` are probabilities."""
    mark = ""
    if at is not None:
        title = f"threshold {at:.2f}"
        mark = f"<i class='bn-mark' style='left:{100 * at:.1f}%' title='{title}'></i>"
    return (
        f"<div class='bn-row{' bn-on' if given else ''}'>"
        f"<span class='bn-name' title='{escape(name)}'>{escape(name)}</span>"
        f"<span class='bn-track'><b style='width:{100 * share:.1f}%'></b>{mark}</span>"
        f"<span class='bn-share'>{100 * share:.1f} %</span></div>"
    )


def words(text: str, label: str, parts: Sequence[Part]) -> str:
    """Return a text whose words are coloured by what they do to a label's probability."""
    most = max(abs(one.change) for one in parts)
    shown, at = [], 0
    for one in parts:
        shown += [escape(text[at : one.start]), _word(text[one.start : one.end], one.change, most)]
        at = one.end
    top = sorted(parts, key=lambda one: -abs(one.change))[:_TOP]
    lines = "".join(
        f"<tr><td>{escape(text[one.start : one.end])}</td><td>{100 * one.change:+.1f}</td></tr>"
        for one in top
        if abs(one.change) >= _FAINT
    )
    table = (
        f"<table><thead><tr><th>left out</th><th>points lost</th></tr></thead>"
        f"<tbody>{lines}</tbody></table>"
        if lines
        else "<p class='bn-note'>No single part changes the probability by half a point.</p>"
    )
    return (
        f"<p class='bn-note'>What leaving a part out takes from the probability of "
        f"<b>{escape(label)}</b>: <span class='bn-for'>for it</span>, "
        f"<span class='bn-against'>against it</span>.</p>"
        f"<p class='bn-text'>{''.join(shown)}{escape(text[at:])}</p>{table}"
    )


def _word(text: str, change: float, most: float) -> str:
    if abs(change) < _FAINT:
        return escape(text)
    side = "for" if change > 0 else "against"
    return (
        f"<mark class='bn-{side}' style='--a:{0.15 + 0.7 * abs(change) / most:.2f}' "
        f"title='{100 * change:+.1f} points'>{escape(text)}</mark>"
    )


def fills(found: Answered) -> str:
    """Return bars of the likeliest words, mask by mask."""
    masks = found.prediction.fills
    blocks = []
    for number, mask in enumerate(masks, 1):
        head = f"<h4>mask {number}</h4>" if len(masks) > 1 else ""
        bars = "".join(bar(one.token_str.strip() or "␣", one.score) for one in mask)
        blocks.append(f"<div>{head}<div class='bn-bars'>{bars}</div></div>")
    return f"<div class='bn-masks'>{''.join(blocks)}</div>"


def likelihood(found: Answered) -> str:
    """Return how likely a plain text is."""
    scores = found.prediction.scores
    tokens = int(scores["tokens"])
    each = -scores["log_likelihood"] / max(1, tokens)
    return (
        f"<p class='bn-note'>The model finds this text likely to the extent of {each:.2f} nats a "
        f"token (perplexity {math.exp(each):.1f}, {tokens} tokens).</p>"
    )


def cut(tokens: int) -> str:
    """Return a word on what was left out of an input."""
    if not tokens:
        return ""
    return f"<p class='bn-warn'>The text is too long: {tokens} tokens of it were left out.</p>"


def answers(example: Example, *, noun: str) -> str:
    """Return what was answered to a row: reference, base and tuned, side by side."""
    sides = [("should be", example.reference, "ref")]
    if example.base is not None:
        sides.append(("base model", example.base, "base"))
    sides.append(("tuned model", example.tuned, "tuned"))
    cards = [
        f"<div class='bn-card bn-{kind}'><h4>{title}</h4><div>{_given(told, noun)}</div></div>"
        for title, told, kind in sides
    ]
    return f"<div class='bn-side'>{''.join(cards)}</div>"


def _given(told: Iterable[str] | None, noun: str) -> str:
    if told is None:
        return "<span class='bn-none'>unknown</span>"
    if noun == "label":
        chips = "".join(f"<span class='bn-chip'>{escape(one)}</span>" for one in told)
        return chips or "<span class='bn-none'>no label</span>"
    texts = "<hr>".join(escape(one) for one in told if one)
    return texts or "<span class='bn-none'>(nothing)</span>"


def verdict(told: Told) -> str:
    """Return the verdict of the run, and the scores it stands on."""
    found = told.verdict
    name = str(found.get("verdict", ""))
    metric = str(found.get("metric", ""))
    reasons = "".join(f"<li>{escape(str(one))}</li>" for one in found.get("reasons", ()))
    caveats = "".join(f"<li>{escape(str(one))}</li>" for one in found.get("caveats", ()))
    return "".join(
        (
            f"<p class='bn-verdict bn-{escape(name)}'>{escape(_VERDICTS.get(name, name))}</p>"
            if name else "",
            f"<ul>{reasons}</ul>" if reasons else "",
            f"<p class='bn-note'>Heed:</p><ul>{caveats}</ul>" if caveats else "",
            _scores([one for one in told.scores if one.get("metric") == metric], metric),
        )
    )  # fmt: skip


def _scores(scores: Sequence[Mapping[str, Any]], metric: str) -> str:
    if not scores:
        return ""
    rows = "".join(
        f"<tr><td>{escape(str(one['system']))}</td><td>{_number(one['value'])}</td>"
        f"<td>{_number(one['low'])} to {_number(one['high'])}</td></tr>"
        for one in sorted(scores, key=lambda one: -(one["value"] or 0))
    )
    return (
        f"<table><thead><tr><th>system</th><th>{escape(metric)}</th><th>95 % interval</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
        f"<p class='bn-note'>{escape(str(scores[0]['split']))} split, {int(scores[0]['n'])} rows "
        "that training never saw.</p>"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
