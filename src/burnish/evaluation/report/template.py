"""Fill a template of this package: escaped, self-contained, and without what HTML cannot hold."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from burnish.evaluation.report import words

# Control characters cannot stand in HTML and lone surrogates cannot be encoded; a text may
# hold both. They become visible stand-ins.
_STAND_INS = (
    {c: 0x2400 + c for c in range(0x20) if chr(c) not in "\t\n\r"}
    | {0x7F: 0x2421}
    | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
    | dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
)


def filled(template: str, **values: Any) -> str:
    """Return a page of `templates/` with the values filled in."""
    return _environment().get_template(template).render(**values).translate(_STAND_INS)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("burnish.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words.FILTERS)
    return environment
