"""How much one worker does at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

MOMENT = 0.02
"""Seconds: a few commits long, and nothing that a guest would notice."""


class Slots:
    """Up to `size` pieces of work at once, taken up in batches while there is plenty.

    A claim costs the database about the same for one row as for many. So while
    claims come back full, the next one waits a moment for a quarter of the slots
    to be free; when they do not, or others take long, one free slot is enough.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._batch = max(1, size // 4)
        self._plenty = False
        self._running: set[asyncio.Task[None]] = set()

    async def free(self) -> int:
        """How many may be taken up, at least one; waits for that."""
        if self._plenty and self._free() < self._batch:
            await self._wait_for(self._batch, MOMENT)
        await self._wait_for(1, None)
        return self._free()

    def claimed(self, count: int, asked: int) -> None:
        """A claim for `asked` found `count`."""
        self._plenty = count >= asked

    def start(
        self, work: Coroutine[None, None, None], done: Callable[[], None] | None = None
    ) -> None:
        """Begin a piece of work; it must not raise. `done` is told of its end."""
        task = asyncio.create_task(work)
        self._running.add(task)

        def finish(ended: asyncio.Task[None]) -> None:
            self._running.discard(ended)
            if done is not None:
                done()

        task.add_done_callback(finish)

    def _free(self) -> int:
        return self._size - len(self._running)

    async def _wait_for(self, free: int, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._free() < free:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def drain(self) -> None:
        """Wait for all that is under way."""
        if self._running:
            await asyncio.wait(self._running)
