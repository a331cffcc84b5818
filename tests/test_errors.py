"""Each deliberate error says code, what, where and fix, and has a place in the reference."""

import inspect
import pickle
from pathlib import Path

import pytest

from burnish import errors
from burnish.errors import BurnishError, LabelError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BurnishError) and kind is not BurnishError
]
REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"


def test_an_error_tells_code_what_where_and_fix() -> None:
    err = LabelError("3 rows have no label", where="test.jsonl row 4", fix="label them")

    assert str(err) == (
        "[BN206] 3 rows have no label\n  where: test.jsonl row 4\n  fix:   label them"
    )


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in KINDS]

    assert len(set(codes)) == len(codes) > 10


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_has_an_exit_status_and_a_line_in_the_reference(
    kind: type[BurnishError],
) -> None:
    assert kind.exit_code in (1, 2, 3)
    assert f"| {kind.code} | {kind.exit_code} |" in REFERENCE.read_text("utf-8")


def test_an_error_survives_a_trip_between_processes() -> None:
    err = LabelError("a", where="b", fix="c")

    again = pickle.loads(pickle.dumps(err))

    assert (type(again), str(again)) == (LabelError, str(err))
