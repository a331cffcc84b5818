"""Tell one recipe key's type, default, range and meaning."""

from burnish.errors import RecipeError
from burnish.recipe.fields import Key, all_keys, near_key, plain


def explain(key: str) -> str:
    """Return a few lines about a dotted key, or about every key of a section.

    Raises:
        RecipeError: BN101, no such key; names the nearest.
    """
    path = tuple(key.split("."))
    keys = {one: plain(one) for one in all_keys()}
    found = [_lines(one) for one, parts in keys.items() if parts == path or one.path == key]
    if not found:
        near = near_key(path)
        raise RecipeError(
            f"no recipe key is called `{key}`",
            where="burnish schema",
            fix=f"did you mean `{near}`?" if near else "`burnish schema` lists all keys",
        )
    below = [one for one, parts in keys.items() if parts[: len(path)] == path != parts]
    return "\n".join(found + [f"  {one.path:<32} {one.description}" for one in below])


def _lines(key: Key) -> str:
    parts = [key.path, f"  {key.description}", f"  type: {key.type}", f"  default: {key.default}"]
    return "\n".join([*parts, f"  range: {key.range}"] if key.range else parts)
