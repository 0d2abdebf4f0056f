"""What the booking process is put together from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from conserje.booking.v1.booking_service_pb2_grpc import add_BookingServiceServicer_to_server
from conserje.booking.v1.inventory_service_pb2_grpc import add_InventoryServiceServicer_to_server
from conserje.booking.v1.room_service_pb2_grpc import add_RoomServiceServicer_to_server

from meshkit.errors import Unavailable
from meshkit.kit import Kit
from meshkit.waiting import set_within
from services.booking.cache import AvailabilityCache
from services.booking.inventory.servicer import InventoryServicer
from services.booking.inventory.store import InventoryStore
from services.booking.metrics import BookingMetrics
from services.booking.reservations.stream import ReservationStream
from services.booking.rooms.servicer import RoomServicer
from services.booking.rooms.store import RoomStore
from services.booking.search.store import SearchStore
from services.booking.servicer import BookingServicer
from services.booking.settings import BookingSettings
from services.booking.store import BookingStore

SERVICE = "conserje.booking.v1.BookingService"
INVENTORY_SERVICE = "conserje.booking.v1.InventoryService"
ROOM_SERVICE = "conserje.booking.v1.RoomService"


async def build(kit: Kit, settings: BookingSettings) -> None:
    """Settings → pools → store → servicer → server."""
    metrics = BookingMetrics(kit.registry)
    postgres = await kit.postgres(settings.database_url)
    store = BookingStore(postgres, metrics)
    cache = AvailabilityCache(
        kit.redis(settings.redis_url),
        SearchStore(postgres).inventory,
        seconds=settings.cache_seconds,
        clock=kit.clock,
        metrics=metrics,
    )
    servicer = BookingServicer(store, cache, metrics, ReservationStream(postgres))
    kit.grpc(add_BookingServiceServicer_to_server, servicer, SERVICE)
    inventory = InventoryServicer(InventoryStore(postgres), cache)
    kit.grpc(add_InventoryServiceServicer_to_server, inventory, INVENTORY_SERVICE)
    rooms = RoomServicer(RoomStore(postgres, metrics), cache)
    kit.grpc(add_RoomServiceServicer_to_server, rooms, ROOM_SERVICE)
    kit.worker("sweep-locks", _sweeping(store.sweep_locks, settings.sweep_seconds))
    kit.worker("lapse-deposits", _sweeping(store.lapse_overdue, settings.sweep_seconds))
    kit.worker("sweep-answers", _sweeping(store.sweep_answers, settings.sweep_seconds))


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
