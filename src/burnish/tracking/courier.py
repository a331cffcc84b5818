"""Sends what a run reports in batches, from a thread, so that training never waits for a store.

One metric sent by itself costs 5-50 ms of a step; appended here it costs a microsecond, and a
thread sends all that has gathered every couple of seconds, or when `flush` asks for it. When
sending fails the thread ends and the next `put` raises the cause, so the guard hears of it in the
thread of the run.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from burnish.errors import TrackerError

T = TypeVar("T")


class Courier(Generic[T]):
    """Gathers items and hands them to `send` every `every_s` seconds, or once `most` wait."""

    def __init__(
        self, send: Callable[[list[T]], None], *, every_s: float = 2.0, most: int = 500
    ) -> None:
        self._send, self._every_s, self._most = send, every_s, most
        self._waiting: list[T] = []
        self._error: Exception | None = None
        self._put, self._sent = 0, 0  # items, so far
        self._closing = self._hurry = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="burnish-courier", daemon=True)
        self._thread.start()

    def put(self, items: list[T]) -> None:
        """Leave items to be sent soon.

        Raises:
            Exception: whatever ended an earlier sending; those items and these are lost.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            self._waiting += items
            self._put += len(items)
            if len(self._waiting) >= self._most:
                self._changed.notify_all()

    def flush(self, *, timeout_s: float) -> bool:
        """Send what waits now; return whether it was sent in `timeout_s` seconds.

        Raises:
            Exception: whatever ended a sending.
        """
        with self._changed:
            wanted, self._hurry = self._put, True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._sent >= wanted or self._error is not None, timeout_s
            )
            if self._error is not None:
                raise self._error
            return self._sent >= wanted

    def close(self, *, timeout_s: float) -> None:
        """Send what waits and end the thread.

        Raises:
            TrackerError: BN403, sending did not end in `timeout_s` seconds.
            Exception: whatever ended a sending.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error
        if self._thread.is_alive():
            raise TrackerError(
                f"sending the last metrics took longer than {timeout_s:g} seconds",
                where="the end of the run",
                fix="the run folder has them all; look whether the tracking server answers",
            )

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or self._hurry or len(self._waiting) >= self._most,
                    self._every_s,
                )
                self._hurry = False
                batch, self._waiting, closing = self._waiting, [], self._closing
            try:
                if batch:
                    self._send(batch)
            except Exception as err:  # noqa: BLE001 - handed to the run's own thread by put()
                with self._changed:
                    self._error = err
                    self._changed.notify_all()
                return
            with self._changed:
                self._sent += len(batch)
                self._changed.notify_all()
