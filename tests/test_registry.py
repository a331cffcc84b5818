"""A plug-in is found by name, loaded when asked for, and a wrong name gets the near one."""

import pytest

from burnish.errors import UnknownPluginError
from burnish.registry import Registry

SHAPES: Registry[type] = Registry("shape", {"fraction": "fractions:Fraction", "gone": "nowhere:x"})


def test_a_name_gives_the_object_of_the_table() -> None:
    from fractions import Fraction

    assert SHAPES.get("fraction") is Fraction


def test_nothing_is_imported_until_asked_for() -> None:
    assert SHAPES.names() == ["fraction", "gone"]
    with pytest.raises(ModuleNotFoundError):
        SHAPES.get("gone")


def test_a_wrong_name_is_answered_with_the_near_one() -> None:
    with pytest.raises(UnknownPluginError) as caught:
        SHAPES.get("fracton")

    assert "no shape is called 'fracton'" in str(caught.value)
    assert "use 'fraction'" in str(caught.value)


def test_a_name_like_nothing_is_answered_with_the_list() -> None:
    with pytest.raises(UnknownPluginError, match="no shape") as caught:
        SHAPES.get("zzz")

    assert "fraction, gone" in caught.value.fix
