"""Keeps the directory in memory as new as the database."""

from __future__ import annotations

import asyncio
import time

import structlog

from meshkit.clock import Clock
from meshkit.errors import Unavailable
from meshkit.memory import collector_at_rest, let_go
from meshkit.waiting import first_of, jittered
from services.tenant.changes import Changes
from services.tenant.domain import Directory, Snapshot
from services.tenant.metrics import TenantMetrics
from services.tenant.store import TenantStore

MOST_AT_ONCE = 5_000
"""Changed identifiers taken into the directory between two ticks of the loop, in about 2 ms."""

log = structlog.get_logger()


class Refresher:
    """Asks for the version when told of a change and every `poll_seconds`; reads what is newer.

    What is newer is the hotels that have changed, whatever the number of the others. Every
    `reload_seconds` it reads everything anyway: a version that was set back by restoring a
    backup, or a bug in a trigger, heals by itself.
    """

    def __init__(
        self,
        *,
        store: TenantStore,
        directory: Directory,
        changes: Changes,
        metrics: TenantMetrics,
        clock: Clock,
        poll_seconds: float,
        reload_seconds: float,
    ) -> None:
        self._store = store
        self._directory = directory
        self._changes = changes
        self._metrics = metrics
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._reload_seconds = reload_seconds
        self._reload_at = 0.0
        self._problem: str | None = None
        self._told = asyncio.Event()

    def look(self) -> None:
        """Ask for the version now: there may be a new one. Many calls at once are one."""
        self._told.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Refresh until `stopping` is set."""
        while not stopping.is_set():
            # Before the look: what is told during it is looked at afterwards.
            self._told.clear()
            await self.refresh()
            await first_of(stopping, self._told, seconds=jittered(self._poll_seconds))

    async def refresh(self) -> None:
        """Refresh once; without the database the last snapshot goes on serving."""
        try:
            known = self._directory.current
            if known is None or self._clock.monotonic() >= self._reload_at:
                await self._load()
            else:
                await self._follow(known)
            self._tell(None)
        except Unavailable as error:
            self._metrics.refresh_failures.inc()
            self._tell(error.reason)

    def _tell(self, problem: str | None) -> None:
        """Log what has changed, not what goes on: this runs every second."""
        if problem != self._problem:
            self._problem = problem
            log.warning("directory refresh", problem=problem, age=self._directory.age())

    async def _follow(self, known: Snapshot) -> None:
        version = await self._store.read_version()
        if version == known.version:
            self._directory.confirm()
        elif version < known.version:
            # Set back, as by restoring a backup: nothing says what has changed.
            await self._load()
        else:
            await self._catch_up(known)

    async def _catch_up(self, known: Snapshot) -> None:
        started = time.perf_counter()
        difference = await self._store.read_difference(known)
        found = difference.held
        many = len(found.numbers) + len(found.identifiers) > MOST_AT_ONCE
        if difference.version <= known.version or many:
            await self._load()
            return
        await self._changes.advance(difference)
        self._metrics.refresh_latency.observe(time.perf_counter() - started)

    async def _load(self) -> None:
        started = time.perf_counter()
        old = self._directory.current
        with collector_at_rest():
            snapshot = await self._store.read_directory(old)
        self._metrics.refresh_latency.observe(time.perf_counter() - started)
        if snapshot.version != self._directory.version:
            log.info("directory loaded", version=snapshot.version, numbers=len(snapshot.numbers))
        await self._changes.publish(snapshot)
        self._reload_at = self._clock.monotonic() + jittered(self._reload_seconds)
        if old is not None:
            for table in (old.numbers, old.identifiers, old.past):
                await let_go(table)
