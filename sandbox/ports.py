"""Ports that stay ours while a child that listens on them is down."""

import random
import socket
from collections.abc import Iterator
from contextlib import suppress

from sandbox.processes import LOOPBACK, SandboxError

# Below the range from which Linux takes the ports of outgoing connections: a child that is
# killed must find its port free when it starts again.
FIRST, LAST = 17_000, 32_000
TRIES = 500


class Ports:
    """Reserves ports by binding them, so that several meshes can choose side by side.

    A bound socket that does not listen hinders no child that sets SO_REUSEADDR, as servers
    do, and every other chooser.
    """

    def __init__(self) -> None:
        self._reserved: list[socket.socket] = []

    def free(self, wish: int = 0) -> int:
        """A port that nobody has; `wish` when it is still free."""
        for port in _candidates(wish):
            with suppress(OSError):
                return self._reserve(port)
        raise SandboxError(f"No free port was found between {FIRST} and {LAST}.")

    def told(self, port: int, name: str) -> int:
        """The port that somebody asked for; one sentence when it is taken."""
        try:
            return self._reserve(port)
        except OSError as error:
            raise SandboxError(
                f"Port {port}, which {name} was told to use, is taken; "
                "name another one or stop what uses it."
            ) from error

    def release(self) -> None:
        """Gives all of them back."""
        for reserved in self._reserved:
            reserved.close()
        self._reserved.clear()

    def _reserve(self, port: int) -> int:
        holder = socket.socket()
        try:
            # Without SO_REUSEADDR the bind fails where anybody else has bound.
            holder.bind((LOOPBACK, port))
        except OSError:
            holder.close()
            raise
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.append(holder)
        return int(holder.getsockname()[1])


def _candidates(wish: int) -> Iterator[int]:
    if wish:
        yield wish
    for _ in range(TRIES):
        yield random.randrange(FIRST, LAST)
