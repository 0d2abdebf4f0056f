"""Ports that stay ours while a child that listens on them is down."""

import random
import socket
from contextlib import suppress

from sandbox.processes import LOOPBACK, SandboxError

# Below the range from which Linux takes the ports of outgoing connections: a child that is
# killed must find its port free when it starts again.
FIRST, LAST = 17_000, 32_000
TRIES = 500


class Ports:
    """Reserves ports by binding them, so that several meshes can choose side by side.

    A bound socket that does not listen keeps every other chooser away, and hinders no child
    that sets SO_REUSEADDR, as servers do.
    """

    def __init__(self) -> None:
        self._reserved: list[socket.socket] = []

    def free(self, wish: int = 0) -> int:
        """A port that nobody has; `wish` when nobody listens there."""
        if wish:
            with suppress(OSError):
                return self._reserve(wish, reuse=True)
        for _ in range(TRIES):
            with suppress(OSError):
                return self._reserve(random.randrange(FIRST, LAST), reuse=False)
        raise SandboxError(f"No free port was found between {FIRST} and {LAST}.")

    def told(self, port: int, name: str) -> int:
        """The port that somebody asked for; one sentence when it is taken."""
        try:
            return self._reserve(port, reuse=True)
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

    def _reserve(self, port: int, *, reuse: bool) -> int:
        """Binds; with `reuse` also where connections of a moment ago still linger.

        Without it the bind fails wherever anybody has bound, listening or not.
        """
        holder = socket.socket()
        try:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            holder.bind((LOOPBACK, port))
        except OSError:
            holder.close()
            raise
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
        self._reserved.append(holder)
        return int(holder.getsockname()[1])
