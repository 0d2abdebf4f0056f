"""`python -m sandbox.keeper`: ends the children of a supervisor that died without doing so.

The supervisor holds the other end of stdin and writes a line `pid signal` for each child.
The end of input means that it is gone, however it went; whoever is still there then gets its
signal, and after a while SIGKILL.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil

GRACE_SECONDS = 5.0


class Keeper:
    """The supervisor's side: one helper process and the pipe to it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the helper, in a session of its own: nothing meant for us reaches it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.keeper"],
            stdin=subprocess.PIPE,
            # It may outlive us for a while and must not keep pipes of ours open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, pid: int, sign: signal.Signals = signal.SIGTERM) -> None:
        """From now on `pid` does not outlive us for long."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(f"{pid} {int(sign)}\n".encode())
                self._process.stdin.flush()

    def release(self) -> None:
        """Lets the helper end whoever is left and go."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()
            self._process = None


def main() -> None:
    """Learns children until the end of input, then ends them."""
    # The terminal may be gone with the supervisor.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    children: list[tuple[psutil.Process, int]] = []
    for line in sys.stdin:
        pid, sign = map(int, line.split())
        # Remembers when the process began, so that a later owner of the pid is spared.
        with suppress(psutil.NoSuchProcess):
            children.append((psutil.Process(pid), sign))
    _end(children)


def _end(children: Iterable[tuple[psutil.Process, int]]) -> None:
    left = []
    for child, sign in children:
        with suppress(psutil.NoSuchProcess):
            child.send_signal(sign)
            left.append(child)
    _, stubborn = psutil.wait_procs(left, GRACE_SECONDS)
    for child in stubborn:
        with suppress(ProcessLookupError):
            # Every child leads a group; what it has started goes with it.
            os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
