"""The page as a whole: complete, self-contained, safe, and small."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from burnish.evaluation.report.render import SECTIONS, render
from burnish.files import read_json, write_json, write_text
from burnish.runfolder import RunFolder

LIMIT_BYTES = 2_000_000
_VOID = {"meta", "br", "img", "link"}


class _Tags(HTMLParser):
    """Collects tags and their attributes, and what is opened but never closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
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

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parse(html: str) -> _Tags:
    tags = _Tags()
    tags.feed(html)
    return tags


def words_of(html: str) -> str:
    return " ".join(" ".join(parse(html.split("</style>")[1]).text).split())


OF_LABELS = {"classes", "calibration", "errors", "labels"}
OF_TEXTS = {"side-by-side", "writing", "worst"}
OF_PLAIN = {"masks", "likely"}


@pytest.mark.parametrize(
    ("kind", "others"), [("run", OF_TEXTS | OF_PLAIN), ("text_run", OF_LABELS | OF_PLAIN)]
)
def test_every_section_is_there_in_order_and_linked_from_the_contents(
    kind: str, others: set[str], request: pytest.FixtureRequest
) -> None:
    page = parse(render(request.getfixturevalue(kind)).read_text("utf-8"))

    keys = [section.key for section in SECTIONS if section.key not in others]
    assert [a.get("id") for tag, a in page.tags if tag == "section"] == keys
    links = [a.get("href") for tag, a in page.tags if tag == "a"]
    assert [f"#{key}" for key in keys] == [link for link in links if link][1:]
    assert not [a for _, a in page.tags if a.get("class") == "absent"]


def test_the_verdict_comes_first_with_its_reasons_and_rows(run: RunFolder) -> None:
    verdict = read_json(run.verdict)
    text = words_of(render(run).read_text("utf-8"))

    headline = {"ship": "Ship it.", "need-more-data": "More data is needed."}[verdict["verdict"]]
    assert text.index(headline) < text.index(verdict["reasons"][0]) < text.index("All metrics")
    assert "Verdict on validation, 400 rows" in text


@pytest.mark.parametrize(
    ("verdict", "headline"),
    [
        ("ship", "Ship it."),
        ("keep-baseline", "Keep the cheap one."),
        ("need-more-data", "More data is needed."),
    ],
)
def test_each_verdict_has_a_headline_anyone_understands(
    run: RunFolder, verdict: str, headline: str
) -> None:
    write_json(run.verdict, read_json(run.verdict) | {"verdict": verdict})
    assert headline in words_of(render(run).read_text("utf-8"))


@pytest.mark.parametrize("kind", ["run", "binary_run", "text_run"])
def test_tags_are_closed_in_order_and_ids_are_unique(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder: RunFolder = request.getfixturevalue(kind)
    page = parse(render(folder).read_text("utf-8"))

    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert (page.open, page.mismatches) == ([], [])
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("kind", ["run", "text_run"])
def test_nothing_is_fetched_from_anywhere(kind: str, request: pytest.FixtureRequest) -> None:
    html = render(request.getfixturevalue(kind)).read_text("utf-8")
    page = parse(html)

    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    assert all((a.get("href") or "#").startswith("#") for _, a in page.tags)
    assert not [a for _, a in page.tags if {"src", "srcset", "onload", "onerror"} & set(a)]
    assert not re.search(r"url\(|@import|https?://", html)
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("kind", ["run", "text_run"])
def test_every_plot_tells_its_content_in_words(kind: str, request: pytest.FixtureRequest) -> None:
    html = render(request.getfixturevalue(kind)).read_text("utf-8")

    pictures = re.findall(r'<svg[^>]*role="img"[^>]*>(.{7})', html)
    assert len(pictures) > 20
    assert set(pictures) == {"<title>"}


def test_both_colour_schemes_print_and_phones_are_catered_for(run: RunFolder) -> None:
    html = render(run).read_text("utf-8")

    for needed in ("prefers-color-scheme: dark", "@media print", "width=device-width"):
        assert needed in html


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def test_hostile_texts_labels_and_names_show_as_text(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    labels = (f"a{HOSTILE}", f"</title></svg>{HOSTILE}", "plain")
    run = make_run(tmp_path / f"r{HOSTILE.replace('/', '')}", labels=labels, text=HOSTILE.__add__)
    _spoil_names(run)
    html = render(run).read_text("utf-8")
    page = parse(html)

    assert "&lt;script&gt;alert(1)" in html
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
    assert not [a for _, a in page.tags if "onerror" in a]
    assert (page.open, page.mismatches) == ([], [])


def test_hostile_inputs_answers_and_references_show_as_text(
    make_text_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = make_text_run(tmp_path / "r", text=f"</dd></svg>{HOSTILE}".__add__, resamples=100)
    _spoil_names(run)
    html = render(run).read_text("utf-8")
    page = parse(html)

    assert html.count("&lt;/dd&gt;&lt;/svg&gt;&lt;script&gt;alert(1)") > 50
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
    assert not [a for _, a in page.tags if "onerror" in a]
    assert (page.open, page.mismatches) == ([], [])


def _spoil_names(run: RunFolder) -> None:
    """Put hostile text into every other place that a user's data or files can reach."""
    write_text(run.recipe, f"name: {json.dumps(HOSTILE)}\n# {HOSTILE}\n")
    verdict = read_json(run.verdict)
    verdict["reasons"] = [HOSTILE]
    verdict["comparisons"][0] |= {"b": HOSTILE, "words": HOSTILE, "metric": HOSTILE}
    write_json(run.verdict, verdict)
    scores = read_json(run.scores)
    write_json(run.scores, [s | {"system": s["system"].replace("svm", HOSTILE)} for s in scores])
    manifest = read_json(run.manifest)
    manifest["inputs"][0]["path"] = HOSTILE
    for key in ("machine", "versions", "seeds", "timings", "splits", "model"):
        manifest[key] = {f"{HOSTILE}{k}": v for k, v in manifest[key].items()} | manifest[key]
    manifest["model"]["reference"] = manifest["machine"]["processor"] = HOSTILE
    manifest["hardware"]["notes"] = [HOSTILE]
    write_json(run.manifest, manifest)
    ledger = read_json(run.ledger)
    ledger["entries"][0] |= {"stage": HOSTILE, "split": HOSTILE}
    ledger["entries"][2]["dropped"] = {HOSTILE: 17}
    write_json(run.ledger, ledger)
    for path in (run.findings, run.history):
        path.write_text(
            path.read_text("utf-8")
            .replace("conflicting-labels", json.dumps(HOSTILE)[1:-1])
            .replace("validation/loss", json.dumps(f"{HOSTILE}/loss")[1:-1]),
            "utf-8",
        )


def test_control_characters_and_lone_surrogates_show_as_stand_ins(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r", text=lambda clause: f"\x00\x1b\x85\u202e{clause}")
    verdict = run.verdict.read_text("utf-8")
    run.verdict.write_text(verdict.replace('"reasons": [', '"reasons": ["half \\ud83d",'), "utf-8")
    html = render(run).read_text("utf-8")

    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)
    assert "␀␛\ufffd" in html
    assert "half \ufffd" in html


def test_a_large_run_stays_under_two_megabytes(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    labels = tuple(f"label {i} " + "wide " * 60 for i in range(120))
    run = make_run(tmp_path / "r", labels=labels, count=300, text=lambda c: c * 300, resamples=100)
    write_text(run.recipe, "name: big\n" + "# a long recipe\n" * 20_000)
    finding = json.loads(run.findings.read_text("utf-8").splitlines()[0])
    run.findings.write_text(
        "\n".join(json.dumps(finding | {"message": "long " * 500}) for _ in range(2000)), "utf-8"
    )
    step = json.loads(run.history.read_text("utf-8").splitlines()[0])
    run.history.write_text(
        "\n".join(json.dumps(step | {"epoch": i / 5000}) for i in range(30_000)), "utf-8"
    )

    assert render(run).stat().st_size < LIMIT_BYTES


def test_a_thousand_long_inputs_stay_under_two_megabytes(
    make_text_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = make_text_run(tmp_path / "r", count=1000, resamples=100, metric="exact_match")
    rows = pl.read_parquet(run.splits / "validation.parquet")
    long = rows.with_columns(text=pl.concat_str([pl.col("text")] * 60))
    long.write_parquet(run.splits / "validation.parquet")

    assert render(run).stat().st_size < LIMIT_BYTES


def test_the_same_files_give_the_same_page(run: RunFolder) -> None:
    first = render(run).read_bytes()
    assert render(run).read_bytes() == first
