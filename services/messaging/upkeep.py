"""What has to be done now and then: partitions of the deduplication, gauges."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.messaging import rounds
from services.messaging.metrics import MessagingMetrics
from services.messaging.store.inbox import InboxStore

# Partitions are made three days ahead, so an hour is early enough.
PARTITION_SECONDS = 3600.0
GAUGE_SECONDS = 5.0
AWAY_SECONDS = 2.0


class Upkeep:
    """Two small workers; every replica runs them, and they do not disturb each other."""

    def __init__(self, store: InboxStore, metrics: MessagingMetrics) -> None:
        self._store = store
        self._metrics = metrics

    async def partitions(self, stopping: asyncio.Event) -> None:
        """Keep the partitions of `seen`."""
        await self._repeat(stopping, self._partition, PARTITION_SECONDS)

    async def gauges(self, stopping: asyncio.Event) -> None:
        """Tell how much waits and for how long."""
        await self._repeat(stopping, self._measure, GAUGE_SECONDS)

    async def _partition(self) -> None:
        await self._store.keep_partitions()

    async def _measure(self) -> None:
        backlog = await self._store.backlog()
        self._metrics.pending.set(backlog.pending_count)
        self._metrics.oldest.set(backlog.oldest_seconds)
        self._metrics.unknown.set(backlog.unknown_count)
        self._metrics.held.set(backlog.held_count)

    async def _repeat(
        self, stopping: asyncio.Event, work: Callable[[], Awaitable[None]], seconds: float
    ) -> None:
        await rounds.repeat(
            work, stopping, self._metrics, seconds=seconds, away_seconds=AWAY_SECONDS
        )
