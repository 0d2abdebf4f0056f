"""Workers that look for work, do it, and look again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from meshkit.errors import Unavailable
from meshkit.waiting import set_within
from services.messaging.metrics import MessagingMetrics


async def repeat(
    work: Callable[[], Awaitable[bool | None]],
    stopping: asyncio.Event,
    metrics: MessagingMetrics,
    *,
    seconds: float,
    away_seconds: float | None = None,
) -> None:
    """Do `work` until told to stop: at once while it says that there is more, else after `seconds`.

    While Postgres is away that is counted, and `work` is tried again after `away_seconds`.
    """
    while not stopping.is_set():
        pause = seconds
        try:
            more = await work()
        except Unavailable:
            metrics.dependency_away.labels("postgres").inc()
            more, pause = False, seconds if away_seconds is None else away_seconds
        if not more:
            await set_within(stopping, pause)
