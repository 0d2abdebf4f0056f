"""How a program of the bench talks to the bench: lines of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

CALLERS = 64


def log_elsewhere() -> None:
    """Standard output is the bench's: what our own code logs goes to standard error."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def say(**fields: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def lines() -> AsyncIterator[str]:
    """The lines of standard input, to its end."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode()


async def until_told() -> None:
    """Return when the bench has closed standard input."""
    async for _ in lines():
        pass


async def answer_runs(call: Callable[[], Awaitable[None]]) -> None:
    """For each line with a number of seconds: let 64 callers call for so long, say how many did."""
    say(ready=True)
    async for line in lines():
        started = time.perf_counter()
        counts = await asyncio.gather(*(_call_until(call, float(line)) for _ in range(CALLERS)))
        say(count=sum(counts), seconds=time.perf_counter() - started)


async def _call_until(call: Callable[[], Awaitable[None]], seconds: float) -> int:
    until = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < until:
        await call()
        count += 1
    return count
