"""Background tasks: started again when they fail, and given time to finish at a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from meshkit.metrics import WorkerMetrics
from meshkit.waiting import set_within

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds between attempts of a task that keeps failing: soon at first, then not a flood."""

Work = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set, then finishes what it has in hand and returns."""

log = structlog.get_logger()


class Workers:
    """The background tasks of a process."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._work: list[tuple[str, Work]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, name: str, work: Work) -> None:
        """Have `work` done from the start of serving on."""
        self._metrics.restarts.labels(name)
        self._work.append((name, work))

    def start(self) -> None:
        """Start them all."""
        self._tasks = [
            asyncio.create_task(self._supervise(name, work), name=name) for name, work in self._work
        ]

    async def stop(self, seconds: float) -> None:
        """Ask all to finish, and cancel what has not after `seconds`."""
        self._stopping.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            log.warning("worker cancelled", worker=task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1.0)

    async def _supervise(self, name: str, work: Work) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                await work(self._stopping)
                return
            except Exception:
                log.exception("worker failed", worker=name, again_in=pause)
                self._metrics.restarts.labels(name).inc()
            await set_within(self._stopping, pause)
            pause = min(pause * 2, LONGEST_PAUSE)
