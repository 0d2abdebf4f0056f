"""Who stands in the way: whatever it names is the reason, and whatever is free names nobody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from meshkit.errors import NotFound
from meshkit.postgres import Postgres
from services.booking.domain import Lock, Reservation, Stay
from services.booking.locks.conflicts import FIRST_CONFLICT, Conflict, ConflictFilter, ConflictStore
from services.booking.metrics import BookingMetrics
from services.booking.reservations.domain import Actor, ActorKind, Order
from services.booking.rooms.domain import Span
from services.booking.rooms.store import RoomStore
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql

SHUT = "UPDATE night_inventory SET sellable = 0 WHERE room_type_id = $1 AND night = $2"
SELECT_ROOM = """
SELECT r.room_id FROM stay s JOIN room r USING (room_key) WHERE s.reservation_id = $1
"""


@pytest.fixture
def rooms(postgres: Postgres, metrics: BookingMetrics) -> RoomStore:
    """What shuts rooms."""
    return RoomStore(postgres, metrics)


async def locked(
    store: BookingStore, hotel: Hotel, kind: str, first: int, nights: int, room_id: str = ""
) -> Lock:
    """A lock that is granted."""
    asked = replace(hotel.request(kind, hotel.stay(first, nights)), room_id=room_id)
    (lock,) = await store.acquire([asked])
    assert isinstance(lock, Lock)
    return lock


async def booked(
    store: BookingStore, hotel: Hotel, kind: str, first: int, nights: int, room_id: str = ""
) -> Reservation:
    """A reservation."""
    lock = await locked(store, hotel, kind, first, nights, room_id)
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    return await store.confirm(hotel.tenant_id, uuid4(), b"", *held)


async def of_type(
    store: BookingStore, hotel: Hotel, kind: str, stay: Stay
) -> tuple[Sequence[dt.date], list[Conflict]]:
    """What is said about a type."""
    wanted = ConflictFilter(hotel.tenant_id, kind, "", stay)
    return await store.conflicts(wanted, FIRST_CONFLICT, 50)


async def of_room(
    store: BookingStore, hotel: Hotel, room_id: str, stay: Stay
) -> tuple[Sequence[dt.date], list[Conflict]]:
    """What is said about a room."""
    wanted = ConflictFilter(hotel.tenant_id, "", room_id, stay)
    return await store.conflicts(wanted, FIRST_CONFLICT, 50)


def days(hotel: Hotel, *after: int) -> list[dt.date]:
    """The dates so many days from today."""
    return [hotel.today + dt.timedelta(days=one) for one in after]


async def test_only_who_is_there_on_a_full_night_stands_in_the_way(
    store: BookingStore, hotel: Hotel
) -> None:
    """Three singles; night 12 has all of them taken, the nights around it have not."""
    first = await locked(store, hotel, "single", 10, 3)
    second = await booked(store, hotel, "single", 12, 1)
    assert await of_type(store, hotel, "single", hotel.stay(10, 5)) == ((), [])
    third = await locked(store, hotel, "single", 12, 2)
    await booked(store, hotel, "single", 13, 1)  # Beside it, in nobody's way.
    nights, found = await of_type(store, hotel, "single", hotel.stay(10, 5))
    assert nights == days(hotel, 12)
    assert found[0] == Conflict(
        first.lock_id, "single", 1, first.stay, first.guest_id, first.expire_time
    )
    assert {one.holder_id for one in found[1:]} == {second.reservation_id, third.lock_id}
    assert {one.holder_id: one.expire_time for one in found}[second.reservation_id] is None
    # The departure is not a night.
    assert await of_type(store, hotel, "single", hotel.stay(10, 2)) == ((), [])
    assert await of_type(store, hotel, "single", hotel.stay(13, 1)) == ((), [])


async def test_what_is_over_stands_in_nobodys_way(store: BookingStore, hotel: Hotel) -> None:
    """Released, lapsed though not swept, cancelled."""
    released, lapsed = [await locked(store, hotel, "suite", 10 + n, 1) for n in (0, 1)]
    cancelled = await booked(store, hotel, "suite", 12, 1)
    stay = hotel.stay(10, 3)
    nights, found = await of_type(store, hotel, "suite", stay)
    assert nights == days(hotel, 10, 11, 12)
    assert [one.holder_id for one in found] == [
        released.lock_id,
        lapsed.lock_id,
        cancelled.reservation_id,
    ]
    await store.release(hotel.tenant_id, uuid4(), b"", released.lock_id, released.owner_token)
    await hotel.lapse(lapsed.lock_id)
    await store.cancel(hotel.tenant_id, uuid4(), b"", cancelled.reservation_id)
    assert await of_type(store, hotel, "suite", stay) == ((), [])


async def test_a_night_that_is_shut_or_not_on_sale_has_nobody(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await sql.execute(SHUT, "suite", *days(hotel, 58))
    nights, found = await of_type(store, hotel, "suite", hotel.stay(57, 5))
    assert nights == days(hotel, 58, 60, 61)
    assert found == []


async def test_a_room_is_in_the_hands_of_whom_it_was_sold_to(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Who merely sleeps in it makes way."""
    mine = await booked(store, hotel, "double", 10, 3, room_id="double-1")
    beside = await booked(store, hotel, "double", 10, 3)
    other_id = await sql.fetchval(SELECT_ROOM, beside.reservation_id)
    nights, found = await of_room(store, hotel, "double-1", hotel.stay(12, 4))
    assert nights == days(hotel, 12)
    assert found == [Conflict(mine.reservation_id, "double", 1, mine.stay, mine.guest_id, None)]
    assert await of_room(store, hotel, "double-1", hotel.stay(13, 4)) == ((), [])
    assert await of_room(store, hotel, other_id, hotel.stay(10, 3)) == ((), [])


async def test_conflicts_come_page_by_page_with_all_nights_on_each(
    store: BookingStore, hotel: Hotel
) -> None:
    locks = [await locked(store, hotel, "suite", 10 + n, 1) for n in range(5)]
    wanted = ConflictFilter(hotel.tenant_id, "suite", "", hotel.stay(10, 6))
    seen: list[UUID] = []
    place = FIRST_CONFLICT
    while True:
        nights, page = await store.conflicts(wanted, place, 2)
        assert nights == days(hotel, 10, 11, 12, 13, 14)
        if not page:
            break
        seen += [one.holder_id for one in page]
        place = page[-1].place
    assert seen == [one.lock_id for one in locks]


async def agreed(store: BookingStore, hotel: Hotel, kind: str, room_id: str, stay: Stay) -> bool:
    """Whether a stay can be had, which is said before and seen then."""
    ask = of_room(store, hotel, room_id, stay) if room_id else of_type(store, hotel, kind, stay)
    taken, found = await ask
    (answer,) = await store.acquire([replace(hotel.request(kind, stay), room_id=room_id)])
    granted = isinstance(answer, Lock)
    assert granted == (not taken), (kind, room_id, stay, found)
    assert taken or not found
    if isinstance(answer, Lock):
        held = (answer.lock_id, answer.owner_token)
        await store.release(hotel.tenant_id, uuid4(), b"", *held)
    return granted


async def test_what_stands_in_the_way_is_what_refuses(store: BookingStore, hotel: Hotel) -> None:
    """Both directions, over every short stay: refused when somebody is named, else granted."""
    for first, nights in ((10, 2), (12, 2), (16, 1)):
        await booked(store, hotel, "suite", first, 1)
        for _ in range(3):
            await locked(store, hotel, "single", first, nights)
    for kind in ("single", "double", "suite"):
        for first in range(9, 18):
            await agreed(store, hotel, kind, "", hotel.stay(first, 2))


async def test_what_stands_in_the_way_near_pins_is_what_refuses(
    store: BookingStore, rooms: RoomStore, sql: Sql
) -> None:
    """A room each night, and none for both: shut ones, sold as such, or simply the only one."""
    counts = {"single": 3, "double": 2, "suite": 1}
    hotel = await Hotel.create(sql, "small", counts)
    order = Order(hotel.tenant_id, uuid4(), b"", Actor(ActorKind.STAFF, "eva"))
    for number, first, nights in ((1, 11, 1), (2, 10, 1), (3, 10, 2)):
        span = Span(*days(hotel, first, first + nights - 1))
        shut = replace(order, request_id=uuid4())
        await rooms.shut(shut, f"single-{number}", span, forced=False)
    sold = [
        await booked(store, hotel, "double", first, 1, room_id=room)
        for first, room in ((10, "double-1"), (11, "double-2"))
    ]
    await booked(store, hotel, "double", 12, 2)
    only = await locked(store, hotel, "suite", 10, 2)
    granted = [
        await agreed(store, hotel, kind, room_id, hotel.stay(first, nights))
        for kind, count in counts.items()
        for room_id in ("", *(f"{kind}-{number + 1}" for number in range(count)))
        for first in range(9, 13)
        for nights in (1, 2)
    ]
    assert len(set(granted)) == 2
    both, stay = days(hotel, 10, 11), hotel.stay(10, 2)
    assert await of_type(store, hotel, "single", stay) == (both, [])
    taken, found = await of_type(store, hotel, "double", stay)
    assert taken == both
    assert [one.holder_id for one in found] == [one.reservation_id for one in sold]
    taken, found = await of_room(store, hotel, "suite-1", stay)
    assert taken == both
    assert [one.holder_id for one in found] == [only.lock_id]


async def test_it_reads_and_writes_nothing(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    await locked(store, hotel, "suite", 10, 2)
    await hotel.lapse()
    written = "SELECT (SELECT count(*) FROM lock_audit), (SELECT count(*) FROM request_answer)"
    before = await sql.fetchrow(written)
    for sql_text in (
        ConflictStore.SELECT_CONFLICTS_OF_TYPE,
        ConflictStore.SELECT_CONFLICTS_OF_ROOM,
    ):
        async with sql.transaction(readonly=True):
            stay = hotel.stay()
            place = (stay.check_in, stay.check_out, *FIRST_CONFLICT)
            await sql.fetch(sql_text, hotel.tenant_id, "suite", *place, 50, [])
    assert await sql.fetchrow(written) == before


async def test_another_hotels_places_are_unknown(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    other = await Hotel.create(sql, "other", {"palace": 1})
    for room_type_id, room_id, reason in (
        ("palace", "", "ROOM_TYPE_UNKNOWN"),
        ("", "palace-1", "ROOM_UNKNOWN"),
    ):
        wanted = ConflictFilter(hotel.tenant_id, room_type_id, room_id, hotel.stay())
        with pytest.raises(NotFound) as caught:
            await store.conflicts(wanted, FIRST_CONFLICT, 50)
        assert caught.value.reason == reason
        wanted = ConflictFilter(other.tenant_id, room_type_id, room_id, hotel.stay())
        assert await store.conflicts(wanted, FIRST_CONFLICT, 50) == ((), [])
