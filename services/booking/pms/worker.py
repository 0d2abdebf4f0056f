"""The worker that does what is due in hotels' systems, and the wait for it."""

from __future__ import annotations

import asyncio
import time

import structlog

from meshkit import deadlines
from meshkit.errors import Unavailable
from meshkit.waiting import set_within
from services.booking.domain import Reservation, ReservationState
from services.booking.pms.connections import Connections
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.saga import Saga
from services.booking.pms.store import PmsStore, Work
from services.booking.store import BookingStore

LEASE_SECONDS = 45.0
"""Longer than a step may take: a create, the looks after it, the cancelling of what is too much."""
AT_ONCE, OF_EACH_HOTEL = 32, 4
POLL_SECONDS = 0.25
GAUGE_SECONDS = 2.0
ANSWER_SECONDS, LOOK_SECONDS, RESERVE = 3.0, 0.1, 0.25
"""A guest waits so long for the hotel's word; then hears that it is awaited."""

log = structlog.get_logger()


class PmsWorker:
    """Claims, carries out, shows what waits."""

    def __init__(
        self, store: PmsStore, saga: Saga, connections: Connections, metrics: PmsMetrics
    ) -> None:
        self._store = store
        self._saga = saga
        self._connections = connections
        self._metrics = metrics
        self._running: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Something became due."""
        self._news.set()

    async def settled(self, bookings: BookingStore, reservation: Reservation) -> Reservation:
        """The reservation as the hotel's system has decided, or as it still waits for that."""
        self.wake()
        until = time.monotonic() + min(ANSWER_SECONDS, deadlines.bounded() - RESERVE)
        while reservation.state is ReservationState.PENDING_PMS and time.monotonic() < until:
            await asyncio.sleep(LOOK_SECONDS)
            reservation = await bookings.reservation(
                reservation.tenant_id, reservation.reservation_id
            )
        return reservation

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop, then finish what is under way."""
        while not stopping.is_set():
            self._news.clear()
            for work in await self._claim(AT_ONCE - len(self._running)):
                task = asyncio.create_task(self._carry_out(work))
                self._running.add(task)
                task.add_done_callback(self._done)
            await set_within(self._news, POLL_SECONDS)
        if self._running:
            await asyncio.wait(self._running)

    async def show(self, stopping: asyncio.Event) -> None:
        """Keep the gauges true."""
        while not stopping.is_set():
            try:
                pending, oldest = await self._store.pending()
                self._metrics.pending.set(pending)
                self._metrics.oldest.set(oldest)
                await self._connections.tell_breakers()
            except Unavailable:
                pass  # Readiness tells of it; the next round will do.
            await set_within(stopping, GAUGE_SECONDS)

    async def _claim(self, limit: int) -> list[Work]:
        if limit <= 0:
            return []
        try:
            return await self._store.claim(
                limit=limit, seconds=LEASE_SECONDS, of_each=OF_EACH_HOTEL
            )
        except Unavailable:
            return []

    async def _carry_out(self, work: Work) -> None:
        try:
            await self._saga.carry_out(work)
        except Unavailable:
            pass  # Postgres is away: the lease runs out, and the step is done again.
        except Exception:
            log.exception("step failed", step=work.step.value, tenant_id=work.tenant_id)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._news.set()
