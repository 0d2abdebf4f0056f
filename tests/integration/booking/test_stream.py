"""Every change of a reservation is told once, in order, whatever replica one asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from conserje.booking.v1.booking_service_pb2 import (
    WatchReservationsRequest,
    WatchReservationsResponse,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.reservation_pb2 import ReservationEvent
from prometheus_client import CollectorRegistry

from meshkit.clock import SystemClock
from meshkit.config import load
from meshkit.errors import Unavailable
from meshkit.kit import Kit
from meshkit.watch import Follower, Part, WatchMetrics
from sandbox.databases import DatabaseUrls
from services.booking.app import build
from services.booking.domain import Reservation
from services.booking.reservations import domain
from services.booking.reservations.domain import Order
from services.booking.settings import BookingSettings
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql
from tests.integration.booking.test_taking import create
from tests.waiting import eventually


@pytest.fixture
async def replicas(database: DatabaseUrls, redis_url: str) -> AsyncIterator[list[Kit]]:
    """Two servers of one database."""
    environ = {
        "CONSERJE_BOOKING_DATABASE_URL": database.app_url,
        "CONSERJE_REDIS_URL": redis_url,
        "CONSERJE_BOOKING_DRAIN_SECONDS": "1",
    }
    settings = load(BookingSettings, "booking", environ)
    async with AsyncExitStack() as stack:
        kits = [Kit("booking", settings, migrations="services.booking") for _ in range(2)]
        for kit in kits:
            await build(kit, settings)
            await kit.start()
            stack.push_async_callback(kit.drain)
        yield kits


def watch(
    caller: Kit, served: Kit, after_version: int, tenant_id: str = ""
) -> AsyncIterator[WatchReservationsResponse]:
    """A stream of one replica, over a socket."""
    stub = caller.channel("booking", f"127.0.0.1:{served.ports['grpc']}").stub(BookingServiceStub)
    request = WatchReservationsRequest(tenant_id=tenant_id, after_version=after_version)
    stream: AsyncIterator[WatchReservationsResponse] = stub.WatchReservations(request)  # type: ignore[assignment]
    return stream


async def take(
    stream: AsyncIterator[WatchReservationsResponse], count: int
) -> tuple[list[ReservationEvent], int]:
    """The next events, and the version with them; heartbeats tell nothing new."""
    events: list[ReservationEvent] = []
    version = 0
    async with asyncio.timeout(10):
        while len(events) < count:
            part = await anext(stream)
            events.extend(part.events)
            version = part.version
    return events, version


class Ledger:
    """What a reader has heard, in order."""

    def __init__(self) -> None:
        self.heard: list[ReservationEvent] = []

    async def replace(self, _version: int, items: Sequence[ReservationEvent]) -> None:
        raise AssertionError("the outbox has everything; nobody starts anew")

    def change(self, _version: int, items: Sequence[ReservationEvent]) -> None:
        self.heard.extend(items)


async def cancel(store: BookingStore, booked: Reservation) -> None:
    order = Order(booked.tenant_id, uuid4(), b"")
    await store.change("CancelReservation", order, booked.reservation_id, domain.cancel())


async def test_a_reader_whose_replica_leaves_resumes_at_another_without_a_gap(
    replicas: list[Kit], store: BookingStore, hotel: Hotel
) -> None:
    """Bookings and cancellations go on all the while; the reader hears each once, in order."""
    first, second = replicas
    served = [first]
    opened: list[int] = []

    async def parts(after_version: int) -> AsyncIterator[Part[ReservationEvent]]:
        opened.append(after_version)
        async for one in watch(second, served[0], after_version):
            yield Part(one.version, one.after_version, list(one.events))

    ledger, stopping = Ledger(), asyncio.Event()
    follower = Follower(
        "reservations",
        opened=parts,
        copy=ledger,
        clock=SystemClock(),
        metrics=WatchMetrics(CollectorRegistry()),
    )
    following = asyncio.create_task(follower.run(stopping))
    for number in range(30):
        booked = await create(store, hotel, "double", first=number)
        await cancel(store, booked)
        if number == 10:
            await eventually(lambda: bool(ledger.heard))
            served[0] = second
            await first.server.leave()
    await eventually(lambda: len(ledger.heard) >= 60)
    stopping.set()
    await following
    assert len(opened) > 1
    assert opened[-1] > 0
    order = [(str(event.reservation.reservation_id), event.action) for event in ledger.heard]
    assert len(set(order)) == len(order) == 60
    stream = watch(first, second, 0)
    assert (await take(stream, 60))[0] == ledger.heard
    await stream.aclose()  # type: ignore[attr-defined]


async def test_changes_that_commit_in_reverse_are_told_in_order_and_none_is_lost(
    replicas: list[Kit], store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """The older transaction is still open: the younger one's change waits for it."""
    old = await create(store, hotel, "double", first=2)
    stream = watch(replicas[1], replicas[0], 0)
    _, version = await take(stream, 1)
    slow = sql.transaction()
    await slow.start()
    await sql.execute(
        "INSERT INTO reservation_event (tenant_id, reservation_id, version, action, from_state,"
        " to_state, actor_kind, actor_id, reason, request_id, event_time, reservation)"
        " SELECT tenant_id, reservation_id, 2, 'MODIFY', to_state, to_state, actor_kind, actor_id,"
        " 'slow', gen_random_uuid(), event_time, reservation FROM reservation_event"
    )
    young = await create(store, hotel, "double", first=4)
    silence = await anext(stream)
    assert (silence.version, silence.after_version, len(silence.events)) == (version, version, 0)
    await slow.commit()
    events, _ = await take(stream, 2)
    assert [event.reservation.reservation_id for event in events] == [
        str(old.reservation_id),
        str(young.reservation_id),
    ]
    assert events[0].reason == "slow"
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_hotel_hears_its_own_changes_alone(
    replicas: list[Kit], store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    other = await Hotel.create(sql, "luna", {"double": 1})
    await create(store, hotel, "double")
    theirs = await create(store, other, "double")
    ours = await create(store, hotel, "double")
    stream = watch(replicas[1], replicas[0], -1, hotel.tenant_id)
    events, version = await take(stream, 2)
    assert {event.reservation.tenant_id for event in events} == {hotel.tenant_id}
    assert events[1].reservation.reservation_id == str(ours.reservation_id)
    await stream.aclose()  # type: ignore[attr-defined]
    stream = watch(replicas[1], replicas[0], 0, other.tenant_id)
    (event,), _ = await take(stream, 1)
    assert event.reservation.reservation_id == str(theirs.reservation_id)
    await stream.aclose()  # type: ignore[attr-defined]
    stream = watch(replicas[1], replicas[0], version, hotel.tenant_id)
    await replicas[0].server.leave()
    with pytest.raises(Unavailable):
        await anext(stream)
