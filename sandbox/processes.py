"""One server process of the sandbox: started, watched, stopped, and explained when it fails."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.accounts import Account, SandboxError

__all__ = ["LOOPBACK", "Account", "SandboxError", "ServerProcess", "choose_port"]

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.02
LOG_TAIL_CHARACTERS = 2_000


def choose_port(port: int, server: str) -> int:
    """Return `port` when it is free, or any free one for 0; raise `SandboxError` when taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise SandboxError(
                f"{server} cannot listen on {LOOPBACK}:{port}, because the port is taken; "
                "name another one or stop what uses it."
            ) from error
        chosen: int = probe.getsockname()[1]
        return chosen


class ServerProcess:
    """A child process with a log file, in a session of its own.

    The session keeps a Ctrl-C of the terminal away from it: whoever started
    it stops it, after those who use it.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, account: Account) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def start(self, cwd: Path, environment: Mapping[str, str]) -> None:
        """Start the process; its output goes to the log file."""
        with self._log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self._account.command(self._command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env=dict(environment),
                    start_new_session=True,
                )
            except OSError as error:
                raise SandboxError(f"{self.name} could not be started: {error}.") from error

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Wait for `ready`; False when the process ended first."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.ended():
                return False
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"{self.name} did not become ready within {seconds:.0f} s; see {self._log}."
                )
            time.sleep(POLL_SECONDS)
        return True

    def ended(self) -> bool:
        """Whether the process is not running."""
        return self._process is None or self._process.poll() is not None

    def end(self, sign: signal.Signals, seconds: float) -> None:
        """Send `sign`, wait, and after `seconds` end the process the hard way."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(sign)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def log_tail(self) -> str:
        """The end of the log, for an error message."""
        return self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
