"""What a server keeps does not hold up the search for what is dead."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from burnish.serving.memory import settle


class Request:
    """Something that refers to itself, as a request and its answer do."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_dead_request_is_found_soon_however_much_the_server_keeps() -> None:
    kept: list[list[int]] = [[] for _ in range(600_000)]
    settle()

    request = Request()
    found = weakref.ref(request)
    gc.collect(1)  # it lived through searches of what is new, so only one of all finds it
    del request
    new: list[list[int]] = [[] for _ in range(120_000)]

    assert found() is None, (len(kept), len(new))
