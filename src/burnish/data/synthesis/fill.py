"""Fill templates with words: exactly so many rows, none twice, the same for the same seed."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.data.synthesis.spec import SLOT, Spec, Template
from burnish.errors import EmptyDataError

_MOST = 2**62  # ways to fill a template that are told apart
_ROUNDS = 20  # draws after which texts that two templates share are given up

Lists = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """Rows with columns text, label, template (its number in the specification), and each slot."""

    train: pl.DataFrame
    test: pl.DataFrame | None  # of held-out words and templates alone


def make_up(spec: Spec) -> MadeUp:
    """Return the rows of a specification.

    Raises:
        EmptyDataError: BN205, the templates cannot make so many different texts, or a label has
            too few templates to hold one out.
    """
    drawn = random.Random(spec.seed)  # noqa: S311 - samples huge ranges, which NumPy's cannot
    every = dict(enumerate(spec.templates))
    words: Lists = {name: one.values for name, one in spec.words.items()}
    if spec.held_out is None:
        return MadeUp(train=_rows(spec, every, words, spec.rows, drawn, nulls=True), test=None)
    kept_words, held_words = _parted_words(spec, drawn)

    def shows(template: Template) -> bool:
        """Whether a template has a slot of a list of which some words are held out."""
        names = {slot.partition(".")[0] for slot in template.slots}
        return any(not {*kept_words[name]} & {*held_words[name]} for name in names)

    kept, held = _parted_templates(every, spec.held_out.templates, drawn, shows)
    return MadeUp(
        train=_rows(spec, kept, kept_words, spec.rows, drawn, nulls=True),
        test=_rows(spec, held, held_words, spec.held_out.rows, drawn, nulls=False),
    )


def _parted_templates(
    every: Mapping[int, Template],
    share: float,
    drawn: random.Random,
    shows: Callable[[Template], bool],
) -> tuple[dict[int, Template], dict[int, Template]]:
    """Return the templates to learn from and those held out, of each label some.

    Those of one frame are on one side: else the words of a held-out template would be known from
    its opposite.
    """
    held: set[int] = set()
    for label in dict.fromkeys(one.label for one in every.values()):
        mine = [number for number, one in every.items() if one.label == label]
        free = [number for number in mine if number not in held]
        for number in drawn.sample(free, len(free)):
            if len(held.intersection(mine)) < math.ceil(share * len(mine)):
                held |= _of_frame(every, number)
    for label in dict.fromkeys(one.label for one in every.values()):
        mine = [number for number, one in every.items() if one.label == label]
        if held.issuperset(mine):
            raise EmptyDataError(
                f"label {label!r} has {len(mine)} template(s), and all would be held out",
                where="key `held_out.templates` of the specification",
                fix="write more templates for it, in other frames, or set the share to 0",
            )
    if not held:  # share 0: the test has new words alone, so only templates that show them
        return dict(every), {n: one for n, one in every.items() if shows(one)}
    return (
        {number: one for number, one in every.items() if number not in held},
        {number: one for number, one in every.items() if number in held},
    )


def _of_frame(every: Mapping[int, Template], number: int) -> set[int]:
    """Return a template with all others of its frame."""
    frame = every[number].frame
    return {number} | {n for n, one in every.items() if frame and one.frame == frame}


def _parted_words(spec: Spec, drawn: random.Random) -> tuple[Lists, Lists]:
    """Return the words to learn from and those held out; a shared list is in both whole."""
    kept: dict[str, Sequence[str]] = {}
    held: dict[str, Sequence[str]] = {}
    share = spec.held_out.words if spec.held_out else 0.0
    for name, words in spec.words.items():
        count = (
            0 if words.shared else min(math.ceil(share * len(words.values)), len(words.values) - 1)
        )
        mine = set(drawn.sample(words.values, count))
        kept[name] = [one for one in words.values if one not in mine]
        held[name] = [one for one in words.values if one in mine] or words.values
    return kept, held


def _rows(
    spec: Spec,
    templates: Mapping[int, Template],
    words: Lists,
    count: int,
    drawn: random.Random,
    *,
    nulls: bool,
) -> pl.DataFrame:
    made = _filled(templates, words, count, drawn, unique=spec.unique)
    order = np.random.default_rng(drawn.getrandbits(64)).permutation(made.height)
    made = made[order]
    if nulls and (gone := round(spec.nulls * count)):
        rows = pl.int_range(count, eager=True)
        missing = rows.is_in(drawn.sample(range(count), gone))
        made = made.with_columns(text=pl.when(~missing).then(pl.col("text")))
    return made


def _filled(
    templates: Mapping[int, Template],
    words: Lists,
    count: int,
    drawn: random.Random,
    *,
    unique: bool,
) -> pl.DataFrame:
    """Return `count` rows, of each template as many as its weight and its words allow."""
    ways = {
        number: min(_MOST, math.prod(len(_of(words, slot)) for slot in one.slots))
        for number, one in templates.items()
    }
    shares = _shares(templates, ways, count, unique=unique)
    if not unique:
        codes = {n: [drawn.randrange(ways[n]) for _ in range(of)] for n, of in shares.items()}
        return _built(templates, words, codes)
    used: dict[int, set[int]] = {number: set() for number in templates}
    made = None
    for _ in range(_ROUNDS):
        fresh = {n: _fresh(drawn, ways[n], used[n], of) for n, of in shares.items() if of}
        built = _built(templates, words, fresh)
        made = built if made is None else pl.concat([made, built], how="diagonal")
        made = made.unique("text", keep="first", maintain_order=True)
        if made.height >= count:
            return made.head(count)
        # Two templates made the same text: others take the place of the second.
        left = {n: ways[n] - len(used[n]) for n in templates}
        if (possible := made.height + sum(left.values())) < count:
            raise _too_few(possible, count)
        shares = _shares(templates, left, count - made.height, unique=True)
    raise _too_few(made.height if made is not None else 0, count)


def _fresh(drawn: random.Random, ways: int, used: set[int], count: int) -> list[int]:
    """Return ways to fill a template that were not used yet, and count them as used."""
    found: list[int] = []
    while len(found) < count:
        # In as many draws as there are ways, all of them come.
        room = min(ways, len(used) + count - len(found))
        for code in drawn.sample(range(ways), room):
            if code not in used and len(found) < count:
                used.add(code)
                found.append(code)
    return found


def _shares(
    templates: Mapping[int, Template], ways: Mapping[int, int], count: int, *, unique: bool
) -> dict[int, int]:
    """Return template → rows, by weight; what a template cannot make goes to the others."""
    shares = dict.fromkeys(templates, 0)
    open_ones = dict(templates)
    left = count
    while left and open_ones:
        whole = sum(one.weight for one in open_ones.values())
        parts = {number: left * one.weight / whole for number, one in open_ones.items()}
        given = {number: int(part) for number, part in parts.items()}
        by_rest = sorted(parts, key=lambda number: (given[number] - parts[number], number))
        for number in by_rest[: left - sum(given.values())]:
            given[number] += 1
        for number, wanted in given.items():
            room = ways[number] - shares[number] if unique else wanted
            shares[number] += min(wanted, room)
        left = count - sum(shares.values())
        open_ones = {n: one for n, one in open_ones.items() if not unique or shares[n] < ways[n]}
    if left:
        raise _too_few(count - left, count)
    return shares


def _too_few(possible: int, wanted: int) -> EmptyDataError:
    return EmptyDataError(
        f"the templates and words make {possible:,} different texts, and {wanted:,} are wanted",
        where="keys `templates` and `words` of the specification",
        fix="add words or templates, ask for fewer rows, or set `unique: false`",
    )


def _of(words: Lists, slot: str) -> Sequence[str]:
    return words[slot.partition(".")[0]]


def _built(
    templates: Mapping[int, Template], words: Lists, codes: Mapping[int, Sequence[int]]
) -> pl.DataFrame:
    """Return the rows of the given ways to fill each template."""
    parts = [
        _of_template(number, templates[number], words, found) for number, found in codes.items()
    ]
    return pl.concat(parts, how="diagonal")


def _of_template(
    number: int, template: Template, words: Lists, codes: Sequence[int]
) -> pl.DataFrame:
    """Return rows of one template; a code is a number whose digits are the places of its words."""
    rest: NDArray[np.int64] = np.array(codes, dtype=np.int64)
    columns: list[pl.Expr | pl.Series] = [
        pl.lit(template.label).alias("label"),
        pl.lit(number, pl.Int64).alias("template"),
    ]
    for slot in template.slots:
        values = _of(words, slot)
        columns.append(pl.Series(slot, values, dtype=pl.String).gather(rest % len(values)))
        rest = rest // len(values)
    rows = pl.DataFrame({"code": codes}).with_columns(columns)
    return rows.select(_text(template), pl.exclude("code"))


def _text(template: Template) -> pl.Expr:
    """Return the texts of a template over a frame with a column of words for each slot."""
    pieces: list[pl.Expr] = []
    at = 0
    for match in SLOT.finditer(template.text):
        pieces.append(pl.lit(template.text[at : match.start()]))
        word = pl.col(match["words"] + (match["draw"] or ""))
        if match["article"]:
            vowel = word.str.to_lowercase().str.contains("^[aeiou]")
            pieces.append(pl.when(vowel).then(pl.lit("an ")).otherwise(pl.lit("a ")))
        pieces.append(word)
        at = match.end()
    text = pl.concat_str(*pieces, pl.lit(template.text[at:]))
    if SLOT.match(template.text):  # a sentence that begins with a word begins with a capital
        text = text.str.slice(0, 1).str.to_uppercase() + text.str.slice(1)
    return text.alias("text")
