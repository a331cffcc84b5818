"""A name to a plug-in: built-ins from an explicit table, others from entry points.

Nothing is imported until asked for, and nothing registers itself by being imported, so a
command that needs one reader does not pay for all of them. A wrong name gets the near one.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from burnish.errors import UnknownPluginError

T = TypeVar("T")


class Registry(Generic[T]):
    """One family of plug-ins; `family` is also the entry-point group `burnish.<family>s`."""

    def __init__(
        self, family: str, builtins: Mapping[str, str], *, where: str | None = None
    ) -> None:
        self.family = family
        self._named_in = where or f"recipe key `{family}.kind`"
        found = {ep.name: ep.value for ep in entry_points(group=f"burnish.{family}s")}
        self._where = found | dict(builtins)  # a plug-in cannot shadow a built-in

    def names(self) -> list[str]:
        """Return every known name, sorted."""
        return sorted(self._where)

    def get(self, name: str) -> T:
        """Return the object registered under `name`, importing its module on first use.

        Raises:
            UnknownPluginError: BN102, with the name that was probably meant.
        """
        module, _, attribute = self.place(name).partition(":")
        return cast(T, getattr(import_module(module), attribute))

    def place(self, name: str) -> str:
        """Return where the object of that name is, as `module:attribute`; nothing is imported.

        Raises:
            UnknownPluginError: BN102, with the name that was probably meant.
        """
        if name not in self._where:
            near = get_close_matches(name, self._where, n=1)
            raise UnknownPluginError(
                f"no {self.family} is called {name!r}",
                where=self._named_in,
                fix=f"use {near[0]!r}" if near else f"use one of {', '.join(self.names())}",
            )
        return self._where[name]
