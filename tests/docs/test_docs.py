"""The documents say what the code does, and every file they name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAP = ROOT / "docs" / "map.md"


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_the_map_is_one_page_and_names_only_what_exists() -> None:
    text = MAP.read_text("utf-8")
    named = re.findall(r"`((?:src|docs|tests|recipes|benchmarks)/[\w./*-]*)`", text)

    assert len(text.splitlines()) <= 120
    assert len(named) > 20
    missing = [name for name in named if not list(ROOT.glob(name.rstrip("/")))]
    assert missing == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda path: path.name
)
def test_a_decision_is_short_and_says_how_it_could_be_wrong(path: Path) -> None:
    text = path.read_text("utf-8")

    assert len(text.splitlines()) <= 25
    for heading in ("## Question", "## Decision", "## Why", "## Price", "## How we would know"):
        assert heading in text


def test_every_relative_link_in_the_documents_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    broken = [
        (page.name, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not (page.parent / link).exists()
    ]

    assert pages
    assert broken == []
