"""Conversations as inputs: a list of messages in a cell, in the two forms that are in use.

`[{"role": "user", "content": "…"}, …]` is the form of chat templates; `[{"from": "human",
"value": "…"}, …]` that of ShareGPT. Both become the first, as a column of lists of structs; the
transcript is the text by which rows are compared, searched and shown.

Called by `data.columns` for values, by `data.reading` for columns, and by `tasks.causal_lm`.
"""

from typing import Any

import polars as pl

Conversation = list[dict[str, str]]  # messages with role and content, the oldest first
TURNS = "turns"  # column of the canonical rows
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
_ROLES = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "human": "user",
    "gpt": "assistant",
}
_FORMS = (("role", "content"), ("from", "value"))


def messages(value: Any) -> Conversation:
    """Return a cell as messages; a plain text is what a user says.

    Raises:
        ValueError: it is neither a text nor a list of messages; says what is wrong.
    """
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list):
        raise ValueError("is neither a text nor a list of messages")
    return [_message(one) for one in value]


def _message(value: Any) -> dict[str, str]:
    keys = next((form for form in _FORMS if isinstance(value, dict) and {*form} <= {*value}), None)
    if keys is None:
        raise ValueError("has a message that is no object with `role` and `content`")
    role, content = (value[key] for key in keys)
    if not isinstance(role, str) or role not in _ROLES:
        raise ValueError(f"has a message of the role {role!r}, not of {', '.join(_ROLES)}")
    if not isinstance(content, str):
        raise ValueError(f"has a message of the role {role!r} whose content is not a text")
    return {"role": _ROLES[role], "content": content}


def is_messages(series: pl.Series) -> bool:
    """Whether a column holds conversations."""
    return isinstance(series.dtype, pl.List)


def as_messages(series: pl.Series) -> pl.Series:
    """Return a column of texts as conversations of one message; conversations as they are."""
    if is_messages(series):
        return series
    made = [None if text is None else messages(text) for text in series]
    return pl.Series(series.name, made, dtype=MESSAGES)


def transcripts(series: pl.Series) -> pl.Series:
    """Return each conversation as one text, a message a line behind its role.

    What a user says alone stands as it is, like an input that is a plain text.
    """
    line = pl.format(
        "{}: {}", pl.element().struct.field("role"), pl.element().struct.field("content")
    )
    first = pl.col("turns").list.first().struct
    alone = (pl.col("turns").list.len() == 1) & (first.field("role") == "user")
    joined = pl.col("turns").list.eval(line).list.join("\n")
    text = pl.when(alone).then(first.field("content")).otherwise(joined)
    return pl.DataFrame({"turns": series}).select(text.alias(series.name)).to_series()


def without_answer(series: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return each conversation up to its last message, and that message as List(String).

    Only where an assistant has the last word; else the conversation is whole and the answer null.
    """
    last = pl.col("turns").list.last()
    answered = (last.struct.field("role") == "assistant").fill_null(value=False)
    found = pl.DataFrame({"turns": series}).select(
        turns=pl.when(answered)
        .then(pl.col("turns").list.head(pl.col("turns").list.len().cast(pl.Int64) - 1))
        .otherwise("turns"),
        answer=pl.when(answered).then(pl.concat_list(last.struct.field("content"))),
    )
    return found["turns"].rename(series.name), found["answer"]
