"""A booking service's way to hotels' systems, put together for a test."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from meshkit.clock import SystemClock
from meshkit.postgres import Postgres
from meshkit.rate_limit import RateLimiter, RateLimitMetrics
from services.booking.cache import AvailabilityCache
from services.booking.domain import (
    Guests,
    LockRequest,
    Reservation,
    ReservationState,
    Stay,
    fingerprint,
)
from services.booking.inventory.book import PriceBook
from services.booking.metrics import BookingMetrics
from services.booking.pms.breaker import Breakers
from services.booking.pms.connections import Connections
from services.booking.pms.http import Hosts
from services.booking.pms.ledger import PmsLedger
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.nights import PmsNights
from services.booking.pms.overlay import PmsOverlay
from services.booking.pms.reconcile import Reconciler
from services.booking.pms.saga import Patience, Saga
from services.booking.pms.secrets import PmsSecrets
from services.booking.pms.store import Connection, Kind, PmsStore
from services.booking.pms.worker import PmsWorker
from services.booking.search.store import SearchStore
from services.booking.store import BookingStore

TYPES = {"single": "SGL", "double": "DBL", "suite": "SUI"}
SETTLE = 0.5


class Front:
    """One replica: its own pools, breakers, limiter and worker."""

    def __init__(
        self,
        postgres: Postgres,
        redis: Redis,
        secrets: Path | PmsSecrets,
        patience: Patience | None = None,
    ) -> None:
        clock, metrics = SystemClock(), BookingMetrics(CollectorRegistry())
        self.registry = CollectorRegistry()
        self.metrics = PmsMetrics(self.registry)
        self.hosts = Hosts()
        self.postgres = postgres
        self.store = PmsStore(postgres)
        self.bookings = BookingStore(postgres, metrics)
        self.breakers = Breakers(redis, clock)
        self.limiter = RateLimiter(
            redis,
            name="pms",
            most_replicas=2,
            clock=clock,
            metrics=RateLimitMetrics(CollectorRegistry()),
        )
        self.connections = Connections(
            self.store,
            self.hosts,
            breakers=self.breakers,
            limiter=self.limiter,
            metrics=self.metrics,
            clock=clock,
            secrets=PmsSecrets(secrets) if isinstance(secrets, Path) else secrets,
        )
        self.cache = AvailabilityCache(
            redis,
            SearchStore(postgres).counters,
            PriceBook(postgres, metrics),
            seconds=5,
            clock=clock,
            metrics=metrics,
        )
        self.nights = PmsNights(redis, clock, self.metrics)
        self.overlay = PmsOverlay(self.connections, self.nights, self.bookings)
        self.saga = Saga(
            store=self.store,
            bookings=self.bookings,
            connections=self.connections,
            cache=self.cache,
            nights=self.nights,
            patience=patience or Patience(SETTLE, 3600),
            metrics=self.metrics,
        )
        self.ledger = PmsLedger(postgres)
        self.reconciler = Reconciler(
            self.ledger, self.connections, self.nights, self.cache, self.metrics, clock
        )
        self.worker = PmsWorker(self.store, self.saga, self.connections, self.metrics)

    async def book(self, guest: str, room_type: str, stay: Stay) -> Reservation:
        """A guest holds a room and confirms."""
        request = LockRequest("mirador", uuid4(), room_type, stay, Guests(1, 0), guest)
        (lock,) = await self.bookings.acquire([request])
        if isinstance(lock, Exception):
            raise lock
        return await self.bookings.confirm(
            "mirador",
            uuid4(),
            fingerprint(guest),
            lock.lock_id,
            lock.owner_token,
            lock.fencing_number,
        )

    async def state(self, reservation_id: UUID) -> ReservationState:
        """Where a reservation is."""
        return (await self.bookings.reservation("mirador", reservation_id)).state


class Running:
    """A worker at work inside the block."""

    def __init__(self, *fronts: Front) -> None:
        self._fronts = fronts
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        self._tasks = [
            asyncio.create_task(front.worker.run(self._stopping)) for front in self._fronts
        ]

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await asyncio.gather(*self._tasks)


def connection(
    url: str,
    tenant_id: str = "mirador",
    property_id: str = "h1",
    *,
    kind: Kind = Kind.GENERIC,
    version: int = 0,
) -> Connection:
    """A hotel's connection to the fake system."""
    return Connection(
        tenant_id, kind, url, property_id, TYPES, requests_per_second=500.0, version=version
    )


def stay_from(arrival: dt.date, nights: int = 1) -> Stay:
    """Some nights."""
    return Stay(arrival, arrival + dt.timedelta(days=nights))
