"""Starter data: clauses of terms of service, made from templates written for this project.

Each clause is about one or two of eight matters, such as arbitration, and is unfair (labelled)
or fair. Fair clauses use the words of unfair ones with the roles turned round, a condition or a
negation, and the three parts share no template, so what a model learns from the words alone
does not carry over: the meaning decides.

The type names are those of UNFAIR-ToS (Lippi et al. 2019); no text is taken from it. The same
bytes come out on every machine.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, TypeVar, cast

import polars as pl
import yaml

from burnish.data.table import ROW, Kind, Table, require_columns
from burnish.errors import DataNotFoundError

CLAUSES, SENTENCES = STARTERS = ("starter:clauses", "starter:sentences")
TYPES = (
    "limitation of liability",
    "unilateral termination",
    "unilateral change",
    "content removal",
    "contract by using",
    "choice of law",
    "jurisdiction",
    "arbitration",
)
_ROWS = {"train": 1500, "validation": 400, "test": 400}
_DOCUMENTS = {"train": 30, "validation": 8, "test": 8}
_FIRST_DOCUMENT = {"train": 0, "validation": 30, "test": 38}
_FOLDS = {"train": (0, 1, 2), "validation": (3,), "test": (4,)}  # place in a list, dealt by `_fold`
# What a row is made of and how often: u an unfair clause, f its fair counterpart, n neither.
_MIXTURE = {"u": 44, "uu": 10, "uf": 6, "f": 20, "ff": 4, "n": 14, "fn": 2}
_SEED = 20_260_101

T = TypeVar("T")


def read_starter(reference: str, part: str, *, columns: Mapping[str, Kind]) -> Table:
    """Return one part of a starter set with the columns a recipe asks for.

    Args:
        reference: `starter:clauses`, or `starter:sentences`, which is of one part.
        part: train, validation or test.
        columns: of `text`, and of clauses `labels` (list of type names, [] for fair) and
            `document`.

    Raises:
        DataNotFoundError: BN201, no starter set has that name.
        ColumnError: BN204, another column is asked for.
    """
    if reference not in STARTERS:
        raise DataNotFoundError(
            f"no starter set is called {reference!r}",
            where="recipe key `data.from`",
            fix=f"use {' or '.join(STARTERS)}",
        )
    frame = clauses(part) if reference == CLAUSES else sentences()
    require_columns(reference, columns, frame.columns)
    numbered = frame.select(*columns).with_row_index(ROW, offset=1)
    return Table(frame=numbered.with_columns(pl.col(ROW).cast(pl.Int64)), rows_in=frame.height)


@cache
def sentences() -> pl.DataFrame:
    """Return sentences of general English: `text`."""
    content = files("burnish.data").joinpath("starter_sentences.yaml").read_text("utf-8")
    return pl.DataFrame({"text": yaml.safe_load(content)})


@cache
def clauses(part: str) -> pl.DataFrame:
    """Return the rows of a part: `text`, `labels` (List(String)), `document`, in a fixed order."""
    rng = Random(f"{_SEED}-{part}")  # noqa: S311  not for secrets
    first = _FIRST_DOCUMENT[part]
    documents = [_document(number) for number in range(first, first + _DOCUMENTS[part])]
    matters = _matters(part)
    rows: dict[str, tuple[list[str], str]] = {}
    while len(rows) < _ROWS[part]:
        document = _one(rng, documents)
        text, labels = _row(rng, matters, document)
        rows.setdefault(text, (labels, document["name"]))
    made = [(text, labels, name) for text, (labels, name) in rows.items()]
    kinds = {"labels": pl.List(pl.String)}
    names = ["text", "labels", "document"]
    return pl.DataFrame(made, schema=names, schema_overrides=kinds, orient="row")


_LEADS = ("Please note that ", "For the avoidance of doubt, ", "As a rule, ", "It is agreed that ")
_LEAD_SHARE = 0.15
_FRAME_SHARE = 0.8  # of sentences made from a frame and words rather than from a whole template


def _document(number: int) -> dict[str, str]:
    """Return slot → word for one made-up contract: who speaks, and what the parties are called.

    The periods of the lists have no common factor of note.
    """
    lists = _read_yaml("starter_frames.yaml")["documents"]

    def nth(name: str, step: int = 1) -> str:
        return str(lists[name][number * step % len(lists[name])])

    name = nth("beginnings") + nth("endings", 3)
    provider, customer = nth("providers").replace("NAME", name), nth("customers")
    service = nth("services")
    return {
        "name": name,
        "provider": provider,
        "customer": customer,
        **_pronouns(provider, "we us our ours ourselves are_we"),
        **_pronouns(customer, "you you your yours yourselves are"),
        "service": service if provider == "we" else service.replace("our products", "the Store"),
        "law": nth("laws", 5),
        "court": nth("courts", 4),
    }


def _pronouns(party: str, plain: str) -> dict[str, str]:
    """Return slot → word for a party: pronouns as they are, or forms of its name."""
    names = plain.split()
    if party in {"we", "you"}:
        return {name: "are" if name.startswith("are") else name for name in names}
    forms = (party, party, f"{party}'s", f"{party}'s", "itself", "is")
    return dict(zip(names, forms, strict=True))


@dataclass(frozen=True, slots=True)
class _Matter:
    """What one part has for one matter: side (unfair or fair) → templates, and words for slots."""

    clauses: Mapping[str, Sequence[str]]
    frames: Mapping[str, Sequence[str]]
    words: Mapping[str, Sequence[str]]


@cache
def _matters(part: str) -> dict[str, _Matter]:
    """Return matter → the templates, frames and words of one part; no two parts share one."""
    clauses, frames = _read_yaml("starter_clauses.yaml"), _read_yaml("starter_frames.yaml")
    found = {}
    for number, (name, sides) in enumerate(clauses.items()):
        matter = frames["matters"].get(name, {})
        found[name] = _Matter(
            clauses=_dealt(sides, part, number),
            frames=_dealt({s: matter.get(s, []) for s in ("unfair", "fair")}, part, number),
            words=_dealt(matter.get("words", {}), part, number) | frames["shared"],
        )
    return found


@cache
def _read_yaml(name: str) -> dict[str, Any]:
    content = files("burnish.data").joinpath(name).read_text("utf-8")
    return cast("dict[str, Any]", yaml.safe_load(content))


def _dealt(lists: Mapping[str, list[str]], part: str, matter: int) -> dict[str, list[str]]:
    mine = _FOLDS[part]
    return {
        name: [entry for place, entry in enumerate(entries) if _fold(place, matter) in mine]
        for name, entries in lists.items()
    }


def _fold(place: int, matter: int) -> int:
    # Shifted from five to five and from matter to matter: neighbours in a list are alike in tone.
    return (place + 2 * (place // 5) + matter) % 5


def _row(
    rng: Random, matters: Mapping[str, _Matter], document: Mapping[str, str]
) -> tuple[str, list[str]]:
    recipe = _one(rng, [kind for kind, weight in _MIXTURE.items() for _ in range(weight)])
    names = sorted(TYPES, key=lambda _: rng.random())
    sentences, labels = [], set()
    for letter, name in zip(recipe, names, strict=False):
        matter = matters["neutral" if letter == "n" else name]
        sentences.append(_sentence(rng, matter, "unfair" if letter == "u" else "fair", document))
        if letter == "u":
            labels.add(name)
    sentences.sort(key=lambda _: rng.random())
    return " ".join(sentences), [name for name in TYPES if name in labels]


def _sentence(rng: Random, matter: _Matter, side: str, document: Mapping[str, str]) -> str:
    framed = bool(matter.frames[side]) and rng.random() < _FRAME_SHARE
    template = _one(rng, (matter.frames if framed else matter.clauses)[side])
    template = re.sub(r"<(\w+)>", lambda m: _one(rng, matter.words[m[1]]), template)
    chosen = re.sub(r"\[([^]]*)]", lambda m: _one(rng, m[1].split("|")), template)
    words = {**document, "days": _one(rng, matter.words["days"])}
    text = re.sub(r"{([^}]*)}", lambda m: _filled(m[1], words), chosen)
    if rng.random() < _LEAD_SHARE:
        proper = (document["name"], document["law"], document["court"])
        return _one(rng, _LEADS) + (text if text.startswith(proper) else text[0].lower() + text[1:])
    return text[0].upper() + text[1:]


def _filled(slot: str, words: Mapping[str, str]) -> str:
    kind, _, verb = slot.partition(":")
    if not verb:
        return words[slot]
    plural = words["provider" if kind == "w" else "customer"] in {"we", "you"}
    return verb if plural else _third_person(verb)


def _third_person(verb: str) -> str:
    if verb == "have":
        return "has"
    if verb.endswith(("s", "sh", "ch", "x", "o")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def _one(rng: Random, options: Sequence[T]) -> T:
    # Not rng.choice: how it maps random bits to a place has changed between Python versions.
    return options[int(rng.random() * len(options))]
