"""The queue before a model: bounded, in batches of so many tokens, with a deadline.

While the model computes one batch, on a thread of its own, the requests that come gather into the
next; a request that finds the model idle is computed at once. Only right after a batch of several
the next is begun a fiftieth of its time later: those who were answered together ask again
together, and the first of them would be computed alone. A model that takes one core for a batch has
several workers, each with a thread. Whoever leaves, or runs out of time, is taken out before being
computed. Whoever comes when the queue is full is told so at once, and when to come back, by the
speed measured so far.

Knows nothing of models or HTTP: it is tested with a toy that computes when it is told to.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from burnish.errors import DeadlineError, OverCapacityError, RequestError

T = TypeVar("T")
R = TypeVar("R")
Outcome = Literal["answered", "refused", "expired", "cancelled", "failed"]

_NEWEST = 0.3  # weight of the last batch in the measured speed
_LONGEST_WAIT_S = 60
_GATHERING = 0.02  # of the time that the last batch took


class Observer(Protocol):
    """Is told what happens, for metrics."""

    def ended(self, outcome: Outcome, requests: int) -> None:
        """So many requests ended so."""

    def computed(self, requests: int, tokens: int, seconds: float) -> None:
        """A batch was computed."""


class Unobserved:
    """An observer that does nothing."""

    def ended(self, outcome: Outcome, requests: int) -> None:
        """Do nothing."""

    def computed(self, requests: int, tokens: int, seconds: float) -> None:
        """Do nothing."""


@dataclass(slots=True, eq=False)
class _Job(Generic[T, R]):
    item: T
    cost: int  # tokens
    future: asyncio.Future[R]


class Scheduler(Generic[T, R]):
    """Hands requests to `compute` in batches; used from one event loop.

    Every request ends once, in one of five ways: answered, refused (the queue was full), expired
    (the deadline passed), cancelled (its caller left), failed (`compute` raised for it).
    """

    def __init__(
        self,
        compute: Callable[[Sequence[T]], Sequence[R]],
        *,
        batch_tokens: int,
        max_queue: int,
        workers: int = 1,
        observer: Observer | None = None,
    ) -> None:
        """Take what answers a batch; it is called from `workers` threads at a time."""
        self._compute, self._workers = compute, workers
        self._batch_tokens = batch_tokens
        self._max_queue = max_queue
        self._observer = observer or Unobserved()
        self._waiting: deque[_Job[T, R]] = deque()
        self._computing: set[_Job[T, R]] = set()
        self._tokens_per_s = 0.0  # of one worker, measured; 0: not yet
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="burnish-model")
        self._working: set[asyncio.Task[None]] = set()
        self._begin_at = 0.0  # time of the event loop before which no batch is begun

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    @property
    def room(self) -> int:
        """Requests that can be here at once: those that are computed now, and a full queue."""
        return len(self._computing) + self._max_queue

    def check_room(self, requests: int) -> None:
        """Refuse requests for which the queue has no room.

        Raises:
            RequestError: BN701, there are more of them than the queue ever holds.
            OverCapacityError: BN704, with the seconds after which it is worth asking again.
        """
        if requests > self._max_queue:
            self._observer.ended("refused", requests)
            raise RequestError(
                f"{requests} inputs are more than are taken at once, which is {self._max_queue}",
                where="the inputs of the request",
                fix="send them in several requests, or start the server with a larger --max-queue",
            )
        if len(self._waiting) + requests > self._max_queue:
            self._observer.ended("refused", requests)
            raise self._full()

    async def answer(
        self, items: Sequence[T], costs: Sequence[int], *, until: float | None = None
    ) -> list[R]:
        """Return an answer to each request, in order; all are queued, or none.

        Args:
            items: n requests.
            costs: n numbers of tokens.
            until: time of the event loop by which the answers are wanted; None: whenever.

        Raises:
            OverCapacityError: BN704, the queue has no room.
            DeadlineError: BN706, it took too long.
            Exception: what `compute` raised for one of them.
        """
        self.check_room(len(items))
        if until is not None and asyncio.get_running_loop().time() >= until:
            raise self.expired(len(items))
        jobs = self._queue(items, costs)
        outcome: Outcome = "failed"
        try:
            async with asyncio.timeout_at(until):
                found = await _all(jobs)
        except TimeoutError as err:
            outcome = "expired"
            raise _too_late() from err
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        else:
            outcome = "answered"
            return found
        finally:
            self._forget(jobs)
            self._observer.ended(outcome, len(jobs))

    def expired(self, requests: int) -> DeadlineError:
        """Count requests whose time was over before they were queued; return the error for them."""
        self._observer.ended("expired", requests)
        return _too_late()

    def _queue(self, items: Sequence[T], costs: Sequence[int]) -> list[_Job[T, R]]:
        loop = asyncio.get_running_loop()
        jobs: list[_Job[T, R]] = [
            _Job(item, cost, loop.create_future()) for item, cost in zip(items, costs, strict=True)
        ]
        self._waiting += jobs
        for _ in range(min(self._workers - len(self._working), len(jobs))):
            self._working.add(asyncio.create_task(self._work()))
        return jobs

    async def close(self) -> None:
        """Let the threads go once the batches that were queued are computed."""
        while self._working:
            await asyncio.wait(self._working)
        self._threads.shutdown(wait=False)

    def _forget(self, jobs: Sequence[_Job[T, R]]) -> None:
        """Take jobs whose caller is gone out of the queue."""
        for job in jobs:
            if job.future.done() and not job.future.cancelled():
                job.future.exception()  # was raised already, by the first of them that failed
            job.future.cancel()
        if any(job.future.cancelled() for job in jobs):
            self._waiting = deque(job for job in self._waiting if not job.future.done())

    async def _work(self) -> None:
        """Compute batch after batch until nothing waits."""
        try:
            while self._waiting:
                wait = self._begin_at - asyncio.get_running_loop().time()
                if wait > 0 and sum(job.cost for job in self._waiting) < self._batch_tokens:
                    await asyncio.sleep(wait)
                else:
                    batch = self._next_batch()
                    _settle(batch, await self._found(batch))
        finally:
            self._working -= {asyncio.current_task()}

    async def _found(self, batch: Sequence[_Job[T, R]]) -> list[R | Exception]:
        """Return what the model says to a batch, computed on one of the threads."""
        items, start = [job.item for job in batch], time.perf_counter()
        self._computing.update(batch)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, self._computed, items)
        finally:
            self._computing.difference_update(batch)
        seconds = time.perf_counter() - start
        self._measure(batch, seconds)
        if len(batch) > 1 and self._workers == 1:
            self._begin_at = loop.time() + _GATHERING * seconds
        return found

    def _next_batch(self) -> list[_Job[T, R]]:
        """Take the oldest requests that fit together; the first goes whatever it costs.

        Of few that wait each worker gets its share, so that none is idle while others have several.
        """
        most = math.ceil(len(self._waiting) / self._workers)
        batch = [self._waiting.popleft()]
        total = batch[0].cost
        while len(batch) < most and total + self._waiting[0].cost <= self._batch_tokens:
            batch.append(self._waiting.popleft())
            total += batch[-1].cost
        return batch

    def _computed(self, items: list[T]) -> list[R | Exception]:
        """Return results; where a batch fails, each request alone, so that one harms no other."""
        try:
            found = list(self._compute(items))
            if len(found) != len(items):
                raise RuntimeError(f"{len(found)} answers to {len(items)} requests")
        except BaseException as err:  # noqa: BLE001  (it is raised again, for whom it concerns)
            if len(items) == 1:
                return [_raisable(err)]
            return [result for item in items for result in self._computed([item])]
        return list(found)

    def _measure(self, batch: Sequence[_Job[T, R]], seconds: float) -> None:
        tokens = sum(job.cost for job in batch)
        self._observer.computed(len(batch), tokens, seconds)
        speed = tokens / max(seconds, 1e-6)
        before = self._tokens_per_s or speed
        self._tokens_per_s = before + _NEWEST * (speed - before)

    def _full(self) -> OverCapacityError:
        err = OverCapacityError(
            f"{len(self._waiting)} requests wait already, of {self._max_queue} at most",
            where="the queue of the model",
            fix="ask again after the seconds in Retry-After",
        )
        err.retry_after_s = self.seconds_of_work()
        return err

    def seconds_of_work(self) -> int:
        """Return in how many whole seconds what waits now will be computed."""
        tokens = sum(job.cost for job in (*self._computing, *self._waiting))
        speed = self._tokens_per_s * self._workers
        seconds = tokens / speed if speed else 1.0
        return min(_LONGEST_WAIT_S, max(1, math.ceil(seconds)))


async def _all(jobs: Sequence[_Job[Any, R]]) -> list[R]:
    if len(jobs) == 1:  # most requests: without a future around it
        return [await jobs[0].future]
    return await asyncio.gather(*(job.future for job in jobs))


def _settle(jobs: Sequence[_Job[T, R]], found: Sequence[R | Exception]) -> None:
    """Hand results to those who still wait for them."""
    for job, result in zip(jobs, found, strict=True):
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)


def _raisable(err: BaseException) -> Exception:
    """Return what a future takes: a panic of a library in Rust is no Exception."""
    if isinstance(err, Exception) and not isinstance(err, StopIteration):
        return err
    found = RuntimeError(f"{type(err).__name__}: {err}")
    found.__cause__ = err
    return found


def _too_late() -> DeadlineError:
    return DeadlineError(
        "the answer did not come within the time a request may take",
        where="the server",
        fix="ask for less at once, or start the server with a longer --deadline",
    )
