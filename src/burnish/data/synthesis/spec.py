"""What is to be made up: word lists, templates with slots and labels, and how many rows of what.

Read from YAML as strictly as a recipe. A slot `{brand}` stands for a word of the list `brand`, the
same one wherever it comes again in the template; `{brand.2}` for one drawn by itself; `{a
brand}` puts "a" or "an" before it.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from burnish.errors import RecipeError
from burnish.recipe.document import Document, read_document
from burnish.recipe.section import Name, Section, Seed, Share

OWN_COLUMNS = ("text", "label", "template")
SLOT = re.compile(r"\{(?P<article>an? )?(?P<words>[A-Za-z_][A-Za-z0-9_]*)(?P<draw>\.[0-9]+)?\}")
_BRACE = re.compile(r"[{}]")
_Word = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_Words = Annotated[tuple[_Word, ...], Field(min_length=1)]


class Words(Section):
    """One list of words."""

    values: _Words = Field(description="Words or phrases, each once.")
    shared: bool = Field(
        False, description="Whether held-out rows use them too; else some are held out."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if twice := sorted({one for one in self.values if self.values.count(one) > 1}):
            raise ValueError(f"listed twice: {', '.join(twice[:5])}; list each once")
        return self


class Template(Section):
    """A sentence with slots, and what is true of it."""

    text: str = Field(min_length=1, description="Text with slots such as {brand}.")
    label: str = Field(min_length=1, description="Label of its rows.")
    frame: str | None = Field(
        None, description="Templates that name the same frame are held out together; null: alone."
    )
    weight: float = Field(
        1.0, gt=0, le=1e6, description="How often it is used, beside the weights of the others."
    )

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of what is drawn for it, such as `brand` and `brand.2`, in order."""
        found = (match["words"] + (match["draw"] or "") for match in SLOT.finditer(self.text))
        return tuple(dict.fromkeys(found))

    @model_validator(mode="after")
    def _braces_are_slots(self) -> Self:
        if _BRACE.search(SLOT.sub("", self.text)):
            raise ValueError(
                f"a brace is no slot in {self.text[:60]!r}; "
                "write {name}, {name.2} or {a name}"
            )
        return self


class HeldOut(Section):
    """Words and templates that no training row uses, for a test that asks for more than memory."""

    words: Share = Field(0.2, description="Share of each list, in [0, 1); shared lists have none.")
    templates: Share = Field(0.2, description="Share of each label's templates, in [0, 1).")
    rows: int = Field(1_000, ge=1, le=10_000_000, description="Rows made of them, a count.")

    @model_validator(mode="after")
    def _something_is_held_out(self) -> Self:
        if not self.words and not self.templates:
            raise ValueError("words and templates are both 0; leave `held_out` out")
        return self


class Spec(Section):
    """Everything about one made-up data set."""

    version: Literal[1] = Field(1, description="Version of the format.")
    name: Name = Field("made_up", description="Name of the data set.")
    rows: int = Field(25_000, ge=1, le=10_000_000, description="Training rows, a count.")
    seed: Seed = Field(0, description="Seed of everything drawn.")
    nulls: Share = Field(
        0.0, description="Share of rows, in [0, 1), whose text is missing: exactly so many."
    )
    unique: bool = Field(True, description="Whether no text comes twice.")
    held_out: HeldOut | None = Field(
        None, description="Words and templates for test rows alone; null: no test rows."
    )
    words: dict[Name, Words] = Field(min_length=1, description="Lists of words by name.")
    templates: Annotated[tuple[Template, ...], Field(min_length=1)] = Field(
        description="Sentences with slots."
    )
    sentences: tuple[str, ...] = Field(
        (), description="Sentences to look at before and after; kept beside the rows."
    )

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        if taken := sorted(set(self.words) & {*OWN_COLUMNS}):
            what = f"a list cannot be called {taken[0]}, as a column of every row is"
            raise _fault(what, "words", taken[0])
        return self

    @model_validator(mode="after")
    def _slots_have_words(self) -> Self:
        for number, template in enumerate(self.templates):
            for slot in template.slots:
                name = slot.partition(".")[0]
                if name not in self.words:
                    near = get_close_matches(name, self.words, n=1)
                    known = ", ".join(self.words)
                    hint = f"did you mean {{{near[0]}}}?" if near else f"there are: {known}"
                    what = f"it has a slot {{{slot}}} of no list; {hint}"
                    raise _fault(what, "templates", number, "text")
        return self


def _fault(what: str, *at: str | int) -> PydanticCustomError:
    """Return the error of a rule between keys, at one of them."""
    # Braces in the words would be taken for places to fill.
    return PydanticCustomError("rule", "{what}", {"what": what, "at": at})


def read_spec(path: Path, **changes: Any) -> Spec:
    """Return the specification in a YAML file, some keys replaced.

    Raises:
        RecipeError: BN101, with all faults at once, each with its line.
    """
    document = read_document(path)
    values = {key: _bare(key, value) for key, value in document.values.items()}
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        return Spec.model_validate(_tuples(values | given))
    except ValidationError as err:
        raise _spec_error(err, document) from err


def _bare(key: str, value: Any) -> Any:
    """Return word lists as sections where they are written as bare lists."""
    if key != "words" or not isinstance(value, Mapping):
        return value
    return {
        name: {"values": words} if isinstance(words, list) else words
        for name, words in value.items()
    }


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _spec_error(err: ValidationError, document: Document) -> RecipeError:
    lines = []
    for fault in err.errors():
        # Bare lists have no `values` of their own.
        own = fault.get("ctx", {}).get("at", ())
        location = tuple(one for one in (*fault["loc"], *own) if one not in ("values", "[key]"))
        line = document.line_of(location)
        key = ".".join(map(str, location)) or "(specification)"
        place = f" (line {line})" if line else ""
        lines.append(f"{key}: {_told(fault, location)}{place}")
    listed = "\n    ".join(dict.fromkeys(lines))
    return RecipeError(
        f"{len(set(lines))} fault(s)\n    {listed}",
        where=document.source,
        fix="edit those keys; docs/guides/synthesis.md shows a whole specification",
    )


def _told(fault: Any, location: Sequence[str | int]) -> str:
    if fault["type"] == "extra_forbidden":
        known = _KEYS.get(str(location[0]) if len(location) > 1 else "", ())
        near = get_close_matches(str(location[-1]), known, n=1)
        return (
            f"unknown key; did you mean `{near[0]}`?"
            if near
            else (f"unknown key; known: {', '.join(known)}")
        )
    message = str(fault["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


_KEYS = {
    "": tuple(Spec.model_fields),
    "words": tuple(Words.model_fields),
    "templates": tuple(Template.model_fields),
    "held_out": tuple(HeldOut.model_fields),
}
