"""What the booking process is put together from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from conserje.audit.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from conserje.booking.v1.booking_service_pb2_grpc import add_BookingServiceServicer_to_server
from conserje.booking.v1.inventory_service_pb2_grpc import add_InventoryServiceServicer_to_server
from conserje.booking.v1.pms_service_pb2_grpc import add_PmsServiceServicer_to_server
from conserje.booking.v1.room_service_pb2_grpc import add_RoomServiceServicer_to_server
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub

from copies.credentials import Secrets
from meshkit.coalesce import CoalescerMetrics
from meshkit.errors import Unavailable
from meshkit.kit import Kit
from meshkit.postgres import Postgres
from meshkit.rate_limit import RateLimiter, RateLimitMetrics
from meshkit.waiting import set_within
from meshkit.watch import WatchMetrics
from services.audit.servicer import SERVICE as AUDIT_SERVICE
from services.audit.servicer import AuditServicer
from services.audit.store import AuditStore
from services.booking.cache import AvailabilityCache
from services.booking.inventory.book import PriceBook
from services.booking.inventory.servicer import InventoryServicer
from services.booking.inventory.store import InventoryStore
from services.booking.metrics import BookingMetrics
from services.booking.pms.ahead import ReadAhead
from services.booking.pms.breaker import Breakers
from services.booking.pms.connections import Connections
from services.booking.pms.http import Hosts
from services.booking.pms.ledger import PmsLedger
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.nights import PmsNights
from services.booking.pms.notices import Notices, NoticeStore
from services.booking.pms.overlay import PmsOverlay
from services.booking.pms.reconcile import Reconciler
from services.booking.pms.saga import Patience, Saga
from services.booking.pms.secrets import PmsSecrets, stored_secrets
from services.booking.pms.servicer import PmsServicer
from services.booking.pms.store import PmsStore
from services.booking.pms.worker import PmsWorker
from services.booking.reservations.stream import ReservationStream
from services.booking.rooms.servicer import RoomServicer
from services.booking.rooms.store import RoomStore
from services.booking.search.store import SearchStore
from services.booking.servicer import BookingServicer
from services.booking.settings import BookingSettings
from services.booking.store import BookingStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

SERVICE = "conserje.booking.v1.BookingService"
PMS_SERVICE = "conserje.booking.v1.PmsService"
INVENTORY_SERVICE = "conserje.booking.v1.InventoryService"
ROOM_SERVICE = "conserje.booking.v1.RoomService"


async def build(kit: Kit, settings: BookingSettings) -> None:
    """Settings → pools → store → servicer → server."""
    metrics = BookingMetrics(kit.registry)
    postgres = await kit.postgres(settings.database_url)
    book = PriceBook(postgres, metrics)
    store = BookingStore(postgres, metrics, book)
    redis = kit.redis(settings.redis_url)
    cache = AvailabilityCache(
        redis,
        SearchStore(postgres).counters,
        book,
        seconds=settings.cache_seconds,
        clock=kit.clock,
        metrics=metrics,
    )
    pms, overlay = _pms(kit, settings, postgres, redis, store, cache)
    coalescing = CoalescerMetrics(kit.registry)
    stream = ReservationStream(postgres)
    servicer = BookingServicer(store, cache, metrics, stream, pms, overlay, coalescing)
    kit.grpc(add_BookingServiceServicer_to_server, servicer, SERVICE)
    inventory = InventoryServicer(InventoryStore(postgres), cache)
    kit.grpc(add_AuditServiceServicer_to_server, AuditServicer(AuditStore(postgres)), AUDIT_SERVICE)
    kit.grpc(add_InventoryServiceServicer_to_server, inventory, INVENTORY_SERVICE)
    rooms = RoomServicer(RoomStore(postgres, metrics), cache)
    kit.grpc(add_RoomServiceServicer_to_server, rooms, ROOM_SERVICE)
    kit.worker("sweep-locks", _sweeping(store.sweep_locks, settings.sweep_seconds))
    kit.worker("lapse-deposits", _sweeping(store.lapse_overdue, settings.sweep_seconds))
    kit.worker("sweep-answers", _sweeping(store.sweep_answers, settings.sweep_seconds))


def _pms(
    kit: Kit,
    settings: BookingSettings,
    postgres: Postgres,
    redis: Redis,
    bookings: BookingStore,
    cache: AvailabilityCache,
) -> tuple[PmsWorker, PmsOverlay]:
    """What speaks to hotels' own systems."""
    hosts, metrics, store = Hosts(), PmsMetrics(kit.registry), PmsStore(postgres)
    kit.stack.push_async_callback(hosts.close)
    limiter = RateLimiter(
        redis,
        name="pms",
        most_replicas=settings.most_replicas,
        clock=kit.clock,
        metrics=RateLimitMetrics(kit.registry),
    )
    secrets = PmsSecrets(settings.pms_secrets_folder, _stored_secrets(kit, settings))
    connections = Connections(
        store,
        hosts,
        breakers=Breakers(redis, kit.clock),
        limiter=limiter,
        metrics=metrics,
        clock=kit.clock,
        secrets=secrets,
    )
    nights = PmsNights(redis, kit.clock, metrics)
    saga = Saga(
        store=store,
        bookings=bookings,
        connections=connections,
        cache=cache,
        nights=nights,
        patience=Patience(settings.pms_settle_seconds, settings.pms_give_up_seconds),
        metrics=metrics,
    )
    worker = PmsWorker(store, saga, connections, metrics)
    kit.worker("pms", worker.run)
    kit.worker("pms-gauges", worker.show)
    kit.degraded("pms", connections.problem)
    reconciler = Reconciler(PmsLedger(postgres), connections, nights, cache, metrics, kit.clock)
    kit.worker("pms-reconciling", reconciler.run)
    kit.worker("pms-read-ahead", ReadAhead(connections, nights, kit.clock).run)
    told = NoticeStore(postgres)
    notices = Notices(told, connections, secrets, limiter, reconciler, metrics)
    kit.worker("pms-notices", notices.run)
    kit.worker("sweep-pms-notices", _sweeping(told.sweep, settings.sweep_seconds))
    servicer = PmsServicer(store, connections, reconciler, notices)
    kit.grpc(add_PmsServiceServicer_to_server, servicer, PMS_SERVICE)
    return worker, PmsOverlay(connections, nights, bookings)


def _stored_secrets(kit: Kit, settings: BookingSettings) -> Secrets | None:
    """What the tenant service keeps for hotels' own systems; None where it is not named."""
    if not settings.target_tenant:
        return None
    channel = kit.channel("tenant", settings.target_tenant)
    stored = stored_secrets(
        channel.stub(CredentialServiceStub),
        clock=kit.clock,
        registry=kit.registry,
        watches=WatchMetrics(kit.registry),
    )
    kit.worker("pms-secrets", stored.follow)
    return stored


def _sweeping(
    sweep: Callable[[], Awaitable[int]], seconds: float
) -> Callable[[asyncio.Event], Awaitable[None]]:
    """A worker that sweeps until nothing is left, then rests."""

    async def work(stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                while await sweep() and not stopping.is_set():
                    pass
            except Unavailable:
                pass  # Readiness tells of it; the next round will do.
            await set_within(stopping, seconds)

    return work
