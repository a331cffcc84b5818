"""How a file of new rows is read: as a command was told, else as the model's run read its own.

Used by commands that give a file to a saved model: predict and evaluate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FileForm:
    """What the columns of a file are called, and its encoding; None: as the model's recipe says."""

    text_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None  # whose values answers carry; None: they carry file and row
    group_column: str | None = None  # whose equal values are alike; None: each row by itself
    encoding: str | None = None  # of a text file

    def section(self, path: Path, own: Mapping[str, Any], *, writes: bool) -> dict[str, Any]:
        """Return the section `data` of a recipe that reads just this file.

        Args:
            path: of the file.
            own: that section of the model's own recipe; empty where it has none.
            writes: whether the model writes, whose columns have other keys.
        """
        text, answer = ("input", "output") if writes else ("text", "label")
        return {
            "train": str(path),
            text: self.text_column or own.get(text, text),
            answer: self.label_column or own.get(answer, answer),
            "encoding": self.encoding or own.get("encoding", "utf-8"),
            "id": self.id_column,
            "group": self.group_column,
        }


AS_LEARNED = FileForm()  # the file is like those that the model learned from
