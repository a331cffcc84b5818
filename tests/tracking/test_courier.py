"""Items reach the sender in order, all of them, and failures reach the one who reports."""

import threading
import time

import pytest

from burnish.errors import TrackerError
from burnish.tracking.courier import Courier


def test_everything_put_is_sent_in_order_by_the_time_it_is_closed() -> None:
    sent: list[int] = []
    courier = Courier(sent.extend, every_s=60, most=10)
    for number in range(95):
        courier.put([number])
    courier.close(timeout_s=5)

    assert sent == list(range(95))


def test_what_waits_is_sent_after_the_interval_without_being_closed() -> None:
    arrived = threading.Event()
    courier = Courier(lambda _: arrived.set(), every_s=0.02)
    courier.put([1])

    assert arrived.wait(5)
    courier.close(timeout_s=5)


def test_putting_never_waits_for_a_slow_sender() -> None:
    release = threading.Event()
    courier = Courier(lambda _: release.wait(10), every_s=0.001, most=1)
    begun = time.perf_counter()
    for number in range(1000):
        courier.put([number])
    took_s = time.perf_counter() - begun
    release.set()
    courier.close(timeout_s=5)

    assert took_s < 1


def test_a_failed_sending_is_raised_where_the_next_item_is_put() -> None:
    def refuse(_: list[int]) -> None:
        raise ConnectionError("no route")

    def put_for_seconds() -> None:
        for _ in range(1000):
            courier.put([1])
            time.sleep(0.005)

    courier = Courier(refuse, every_s=0.001)
    with pytest.raises(ConnectionError, match="no route"):
        put_for_seconds()
    with pytest.raises(ConnectionError, match="no route"):
        courier.close(timeout_s=5)


def test_closing_gives_up_after_its_time_and_says_so() -> None:
    release = threading.Event()
    courier = Courier(lambda _: release.wait(10), every_s=0.001)
    courier.put([1])
    with pytest.raises(TrackerError, match=r"longer than 0\.1 seconds"):
        courier.close(timeout_s=0.1)
    release.set()


def test_what_waits_is_sent_at_once_when_asked_for() -> None:
    sent: list[int] = []
    courier = Courier(sent.extend, every_s=60)
    for first in (0, 10):
        courier.put(list(range(first, first + 10)))

        assert courier.flush(timeout_s=5)
        assert sent == list(range(first + 10))
    assert courier.flush(timeout_s=5)  # nothing waits
    courier.close(timeout_s=5)


def test_asking_waits_for_a_slow_sender_no_longer_than_told_and_loses_nothing() -> None:
    release, sent = threading.Event(), []

    def send(items: list[int]) -> None:
        release.wait(10)
        sent.extend(items)

    courier = Courier(send, every_s=60)
    courier.put([1])

    assert not courier.flush(timeout_s=0.05)
    courier.put([2])
    release.set()
    assert courier.flush(timeout_s=5)
    assert sent == [1, 2]
    courier.close(timeout_s=5)


def test_asking_tells_what_ended_the_sending() -> None:
    def refuse(_: list[int]) -> None:
        raise ConnectionError("no route")

    courier = Courier(refuse, every_s=60)
    courier.put([1])
    for _ in range(2):
        with pytest.raises(ConnectionError, match="no route"):
            courier.flush(timeout_s=5)
