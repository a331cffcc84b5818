"""Settings become flat names with dots."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from burnish.tracking.params import flat_params, written

KEYS = st.text("abc", min_size=1, max_size=3)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
SETTINGS = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3))
)


def leaves(value: Any) -> int:
    return sum(map(leaves, value.values())) if isinstance(value, dict) and value else 1


def test_nested_keys_are_joined_by_dots_as_the_recipe_writes_them() -> None:
    settings = {
        "training": {"learning_rate": 3e-5, "early": {}},
        "labels": ["a", "é"],
        "name": None,
    }

    assert flat_params(settings) == {
        "training.learning_rate": 3e-5,
        "training.early": "{}",
        "labels": '["a", "é"]',
        "name": None,
    }


@given(SETTINGS)
def test_no_setting_is_lost_by_flattening(settings: dict[str, Any]) -> None:
    assert len(flat_params(settings)) == sum(map(leaves, settings.values()))


def test_values_are_written_as_in_a_recipe() -> None:
    assert [written(value) for value in (None, True, 0.1, 3, "x y")] == [
        "null",
        "true",
        "0.1",
        "3",
        "x y",
    ]
