"""Tell one recipe key's type, default, range and meaning."""

from burnish.errors import RecipeError
from burnish.recipe.fields import Key, all_keys, near_key


def explain(key: str) -> str:
    """Return a few lines about a dotted key, or about every key of a section.

    Raises:
        RecipeError: BN101, no such key; names the nearest.
    """
    found = [one for one in all_keys() if _plain(one.path) == key]
    if not found:
        near = near_key(tuple(key.split(".")))
        raise RecipeError(
            f"no recipe key is called `{key}`",
            where="burnish schema",
            fix=f"did you mean `{near}`?" if near else "`burnish schema` lists all keys",
        )
    below = [one for one in all_keys() if _plain(one.path).startswith(f"{key}.")]
    return "\n".join([_lines(one) for one in found] + [_line(one) for one in below])


def _plain(path: str) -> str:
    """Return the path as it is written in a file: without (kind) and []."""
    return ".".join(part.split("(")[0].removesuffix("[]") for part in path.split("."))


def _lines(key: Key) -> str:
    parts = [key.path, f"  {key.description}", f"  type: {key.type}", f"  default: {key.default}"]
    return "\n".join([*parts, f"  range: {key.range}"] if key.range else parts)


def _line(key: Key) -> str:
    return f"  {key.path:<32} {key.description}"
