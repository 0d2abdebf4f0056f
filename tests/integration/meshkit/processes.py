"""Starting `program.py` as a process of its own, and reading what it says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

PROGRAM = "tests.integration.meshkit.program"


class Process:
    """A running program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []

    async def line(self, event: str) -> dict[str, Any]:
        """The next log line of that event."""
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            while raw := await self._process.stdout.readline():
                self.lines.append(json.loads(raw))
                if self.lines[-1]["event"] == event:
                    return self.lines[-1]
        raise AssertionError(f"ended without {event!r}: {self.lines} {await self._errors()}")

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def end(self) -> tuple[int, str]:
        """Wait for the end; the exit code and what was written to stderr."""
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            while raw := await self._process.stdout.readline():
                self.lines.append(json.loads(raw))
            return await self._process.wait(), await self._errors()

    async def output(self) -> str:
        """All of stdout of a process that ends well by itself."""
        told, _ = await asyncio.wait_for(self._process.communicate(), 20)
        assert self._process.returncode == 0
        return told.decode()

    async def kill(self) -> None:
        """Make sure that it is gone."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()

    def events(self) -> list[str]:
        """What was logged so far."""
        return [line["event"] for line in self.lines]

    async def _errors(self) -> str:
        assert self._process.stderr is not None
        return (await self._process.stderr.read()).decode()


@asynccontextmanager
async def running(
    *arguments: str, common: Mapping[str, str] = MappingProxyType({}), **settings: object
) -> AsyncIterator[Process]:
    """A process with `CONSERJE_TENANT_<SETTING>` set; killed at the end if it still runs.

    `common` are variables that every process of the mesh has.
    """
    own = {f"CONSERJE_TENANT_{name.upper()}": str(value) for name, value in settings.items()}
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CONSERJE_")}
    process = Process(
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            PROGRAM,
            *arguments,
            env={**environ, **common, **own},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield process
    finally:
        await process.kill()
