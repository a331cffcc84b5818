"""The address a server listens at."""

import socket

from burnish.errors import ServerError

_ACCEPTED = 16  # connections in one turn of the event loop


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0: any free one.

    Raises:
        ServerError: BN707, the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without its protocol named, asyncio does not know it for TCP and leaves Nagle's algorithm on:
    # every response would then wait 40 ms for the client's acknowledgement of its headers.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as err:
        found.close()
        raise ServerError(
            f"cannot listen: {err.strerror or err}",
            where=f"{host} port {port}",
            fix="choose another with --port, or an address of this machine with --host",
        ) from err
    return found


def listeners(bound: socket.socket) -> list[socket.socket]:
    """Return a bound socket under so many descriptors as connections are accepted in one turn.

    uvloop accepts one of each a turn. Of hundreds that come at once the last would wait until all
    before them are read, only to be told that there is no room.
    """
    return [bound, *(bound.dup() for _ in range(_ACCEPTED - 1))]
