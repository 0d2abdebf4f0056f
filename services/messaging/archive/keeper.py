"""Keeps the archive: what is old goes, and what has a hotel by now comes under its data key."""

from __future__ import annotations

import asyncio

import structlog

from meshkit.errors import FailedPrecondition, Internal, Unavailable
from services.messaging import rounds
from services.messaging.archive.metrics import ArchiveMetrics
from services.messaging.archive.sealing import Sealer
from services.messaging.metrics import MessagingMetrics
from services.messaging.store.archive import Archived, ArchiveStore, Resolved

ROUND_SECONDS = 60.0
AT_ONCE = 1000
"""Rows looked at in one statement: a few milliseconds of work, so that no batch waits behind it."""

log = structlog.get_logger()


class ArchiveKeeper:
    """One small worker; every replica runs it, and they do not disturb each other."""

    def __init__(
        self,
        store: ArchiveStore,
        sealer: Sealer,
        metrics: ArchiveMetrics,
        messaging: MessagingMetrics,
        *,
        days: float,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._metrics = metrics
        self._messaging = messaging
        self._days = days

    async def run(self, stopping: asyncio.Event) -> None:
        """A round a minute until told to stop."""

        async def look() -> None:
            await self.sweep(stopping)
            await self.resolve(stopping)
            self._metrics.oldest.set(await self._store.oldest_seconds())

        await rounds.repeat(look, stopping, self._messaging, seconds=ROUND_SECONDS)

    async def sweep(self, stopping: asyncio.Event) -> None:
        """Delete all whose days are over, in small deletes."""
        for sweep, counted in (
            (self._store.sweep, self._metrics.swept.labels("items")),
            (self._store.sweep_steps, self._metrics.swept.labels("steps")),
        ):
            gone = AT_ONCE
            while gone == AT_ONCE and not stopping.is_set():
                gone = await sweep(days=self._days, limit=AT_ONCE)
                counted.inc(gone)

    async def resolve(self, stopping: asyncio.Event) -> None:
        """Put what was stored before its hotel was known under the hotel's data key."""
        after = 0
        while not stopping.is_set():
            known, after = await self._store.unresolved(after=after, limit=AT_ONCE)
            resealed = [item for one in known if (item := self._resealed(one)) is not None]
            if resealed:
                await self._store.reseal(resealed)
                self._metrics.resealed.inc(len(resealed))
            if not after:
                return

    def _resealed(self, one: Resolved) -> Archived | None:
        """The item under the hotel's key; None for one that does not open: it stays as it is."""
        try:
            return self._sealer.resealed(one.item, one.tenant_id)
        except (Unavailable, FailedPrecondition, Internal) as error:
            log.warning("archived item not resealed", inbox_id=one.item.inbox_id, error=str(error))
            return None
