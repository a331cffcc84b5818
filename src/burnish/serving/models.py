"""The models of a server, by name: each an engine with the queue before it.

A model is replaced while it is asked: the new one is loaded and warmed, then the name points to
it, and the old one is let go when the last request that came to it is answered. So no request
fails by a swap, and every answer is of one version.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from burnish.errors import BurnishError, OverCapacityError, UnknownModelError
from burnish.serving.engine import Engine, Facts, Read
from burnish.serving.memory import settle
from burnish.serving.scheduler import Observer, Scheduler

ObserverOf = Callable[[str], Observer]  # by the name of a model

_SHORT_CHARACTERS = 16_384  # so much is made tokens on the server's own thread


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a reference stands for now."""

    version: str
    load: Callable[[], Engine]


Finder = Callable[[], Candidate]  # looks up one reference


class Served:
    """One version of a model, and its queue."""

    def __init__(
        self, engine: Engine, *, batch_tokens: int | None, max_queue: int, observer: Observer | None
    ) -> None:
        self.engine = engine
        self.loaded_at = time.time()
        self.batch_tokens = batch_tokens or engine.batch_tokens
        self.scheduler: Scheduler[Read, Any] = Scheduler(
            engine.answer,
            workers=engine.workers,
            batch_tokens=self.batch_tokens,
            max_queue=max_queue,
            observer=observer,
        )
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="burnish-reader")
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def facts(self) -> Facts:
        """What is told of the model."""
        return self.engine.facts

    def check_room(self, requests: int) -> None:
        """Refuse requests for which there is no room, as `Scheduler.check_room` does.

        Whoever makes many of one body asks first: to make a quarter of a million takes long.
        """
        self.scheduler.check_room(requests)

    async def answer(self, asked: Sequence[Any], *, until: float | None = None) -> list[Any]:
        """Return the model's answer to each request, in order.

        Args:
            asked: what the engine can be asked.
            until: time of the event loop by which the answers are wanted.

        Raises:
            BurnishError: a request cannot be answered, there is no room, or no time.
        """
        self.check_room(len(asked))
        reads = await self._read(asked, until)
        costs = [read.cost for read in reads]
        return await self.scheduler.answer(reads, costs, until=until)

    async def _read(self, asked: Sequence[Any], until: float | None) -> list[Read]:
        """Return requests as tokens; long ones are read aside, so that others need not wait.

        Those wait for each other, and one whose time is over leaves their queue.
        """
        if sum(len(one.text) for one in asked) <= _SHORT_CHARACTERS:
            return self.engine.read(asked)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until):
                return await loop.run_in_executor(self._reader, self.engine.read, asked)
        except TimeoutError as err:
            raise self.scheduler.expired(len(asked)) from err

    def take(self) -> None:
        """Count a user; the model is not let go while there is one."""
        self._users += 1
        self._unused.clear()

    def give_back(self) -> None:
        """Count a user less."""
        self._users -= 1
        if not self._users:
            self._unused.set()

    async def close(self) -> None:
        """Let the model go when nobody uses it any more."""
        await self._unused.wait()
        await self.scheduler.close()
        self._reader.shutdown(wait=False)
        await asyncio.to_thread(self.engine.close)


class Models:
    """Models by name; the first is meant where a request names none."""

    def __init__(
        self,
        finders: Mapping[str, Finder],
        *,
        max_queue: int,
        batch_tokens: int | None = None,
        observer_of: ObserverOf | None = None,
    ) -> None:
        self._finders = dict(finders)
        self._max_queue, self._batch_tokens = max_queue, batch_tokens
        self._observer_of = observer_of
        self._served: dict[str, Served] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._swapping = asyncio.Lock()
        self.failures: dict[str, str] = {}  # name → why its last swap failed

    @property
    def names(self) -> tuple[str, ...]:
        """The names, the first as the one that is meant without a name."""
        return tuple(self._finders)

    @property
    def served(self) -> Mapping[str, Served]:
        """The models that are loaded now."""
        return self._served

    def add(self, name: str, engine: Engine) -> None:
        """Serve an engine that is loaded and warm under a name that has a finder."""
        self._served[name] = Served(
            engine,
            batch_tokens=self._batch_tokens,
            max_queue=self._max_queue,
            observer=self._observer_of(name) if self._observer_of else None,
        )

    def check_room(self, requests: int) -> None:
        """Refuse the newest of so many requests where not even one input of each has room.

        It costs nothing, so that a server in a rush tells those it refuses before it has read what
        they ask.

        Raises:
            OverCapacityError: BN704, with the seconds after which it is worth asking again.
        """
        queues = [served.scheduler for served in self._served.values()]
        if requests <= sum(queue.room for queue in queues):
            return
        err = OverCapacityError(
            f"{requests - 1} requests are at work already",
            where="the server",
            fix="ask again after the seconds in Retry-After",
        )
        err.retry_after_s = max((queue.seconds_of_work() for queue in queues), default=1)
        raise err

    @contextmanager
    def use(self, name: str | None, *, version: str | None = None) -> Iterator[Served]:
        """Yield the model of that name; it stays until the block ends.

        Args:
            name: None: the first.
            version: which it must be of; None: any.

        Raises:
            UnknownModelError: BN703, there is none, or of another version; the message names
                those there are.
            OverCapacityError: BN704, it is not loaded yet.
        """
        served = self._named(self.names[0] if name is None else name)
        if version not in (None, served.facts.version):
            raise UnknownModelError(
                f"the model {served.facts.name!r} is not served in version {version!r}",
                where="the path of the request",
                fix=f"use {served.facts.version}, or leave the version out",
            )
        served.take()
        try:
            yield served
        finally:
            served.give_back()

    def _named(self, name: str) -> Served:
        if name not in self._finders:
            raise UnknownModelError(
                f"no model is called {name!r}",
                where="the field `model` of the request",
                fix=f"use one of: {', '.join(self.names)}",
            )
        if name not in self._served:
            raise OverCapacityError(
                f"the model {name!r} is not loaded yet",
                where="the server",
                fix="ask again when /readyz answers with 200",
            )
        return self._served[name]

    def load(self) -> None:
        """Load and warm every model; to be called before the server starts.

        Raises:
            BurnishError: one of them cannot be loaded.
        """
        for name, find in self._finders.items():
            self.add(name, _warmed(find()))

    async def swap(self, name: str) -> bool:
        """Replace a model by what its reference stands for now; return whether it is another.

        Requests go on being answered, by the old one until the new one is ready. Where the new
        one cannot be loaded, the old one stays.

        Raises:
            Exception: the new one cannot be loaded; `failures` tells why until a later one can.
        """
        async with self._swapping:
            before = self._named(name)
            try:
                engine = await asyncio.to_thread(_other, self._finders[name], before.facts.version)
            except Exception as err:
                ours = isinstance(err, BurnishError)
                self.failures[name] = str(err) if ours else f"{type(err).__name__}: {err}"
                raise
            self.failures.pop(name, None)
            if engine is None:
                return False
            self.add(name, engine)
            task = asyncio.create_task(_let_go(before))
            del before
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
            return True

    async def close(self) -> None:
        """Let all models go, those that were replaced too, when nobody uses them."""
        await asyncio.gather(*self._leaving, *(one.close() for one in self._served.values()))


async def _let_go(served: Served) -> None:
    await served.close()
    del served
    settle()


def _other(find: Finder, version: str) -> Engine | None:
    """Return what a reference stands for now, ready; None where it is the version there is."""
    found = find()
    if found.version == version:
        return None
    return _warmed(found)


def _warmed(found: Candidate) -> Engine:
    engine = found.load()
    try:
        engine.warm()
    except BaseException:
        engine.close()
        raise
    return engine
