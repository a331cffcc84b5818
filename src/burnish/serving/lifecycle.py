"""Whether a server still takes requests, and how many it is at."""

import asyncio

from burnish.errors import OverCapacityError


class Lifecycle:
    """Counts requests at work, so that a server that is to stop knows when it may."""

    def __init__(self) -> None:
        self.draining = False  # says that it is about to stop
        self.refusing = False  # and takes no more requests
        self.stopped = False  # at once: what is at work is given up
        self.closing = asyncio.Event()  # connections that are held open end
        self._at_work = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def at_work(self) -> int:
        """Requests that came and have no full answer yet."""
        return self._at_work

    def check_open(self) -> None:
        """Raise OverCapacityError (BN704) where requests are taken no more."""
        if self.refusing:
            raise stopping()

    def stop(self) -> None:
        """Take no more requests, and end connections that are held open."""
        self.draining = self.refusing = self.stopped = True
        self.closing.set()

    def began(self) -> None:
        """Count a request."""
        self._at_work += 1
        self._idle.clear()

    def ended(self) -> None:
        """Count a request less."""
        self._at_work -= 1
        if not self._at_work:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is at work."""
        await self._idle.wait()


def stopping() -> OverCapacityError:
    """Return the error for a request that a server about to stop does not answer."""
    return OverCapacityError(
        "the server is about to stop",
        where="the server",
        fix="ask again; another one will have taken its place",
    )
