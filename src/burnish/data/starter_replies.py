"""Sample rows for tasks that write: questions to a shop and its replies, made from templates.

Given to `burnish init`. The same bytes come out on every machine.
"""

from functools import cache
from importlib.resources import files
from itertools import product
from random import Random
from typing import Any

import polars as pl
import yaml

_ROWS = {"train": 240, "validation": 60, "test": 60}
_QUESTIONS = {"train": slice(0, 3), "validation": slice(3, 4), "test": slice(4, 5)}
_SEED = 20_261_121


def replies(part: str) -> pl.DataFrame:
    """Return the rows of train, validation or test: question, reply, customer."""
    rng = Random(f"{_SEED} {part}")  # noqa: S311 - nothing secret
    made = dict(_all(part))
    chosen = rng.sample(sorted(made.items()), min(_ROWS[part], len(made)))
    return pl.DataFrame(
        {
            "question": [question for question, _ in chosen],
            "reply": [reply for _, reply in chosen],
            "customer": [f"{part}-{at // 2}" for at in range(len(chosen))],
        }
    )


def _all(part: str) -> list[tuple[str, str]]:
    """Return every question of a part with a reply; slots the question has not are drawn."""
    rng = Random(f"{_SEED} {part} slots")  # noqa: S311
    spec = _spec()
    names, values = list(spec["slots"]), list(spec["slots"].values())
    pairs = []
    for intent in spec["intents"]:
        for question in intent["ask"][_QUESTIONS[part]]:
            asked = [name for name in names if f"{{{name}}}" in question]
            for given in product(*(spec["slots"][name] for name in asked)):
                drawn = dict(zip(names, map(rng.choice, values), strict=True))
                slots = drawn | dict(zip(asked, given, strict=True))
                pairs.append((question.format(**slots), intent["reply"].format(**slots)))
    return pairs


@cache
def _spec() -> dict[str, Any]:
    text = files("burnish.data").joinpath("starter_replies.yaml").read_text("utf-8")
    spec: dict[str, Any] = yaml.safe_load(text)
    return spec
