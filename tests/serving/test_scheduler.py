"""Every request ends once, in one of five ways; batches keep order and budget."""

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import DeadlineError, OverCapacityError, RequestError
from burnish.serving.scheduler import Scheduler

BUDGET, QUEUE = 10, 6


class Toy:
    """Computes a batch when it is let; an item is (number, whether it fails)."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self._let = threading.Semaphore(0)
        self.open = False

    def compute(self, items: Sequence[tuple[int, bool]]) -> list[str]:
        self.batches.append([number for number, _ in items])
        if not self.open:
            self._let.acquire()
        if any(fails for _, fails in items):
            raise ValueError("cannot")
        return [f"answer {number}" for number, _ in items]

    def let(self) -> None:
        self._let.release()

    def let_all(self) -> None:
        self.open = True
        for _ in range(1000):
            self._let.release()


class Counted:
    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.batches: list[tuple[int, int, float]] = []

    def ended(self, outcome: str, requests: int) -> None:
        self.outcomes[outcome] += requests

    def computed(self, requests: int, tokens: int, seconds: float) -> None:
        self.batches.append((requests, tokens, seconds))


def scheduler(toy: Toy, counted: Counted | None = None, **changes: int) -> Scheduler[Any, str]:
    limits = {"batch_tokens": BUDGET, "max_queue": QUEUE} | changes
    return Scheduler(toy.compute, observer=counted, **limits)


async def settle() -> None:
    """Let the event loop and the worker do what they can."""
    for _ in range(6):
        await asyncio.sleep(0.0005)


def outcome_of(task: "asyncio.Task[list[str]]") -> str:
    if task.cancelled():
        return "cancelled"
    err = task.exception()
    kinds = {OverCapacityError: "refused", DeadlineError: "expired", ValueError: "failed"}
    return "answered" if err is None else kinds[type(err)]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 14), st.booleans()),
        st.tuples(st.just("soon"), st.integers(1, 6), st.booleans()),
        st.tuples(st.just("leave"), st.integers(0, 30), st.none()),
        st.tuples(st.just("compute"), st.none(), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(ACTIONS)
def test_every_request_ends_once_in_order_and_within_the_budget(actions: list[Any]) -> None:
    asyncio.run(_run(actions, workers=1))


@settings(max_examples=60)
@given(ACTIONS)
def test_every_request_ends_once_with_several_workers(actions: list[Any]) -> None:
    asyncio.run(_run(actions, workers=3))


async def _run(actions: list[Any], *, workers: int) -> None:
    toy, counted = Toy(), Counted()
    under_test = scheduler(toy, counted, workers=workers)
    tasks: list[asyncio.Task[list[str]]] = []
    costs: list[int] = []
    left_in_time: set[int] = set()
    for what, number, fails in actions:
        if what in ("submit", "soon"):
            until = asyncio.get_running_loop().time() + 0.001 if what == "soon" else None
            item = (len(tasks), fails and what == "submit")
            tasks.append(asyncio.create_task(under_test.answer([item], [number], until=until)))
            costs.append(number)
        elif what == "leave" and number < len(tasks):
            if not any(number in batch for batch in toy.batches) and not tasks[number].done():
                left_in_time.add(number)
            tasks[number].cancel()
        elif what == "compute":
            toy.let()
        await settle()
        assert under_test.queued <= QUEUE
    toy.let_all()
    await asyncio.gather(*tasks, return_exceptions=True)
    await under_test.close()

    assert Counter(map(outcome_of, tasks)) == +counted.outcomes
    assert sum(counted.outcomes.values()) == len(tasks)
    for batch in toy.batches:
        assert batch == sorted(batch)
        assert sum(costs[at] for at in batch) <= BUDGET or len(batch) == 1
    first_seen = list(dict.fromkeys(at for batch in toy.batches for at in batch))
    assert workers > 1 or first_seen == sorted(first_seen)
    assert not left_in_time & set(first_seen)
    for at, task in enumerate(tasks):
        if outcome_of(task) == "answered":
            assert task.result() == [f"answer {at}"]


def test_a_lone_request_runs_at_once_and_those_that_come_meanwhile_gather() -> None:
    async def go() -> None:
        toy = Toy()
        under_test = scheduler(toy)
        first = asyncio.create_task(under_test.answer([(0, False)], [3]))
        await settle()
        assert toy.batches == [[0]]
        others = [asyncio.create_task(under_test.answer([(n, False)], [3])) for n in (1, 2, 3, 4)]
        await settle()
        assert (toy.batches, under_test.queued) == ([[0]], 4)
        toy.let_all()
        assert await first == ["answer 0"]
        assert await asyncio.gather(*others) == [[f"answer {n}"] for n in (1, 2, 3, 4)]
        assert toy.batches == [[0], [1, 2, 3], [4]]
        await under_test.close()

    asyncio.run(go())


def test_those_who_were_answered_together_and_ask_again_are_computed_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("burnish.serving.scheduler._GATHERING", 1.0)  # for busy machines

    async def go() -> None:
        toy = Toy()
        under_test = scheduler(toy)

        def ask(number: int) -> "asyncio.Task[list[str]]":
            return asyncio.create_task(under_test.answer([(number, False)], [3]))

        alone = ask(0)
        await settle()
        together = [ask(1), ask(2)]
        toy.let()
        await alone
        await asyncio.sleep(0.3)  # the batch of two takes so long; as long is waited after it
        toy.let_all()
        await asyncio.gather(*together)
        again = [ask(3)]
        await asyncio.sleep(0.002)
        again.append(ask(4))
        await asyncio.gather(*again)
        assert toy.batches == [[0], [1, 2], [3, 4]]

        await asyncio.sleep(0.3)
        await ask(5)
        await ask(6)
        assert toy.batches[3:] == [[5], [6]]
        await under_test.close()

    asyncio.run(go())


def test_so_many_batches_are_computed_at_once_as_there_are_workers() -> None:
    async def go() -> None:
        toy = Toy()
        under_test = scheduler(toy, workers=2, batch_tokens=1, max_queue=9)
        tasks = [asyncio.create_task(under_test.answer([(n, False)], [1])) for n in range(3)]
        await settle()

        assert sorted(toy.batches) == [[0], [1]]
        assert under_test.queued == 1
        toy.let_all()
        assert await asyncio.gather(*tasks) == [[f"answer {n}"] for n in range(3)]
        await under_test.close()

    asyncio.run(go())


def test_workers_share_what_waits_though_one_batch_could_hold_it_all() -> None:
    async def go() -> None:
        toy = Toy()
        under_test = scheduler(toy, workers=2)
        asked = asyncio.create_task(under_test.answer([(n, False) for n in range(4)], [1] * 4))
        await settle()

        assert sorted(toy.batches) == [[0, 1], [2]]
        toy.let_all()
        assert await asked == [f"answer {n}" for n in range(4)]
        await under_test.close()

    asyncio.run(go())


def test_a_request_of_several_inputs_is_queued_whole_or_refused_whole() -> None:
    async def go() -> None:
        toy = Toy()
        under_test = scheduler(toy)
        blocking = asyncio.create_task(under_test.answer([(0, False)], [10]))
        await settle()
        waiting = asyncio.create_task(under_test.answer([(n, False) for n in (1, 2, 3)], [1] * 3))
        await settle()
        with pytest.raises(OverCapacityError) as full:
            await under_test.answer([(n, False) for n in (4, 5, 6, 7)], [1] * 4)
        with pytest.raises(RequestError, match="at once"):
            await under_test.answer([(n, False) for n in range(QUEUE + 1)], [1] * (QUEUE + 1))
        assert full.value.retry_after_s >= 1
        assert under_test.queued == 3
        toy.let_all()
        assert await waiting == ["answer 1", "answer 2", "answer 3"]
        await blocking
        await under_test.close()

    asyncio.run(go())


def test_the_wait_told_to_the_refused_follows_the_measured_speed() -> None:
    async def go() -> None:
        toy = Toy()
        under_test = scheduler(toy)
        first = asyncio.create_task(under_test.answer([(0, False)], [10]))
        await asyncio.sleep(0.1)  # so that 10 tokens take at least a tenth of a second
        toy.let()
        await first
        blocking = asyncio.create_task(under_test.answer([(1, False)], [10]))
        await settle()
        rest = [asyncio.create_task(under_test.answer([(n, False)], [100])) for n in range(2, 8)]
        await settle()
        with pytest.raises(OverCapacityError) as full:
            await under_test.answer([(9, False)], [1])
        assert 6 <= full.value.retry_after_s <= 60  # 610 tokens at some 100 a second
        toy.let_all()
        await asyncio.gather(blocking, *rest)
        await under_test.close()

    asyncio.run(go())


def test_one_that_fails_harms_none_of_its_batch() -> None:
    async def go() -> None:
        toy = Toy()
        under_test = scheduler(toy)
        blocking = asyncio.create_task(under_test.answer([(0, False)], [10]))
        await settle()
        good = asyncio.create_task(under_test.answer([(1, False)], [1]))
        bad = asyncio.create_task(under_test.answer([(2, True)], [1]))
        await settle()
        toy.let_all()
        await blocking
        assert await good == ["answer 1"]
        with pytest.raises(ValueError, match="cannot"):
            await bad
        await under_test.close()

    asyncio.run(go())


class Panic(BaseException):
    """What a library in Rust raises where it panics."""


@pytest.mark.parametrize("failure", [Panic, StopIteration])
def test_whatever_is_raised_reaches_its_caller_and_no_other(failure: type[BaseException]) -> None:
    def compute(items: Sequence[str]) -> list[str]:
        if "bad" in items:
            raise failure
        return list(items)

    async def go() -> None:
        under_test = Scheduler(compute, batch_tokens=10, max_queue=10)
        asked = [under_test.answer([one], [1]) for one in ("good", "bad", "better")]
        async with asyncio.timeout(5):
            found = await asyncio.gather(*asked, return_exceptions=True)
        assert found[::2] == [["good"], ["better"]]
        assert isinstance(found[1], RuntimeError)
        await under_test.close()

    asyncio.run(go())


def test_a_deadline_that_is_over_is_not_computed() -> None:
    async def go() -> None:
        toy = Toy()
        under_test = scheduler(toy)
        with pytest.raises(DeadlineError):
            await under_test.answer([(0, False)], [1], until=asyncio.get_running_loop().time())
        assert toy.batches == []
        await under_test.close()

    asyncio.run(go())
