"""What the `task` sections of all kinds have in common."""

from typing import ClassVar

from burnish.recipe.section import Section
from burnish.records import Asked


class AnyTask(Section):
    """What all tasks tell of themselves."""

    asked: ClassVar[Asked]
    default_rivals: ClassVar[tuple[str, ...]]

    @property
    def tunes_thresholds(self) -> bool:
        """Whether thresholds are chosen on rows held out for it."""
        return False
