"""Locks of several rooms, of several types and of particular rooms."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from meshkit.errors import FailedPrecondition, MeshError, NotFound
from meshkit.postgres import Postgres
from services.booking.domain import Guests, Lock, LockRequest, LockState, Reservation, RoomWish
from services.booking.locks.conflicts import FIRST_CONFLICT, ConflictFilter
from services.booking.locks.store import FIRST_PLACE, LockFilter
from services.booking.metrics import BookingMetrics
from services.booking.reservations.domain import Order
from services.booking.reservations.taking import Wishes
from services.booking.rooms.store import RoomStore
from services.booking.store import BookingStore
from tests.integration.booking.hotel import PRICE, Hotel, Sql, assert_consistent
from tests.integration.booking.test_rooms import shut

TWO = Guests(2, 0)


def wanted(hotel: Hotel, *rooms: str, first: int = 10, nights: int = 2) -> LockRequest:
    """A lock of rooms: of a type (`double`), or this very one (`double-3`)."""
    kinds = [one.partition("-") for one in rooms]
    wishes = [RoomWish(kind, TWO, kind + "-" + n if n else "") for kind, _, n in kinds]
    return LockRequest(
        tenant_id=hotel.tenant_id,
        request_id=uuid4(),
        room_type_id=wishes[0].room_type_id,
        stay=hotel.stay(first, nights),
        guests=TWO,
        guest_id=uuid4().hex,
        room_id=wishes[0].room_id,
        other_rooms=tuple(wishes[1:]),
    )


async def take(store: BookingStore, request: LockRequest) -> Lock:
    """The lock, which is granted."""
    (answer,) = await store.acquire([request])
    assert isinstance(answer, Lock), answer
    return answer


async def refused(store: BookingStore, request: LockRequest) -> str:
    """Why there is no lock."""
    (answer,) = await store.acquire([request])
    assert isinstance(answer, MeshError), answer
    return answer.reason


async def confirm(store: BookingStore, lock: Lock) -> Reservation:
    """The lock turned into a reservation."""
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    return await store.confirm(lock.tenant_id, uuid4(), b"", *held)


async def test_several_rooms_of_several_types_are_one_lock(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    request = wanted(hotel, "double", "double", "suite")
    lock = await take(store, request)
    assert [one.room_type_id for one in lock.other_rooms] == ["double", "suite"]
    assert lock.total_price == 6 * PRICE
    assert await hotel.counters("double", lock.stay) == [(2, 0)] * 2
    assert await hotel.counters("suite", lock.stay) == [(1, 0)] * 2
    assert await take(store, request) == lock
    assert await store.lock(hotel.tenant_id, lock.lock_id) == lock

    filters = LockFilter(hotel.tenant_id), LockFilter(hotel.tenant_id, room_type_id="suite")
    for wish in (*filters, LockFilter(hotel.tenant_id, guest_id=request.guest_id)):
        assert await store.live_locks(wish, FIRST_PLACE, 10) == [lock]

    held = (lock.lock_id, lock.owner_token)
    later = await store.extend(hotel.tenant_id, uuid4(), b"", *held, lock.fencing_number)
    assert later.expire_time > lock.expire_time
    gone = await store.release(hotel.tenant_id, uuid4(), b"", *held)
    assert gone.state is LockState.RELEASED
    assert await hotel.counters("double", lock.stay) == [(0, 0)] * 2
    events = await store.lock_events(hotel.tenant_id, lock.lock_id, 0, 20)
    assert [one.event for one in events] == ["GRANTED"] * 3 + ["EXTENDED"] + ["RELEASED"] * 3
    assert {(one.lock_id, one.guest_id) for one in events} == {(lock.lock_id, request.guest_id)}
    await assert_consistent(sql)


async def test_all_rooms_of_a_lock_or_none(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    request = wanted(hotel, "double", "suite", "suite")
    for _ in range(2):
        assert await refused(store, request) == "SOLD_OUT"
    assert await refused(store, wanted(hotel, "double", "cellar")) == "ROOM_TYPE_UNKNOWN"
    assert await refused(store, wanted(hotel, "double", "suite-9")) == "ROOM_UNKNOWN"
    assert await refused(store, wanted(hotel, "double", first=59)) == "BEYOND_HORIZON"
    assert await hotel.counters("double", request.stay) == [(0, 0)] * 2
    events = await store.lock_events(hotel.tenant_id, None, 0, 20)
    assert [(one.event, one.reason, one.guest_id) for one in events] == [
        ("REFUSED", "SOLD_OUT", request.guest_id)
    ]
    await assert_consistent(sql)


async def test_a_lock_of_many_rooms_is_one_of_the_two_a_guest_may_have(
    store: BookingStore, hotel: Hotel
) -> None:
    for kinds in (("double", "double", "double"), ("single", "single")):
        await take(store, replace(wanted(hotel, *kinds), guest_id="ana"))
    for third in (wanted(hotel, "suite"), wanted(hotel, "suite", "double")):
        assert await refused(store, replace(third, guest_id="ana")) == "TOO_MANY_LOCKS"


async def test_a_lock_of_several_rooms_becomes_one_reservation(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    lock = await take(store, wanted(hotel, "double", "suite", "double"))
    booked = await confirm(store, lock)
    assert [one.room_type_id for one in booked.rooms] == ["double", "suite", "double"]
    assert booked.total_price == lock.total_price
    assert len({(one.room_type_id, one.room_number) for one in booked.rooms}) == 3
    assert await hotel.counters("double", lock.stay) == [(0, 2)] * 2
    assert (await store.lock(hotel.tenant_id, lock.lock_id)).state is LockState.CONVERTED
    await store.cancel(hotel.tenant_id, uuid4(), b"", booked.reservation_id)
    assert await hotel.counters("double", lock.stay) == [(0, 0)] * 2
    await assert_consistent(sql)


async def test_a_lapsed_lock_of_several_rooms_is_taken_again_whole_or_not(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    first = await take(store, wanted(hotel, "double", "suite"))
    await hotel.lapse(first.lock_id)
    await hotel.lapse()
    await store.sweep_locks()
    assert len((await confirm(store, first)).rooms) == 2
    late = await take(store, wanted(hotel, "double", "suite", first=20))
    await sql.execute("UPDATE room_lock SET expire_time = now() WHERE state = 'LIVE'")
    await take(store, wanted(hotel, "suite", first=21))
    with pytest.raises(FailedPrecondition, match="run out"):
        await confirm(store, late)
    assert await hotel.counters("double", late.stay) == [(0, 0)] * 2
    await assert_consistent(sql)


async def test_a_particular_room_is_kept_and_reserved(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    other = await take(store, wanted(hotel, "double"))
    lock = await take(store, wanted(hotel, "double-4", nights=3))
    assert lock.room_id == "double-4"
    assert await refused(store, wanted(hotel, "double-4", first=12)) == "SOLD_OUT"
    conflict = ConflictFilter(hotel.tenant_id, "", "double-4", hotel.stay(12, 5))
    nights, holders = await store.conflicts(conflict, FIRST_CONFLICT, 10)
    assert nights == [hotel.stay(12).check_in]
    assert [one.holder_id for one in holders] == [lock.lock_id]
    assert (await confirm(store, lock)).room_number == "4"
    assert (await confirm(store, other)).room_number != "4"
    await assert_consistent(sql)


async def test_who_is_in_the_room_makes_way_unless_it_was_sold_as_this_one(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    loose = await confirm(store, await take(store, wanted(hotel, "double", first=11)))
    number = loose.room_number
    lock = await take(store, wanted(hotel, f"double-{number}"))
    moved = await store.reservation(hotel.tenant_id, loose.reservation_id)
    assert moved.room_number != number
    assert (await confirm(store, lock)).room_number == number
    assert await refused(store, wanted(hotel, f"double-{number}", first=11)) == "SOLD_OUT"
    await assert_consistent(sql)


async def test_a_particular_room_is_booked_at_once_and_kept_by_a_change(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    order = Order(hotel.tenant_id, uuid4(), b"")
    stay = hotel.stay(10, 2)
    booked = await store.create(order, "ana", stay, [RoomWish("double", TWO, "double-5")])
    assert booked.room_number == "5"
    again = Order(hotel.tenant_id, uuid4(), b"")
    longer = Wishes(check_out=hotel.stay(10, 3).check_out)
    with pytest.raises(FailedPrecondition, match="more than was agreed"):
        await store.modify(again, booked.reservation_id, longer)
    for _ in range(4):
        await take(store, wanted(hotel, "double", first=11))
    assert await refused(store, wanted(hotel, "double-5", first=11)) == "SOLD_OUT"
    shorter = Wishes(check_in=hotel.stay(11, 1).check_in)
    kept = await store.modify(Order(hotel.tenant_id, uuid4(), b""), booked.reservation_id, shorter)
    assert kept.room_number == "5"
    assert await refused(store, wanted(hotel, "double-5", first=11)) == "SOLD_OUT"
    with pytest.raises(NotFound):
        await store.create(
            Order(hotel.tenant_id, uuid4(), b""), "ana", stay, [RoomWish("suite", TWO, "double-1")]
        )
    await assert_consistent(sql)


async def test_several_rooms_near_a_shut_one(
    store: BookingStore, postgres: Postgres, metrics: BookingMetrics, hotel: Hotel, sql: Sql
) -> None:
    rooms = RoomStore(postgres, metrics)
    await shut(rooms, hotel, "double-1", 10)
    await shut(rooms, hotel, "double-2", 11)
    assert await refused(store, wanted(hotel, *["double"] * 4)) == "SOLD_OUT"
    lock = await take(store, wanted(hotel, *["double"] * 3))
    assert len({one.room_number for one in (await confirm(store, lock)).rooms}) == 3
    await assert_consistent(sql)


async def test_locks_of_several_types_in_any_order_do_not_stop_each_other(
    store: BookingStore, metrics: BookingMetrics, hotel: Hotel, sql: Sql
) -> None:
    wishes = [("double", "single"), ("single", "double"), ("single", "suite", "double")] * 6
    requests = [wanted(hotel, *kinds) for kinds in wishes]
    answers = await asyncio.gather(*(store.acquire([one]) for one in requests))
    granted = [one for (one,) in answers if isinstance(one, Lock)]
    assert len(granted) == 3
    # A deadlock would be one.
    (retries,) = metrics.retries.collect()
    assert retries.samples[0].value == 0
    await assert_consistent(sql)
