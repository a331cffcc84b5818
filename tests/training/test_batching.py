import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.tasks.batch import padded_length
from burnish.training.batching import epoch_rows, majority_rows, micro_batches, rotating_part

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=60)


@given(LENGTHS, st.integers(64, 200), st.booleans())
def test_every_row_of_a_step_comes_once_and_no_pass_is_over_budget(
    lengths: list[int], budget: int, packed: bool
) -> None:
    sizes = np.array(lengths)

    cut = micro_batches(sizes, range(len(sizes)), budget=budget, packed=packed)

    assert sorted(row for part in cut for row in part) == list(range(len(sizes)))
    for part in cut:
        rounded = [length if packed else -(-length // 8) * 8 for length in sizes[part]]
        used = sum(rounded) if packed else max(rounded) * len(part)
        assert used <= budget


def test_longest_rows_come_first_so_memory_trouble_shows_at_once() -> None:
    assert micro_batches(np.array([3, 9, 5]), [0, 1, 2], budget=9, packed=True)[0] == [1]


def test_a_row_over_the_budget_goes_alone() -> None:
    cut = micro_batches(np.array([90, 4, 4]), [0, 1, 2], budget=64, packed=True)

    assert cut == [[0], [1, 2]]


def test_passes_of_a_step_are_of_about_equal_cost() -> None:
    cut = micro_batches(np.full(33, 10), range(33), budget=320, packed=True)

    assert [len(part) for part in cut] == [17, 16]


@given(st.integers(1, 50), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_sees_every_row_once_in_an_order_of_seed_and_epoch(
    count: int, seed: int, epoch: int
) -> None:
    targets = np.eye(3, dtype=np.float32)[np.arange(count) % 3]

    rows = epoch_rows(targets, ratio=None, seed=seed, epoch=epoch)

    assert sorted(rows.tolist()) == list(range(count))
    assert rows.tolist() == epoch_rows(targets, ratio=None, seed=seed, epoch=epoch).tolist()


def test_epochs_differ_in_order() -> None:
    targets = np.eye(2, dtype=np.float32)[np.arange(40) % 2]
    first, second = (epoch_rows(targets, ratio=None, seed=0, epoch=at).tolist() for at in (0, 1))

    assert first != second


@given(st.integers(1, 10), st.integers(11, 80), st.floats(0.1, 3), st.integers(0, 9))
def test_every_minority_row_comes_with_a_fixed_number_of_others(
    few: int, many: int, ratio: float, epoch: int
) -> None:
    targets = np.zeros((few + many, 2), np.float32)
    targets[:few, 1] = 1
    wanted = round(ratio * few)

    rows = epoch_rows(targets, ratio=ratio, seed=3, epoch=epoch).tolist()

    assert len(set(rows)) == len(rows)
    assert set(range(few)) <= set(rows)
    assert len(rows) == few + (wanted if 0 < wanted < many else many)


@given(st.integers(1, 60), st.integers(1, 60))
def test_every_majority_row_is_seen_within_a_cycle(count: int, size: int) -> None:
    size = min(size, count)
    epochs = -(-count // size)

    seen = {row for at in range(epochs) for row in rotating_part(np.arange(count), size, 0, at)}

    assert seen == set(range(count))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([[0, 0], [0, 0], [1, 0], [1, 1]], [0, 1]),  # rows without a label
        ([[1, 0], [1, 0], [1, 1], [0, 1]], [0, 1]),  # rows with the frequent label alone
    ],
)
def test_the_most_frequent_class_is_found(targets: list[list[int]], expected: list[int]) -> None:
    assert majority_rows(np.array(targets, np.float32)).tolist() == expected


def test_rows_are_padded_to_few_lengths_none_of_them_much_longer() -> None:
    lengths = range(1, 4097)
    padding = {length: padded_length(length) - length for length in lengths}
    assert all(0 <= more <= max(7, length / 8) for length, more in padding.items())
    assert len({padded_length(length) for length in range(1, 513)}) == 32
