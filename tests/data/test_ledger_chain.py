"""The ledger refuses rows that vanish between stages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.data.ledger import check_balance, ledger_json, rows_left
from burnish.records import LedgerEntry

READ = LedgerEntry(stage="read", split="train", rows_in=10, kept=9, dropped={"blank-line": 1})
SPLIT = LedgerEntry(stage="split", split="train", rows_in=9, kept=7, moved={"test": 2})
TEST = LedgerEntry(stage="leaks", split="test", rows_in=2, kept=2)


def test_rows_moved_at_a_split_arrive_in_the_next_stage() -> None:
    document = ledger_json([READ, SPLIT, TEST])

    assert document["balances"] is True
    assert document["totals"]["rows_in"] == 10
    assert document["totals"]["kept"] == {"train": 7, "test": 2}
    assert document["totals"]["dropped"] == {"blank-line": 1}
    assert document["entries"][1]["moved"] == {"test": 2}


def test_a_row_lost_between_two_stages_is_told() -> None:
    short = LedgerEntry(stage="leaks", split="test", rows_in=1, kept=1)
    with pytest.raises(ValueError, match="leaks, split test: 1 rows in, but 2 were handed on"):
        check_balance([READ, SPLIT, short])


def test_an_entry_that_loses_a_row_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="10 rows in, 9 told of"):
        LedgerEntry(stage="read", split="train", rows_in=10, kept=9)


def test_an_empty_ledger_balances() -> None:
    assert ledger_json([])["totals"]["rows_in"] == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6))
def test_what_is_left_and_what_was_dropped_make_up_what_came_in(
    drops: list[tuple[int, int]],
) -> None:
    rows = sum(a for a, _ in drops) + 10
    entries, kept = [], rows
    for number, (dropped, _) in enumerate(drops):
        entry = LedgerEntry(
            stage=f"s{number}",
            split="train",
            rows_in=kept,
            kept=kept - dropped,
            dropped={"why": dropped},
        )
        entries.append(entry)
        kept -= dropped
    document = ledger_json(entries)
    assert rows_left(entries) == {"train": kept}
    assert document["totals"]["kept"]["train"] + document["totals"]["dropped"]["why"] == rows
