"""The programs of the bench as child processes, and what CPU any process has used."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from bench.measuring import BenchError

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class Program:
    """One running program of `bench.programs`."""

    def __init__(self, name: str, process: Process) -> None:
        self._name = name
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def answer(self, seconds: float) -> dict[str, Any]:
        """The next line it says."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        if not line:
            raise BenchError(f"bench.programs.{self._name} ended; its words are above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def run(self, seconds: float, *what: str | int) -> tuple[int, float]:
        """Let it work for so long, on `what` if it knows several things: how much in how long."""
        answer = await self.ask(seconds, *what)
        return int(answer["count"]), float(answer["seconds"])

    async def ask(self, seconds: float, *what: str | int) -> dict[str, Any]:
        """The same, with all that it says."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{' '.join(map(str, (seconds, *what)))}\n".encode())
        return await self.answer(seconds + START_SECONDS)


@asynccontextmanager
async def program(name: str, *arguments: str) -> AsyncIterator[tuple[Program, dict[str, Any]]]:
    """A program and the first line it said; it ends with the block, or with this process."""
    command = (sys.executable, "-m", f"bench.programs.{name}", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=ROOT)
    running = Program(name, process)
    try:
        yield running, await running.answer(START_SECONDS)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()


class CpuMeter:
    """The CPU that processes use between `start` and `per_item`."""

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        """`pids` by the name that the report gives them; children count with their parents."""
        self._pids = pids
        self._before: dict[str, float] = {}

    def start(self) -> None:
        """Count from now on."""
        self._before = self._seconds()

    def per_item(self, items: float) -> dict[str, float]:
        """Microseconds for each of so many items since `start`, by process."""
        after = self._seconds()
        used = {name: seconds - self._before.get(name, 0.0) for name, seconds in after.items()}
        return {name: 1e6 * seconds / max(items, 1) for name, seconds in used.items()}

    def _seconds(self) -> dict[str, float]:
        return {name: _cpu_seconds(pid) for name, pid in self._pids().items()}


def _cpu_seconds(pid: int) -> float:
    total = 0.0
    parent = psutil.Process(pid)
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total
