"""One process of the mesh as a child: started, signalled, awaited, its log kept in a file."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sandbox.keeper import Keeper

ROOT = Path(__file__).resolve().parent.parent
TAIL_LINES = 12


class Child:
    """`python -m <module>` in a process group of its own.

    The group keeps a Ctrl-C of the terminal away from it: whoever started it stops it, in
    the right order.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        keeper: Keeper,
    ) -> None:
        self.name = name
        self.log = log
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._keeper = keeper
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 when it does not run."""
        return self._process.pid if self._process and self.running else 0

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """How it ended: negative for a signal, None while it runs."""
        return self._process.returncode if self._process else None

    async def start(self) -> None:
        """Starts it; the log goes on where it was."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                cwd=ROOT,
                start_new_session=True,
            )
        self._keeper.watch(self._process.pid)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    def signal(self, sign: signal.Signals) -> None:
        """Sends a signal; nothing happens when it has ended."""
        if self.running and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(sign)

    async def kill(self) -> None:
        """Ends it and what it started at once, as a crash would."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self, seconds: float) -> bool:
        """Asks it to end; False when it had to be killed after `seconds`."""
        if self._process is None:
            return True
        # A stopped process would not hear the request.
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            await self.kill()
            return False
        return True

    def log_tail(self) -> str:
        """The end of its log, for an error message."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-TAIL_LINES:])
