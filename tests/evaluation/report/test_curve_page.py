"""The page of a learning curve: whole, safe, and drawn where the numbers say."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from burnish.evaluation.report.curve import curve_page
from burnish.evaluation.report.scales import doubling_scale

_VOID = {"meta", "br"}


class _Tags(HTMLParser):
    """Collects tags with their attributes, and what is opened but not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.mismatches: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mismatches.append(tag)


def estimate(value: float, half: float = 0.03) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def told(*, cheap: str | None = "tfidf-svm", **changes: Any) -> dict[str, Any]:
    """Return what a curve.json holds."""
    tuned = {500: 0.5, 1000: 0.6, 2000: 0.66, 4000: 0.7}
    sizes = [
        {
            "size": rows, "rows": float(rows), "by_seed": [value],
            "systems": {"tuned": estimate(value), "majority": estimate(0.1)}
            | ({cheap: estimate(0.62)} if cheap else {}),
            "lead": estimate(value - 0.62) if cheap else None,
        }
        for rows, value in tuned.items()
    ]  # fmt: skip
    fan = [
        {"times": times, "rows": 4000 * times, "gain": 0.02, "gain_low": -0.01, "gain_high": 0.05,
         "state": "open"} | estimate(0.7 + 0.01 * times, 0.04 * times)
        for times in (1.5, 2.0, 3.0, 4.0)
    ]  # fmt: skip
    return {
        "burnish": "0.1.0", "name": "tickets", "model": "a-model", "split": "test", "rows": 4000,
        "outlook": "open", "words": ["Twice as many rows would …"], "remarks": ["It is so."],
        "seconds": 81.0, "metric": "macro_f1", "n": 600, "groups": None, "seeds": [0],
        "cheap": cheap, "sizes": sizes, "fan": fan, "beyond": [fan[1], fan[3]], "in_logs": False,
        "law": {name: estimate(0.5) for name in ("a", "b", "c", "noise")}, "trainings": [{}] * 4,
    } | changes  # fmt: skip


def parse(html: str) -> _Tags:
    tags = _Tags()
    tags.feed(html)
    return tags


@pytest.mark.parametrize("outlook", ["rises", "flat", "falls", "open"])
@pytest.mark.parametrize("cheap", ["tfidf-svm", None])
def test_the_page_is_whole_and_fetches_nothing(outlook: str, cheap: str | None) -> None:
    html = curve_page(told(outlook=outlook, cheap=cheap))
    page = parse(html)

    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert (page.open, page.mismatches) == ([], [])
    assert len(ids) == len(set(ids))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    assert not re.search(r"url\(|@import|https?://", html)
    assert all((a.get("href") or "#").startswith("#") for _, a in page.tags)


@pytest.mark.parametrize(
    ("outlook", "headline"),
    [("rises", "More rows would help."), ("flat", "More rows are not what is missing."),
     ("falls", "More rows are not what is missing."), ("open", "These sizes cannot tell.")],
)  # fmt: skip
def test_the_answer_stands_before_its_numbers(outlook: str, headline: str) -> None:
    html = curve_page(told(outlook=outlook))

    assert html.index(headline) < html.index("Twice as many rows") < html.index("<svg")


def test_what_a_recipe_is_called_cannot_become_markup() -> None:
    html = curve_page(told(name="<script>alert(1)</script>", words=["<b>&"]))

    assert "<script>" not in html
    assert "&lt;b&gt;&amp;" in html


def test_dots_intervals_and_fan_lie_where_the_numbers_say() -> None:
    page = parse(curve_page(told()))
    dots = [a for tag, a in page.tags if tag == "circle" and a.get("class") == "tuned"]
    spans = [a for tag, a in page.tags if tag == "line" and a.get("class") == "span tuned"]
    across = [float(str(dot["cx"]).rstrip("%")) for dot in dots]
    down = [float(str(dot["cy"]).rstrip("%")) for dot in dots]
    fan = next(a["points"] for tag, a in page.tags if tag == "polygon")

    steps = [b - a for a, b in pairwise(across)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.02)  # each size is twice the one before
    assert down == sorted(down, reverse=True)
    for dot, span in zip(down, spans, strict=True):
        ends = sorted(float(str(span[key]).rstrip("%")) for key in ("y1", "y2"))
        assert ends[0] < dot < ends[1]
    places = [tuple(map(float, point.split(","))) for point in str(fan).split()]
    assert len(places) == 10
    assert places[0][0] == across[-1]  # it starts at what was measured with all rows
    assert all(0 <= one <= 100 for place in places for one in place)


def test_less_is_told_to_be_better_where_it_is() -> None:
    assert "Lower is better." in curve_page(told(metric="perplexity"))
    assert "Lower is better." not in curve_page(told())


def test_a_doubling_is_the_same_distance_anywhere() -> None:
    scale = doubling_scale([500, 1000, 2000, 16_000])

    at = [tick.at for tick in scale.ticks]
    assert [tick.label for tick in scale.ticks] == ["500", "1,000", "2,000", "16,000"]
    assert at[1] - at[0] == pytest.approx(at[2] - at[1], abs=0.02)
    assert at[3] - at[2] == pytest.approx(3 * (at[1] - at[0]), abs=0.05)
    assert at[0] > 0
    assert at[3] < 100
