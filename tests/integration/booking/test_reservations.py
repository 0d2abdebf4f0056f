"""From a lock to a reservation, to a room, and back to free nights."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from meshkit.errors import Aborted, FailedPrecondition, MeshError, NotFound, PermissionDenied
from services.booking.domain import (
    Guests,
    Lock,
    Reservation,
    ReservationState,
    RoomWish,
    Stay,
)
from services.booking.store import BookingStore
from tests.integration.booking.hotel import COUNT_CHANGE, Hotel, Sql, assert_consistent


async def take(
    store: BookingStore, hotel: Hotel, stay: Stay | None = None, room_type_id: str = "suite"
) -> Lock:
    """A lock that is granted."""
    (lock,) = await store.acquire([hotel.request(room_type_id, stay)])
    assert isinstance(lock, Lock), lock
    return lock


async def confirm(store: BookingStore, lock: Lock) -> Reservation:
    """Confirm a lock under a request id of its own."""
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    return await store.confirm(lock.tenant_id, uuid4(), b"", *held)


async def cancel(store: BookingStore, reservation: Reservation) -> Reservation:
    """Cancel a reservation under a request id of its own."""
    return await store.cancel(reservation.tenant_id, uuid4(), b"", reservation.reservation_id)


async def book(
    store: BookingStore, hotel: Hotel, first: int, nights: int, room_type_id: str = "single"
) -> Reservation:
    """A stay that is booked at once."""
    return await confirm(store, await take(store, hotel, hotel.stay(first, nights), room_type_id))


async def room_of(store: BookingStore, reservation: Reservation) -> str:
    """The room as it is now."""
    now = await store.reservation(reservation.tenant_id, reservation.reservation_id)
    return now.room_number


async def test_a_reservation_keeps_what_was_quoted(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    lock = await take(store, hotel)
    await sql.execute("UPDATE night_inventory SET price = 999")
    reservation = await confirm(store, lock)
    assert reservation.quote == lock.quote
    assert reservation.state is ReservationState.CONFIRMED
    assert reservation.room_number == "1"
    assert await hotel.counters("suite", lock.stay) == [(0, 1)] * 2
    await assert_consistent(sql)


async def test_what_is_wrong_changes_nothing(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    lock = await take(store, hotel)
    fence = lock.fencing_number
    with pytest.raises(PermissionDenied, match="NOT_LOCK_OWNER"):
        await store.confirm(hotel.tenant_id, uuid4(), b"", lock.lock_id, str(uuid4()), fence)
    with pytest.raises(Aborted, match="STALE_FENCE"):
        await store.confirm(
            hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token, fence - 1
        )
    with pytest.raises(NotFound, match="LOCK_UNKNOWN"):
        await store.confirm(hotel.tenant_id, uuid4(), b"", uuid4(), lock.owner_token, fence)
    with pytest.raises(NotFound, match="RESERVATION_UNKNOWN"):
        await store.cancel(hotel.tenant_id, uuid4(), b"", uuid4())
    assert await sql.fetchval("SELECT count(*) FROM request_answer") == 1
    assert await hotel.counters("suite", lock.stay) == [(1, 0)] * 2
    await assert_consistent(sql)


@pytest.mark.parametrize("swept", [False, True])
async def test_a_lapsed_lock_is_taken_again(
    store: BookingStore, hotel: Hotel, sql: Sql, swept: bool
) -> None:
    lock = await take(store, hotel)
    await hotel.lapse(lock.lock_id)
    if swept:
        assert await store.sweep_locks() == 1
    reservation = await confirm(store, lock)
    assert reservation.quote == lock.quote
    events = "SELECT event, reason FROM lock_audit ORDER BY audit_number"
    assert [tuple(row) for row in await sql.fetch(events)] == [
        ("GRANTED", ""),
        ("EXPIRED", ""),
        ("CONVERTED", "RETAKEN"),
    ]
    await assert_consistent(sql)


async def test_a_lapsed_lock_whose_night_was_taken(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    lock = await take(store, hotel, hotel.stay(10, 3))
    await hotel.lapse(lock.lock_id)
    await take(store, hotel, hotel.stay(12, 2))
    with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
        await confirm(store, lock)
    await assert_consistent(sql)


async def test_nobody_is_told_the_new_price_of_what_is_gone(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    lock = await take(store, hotel)
    await hotel.lapse(lock.lock_id)
    await take(store, hotel)
    await sql.execute("UPDATE night_inventory SET price = 99")
    await sql.execute(COUNT_CHANGE)
    with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
        await confirm(store, lock)


async def test_two_rooms_are_gone_when_one_is_left(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    request = replace(hotel.request("single"), other_rooms=(RoomWish("single", Guests(2, 0)),))
    (lock,) = await store.acquire([request])
    assert isinstance(lock, Lock)
    await hotel.lapse(lock.lock_id)
    for _ in range(2):
        await take(store, hotel, room_type_id="single")
    await sql.execute("UPDATE night_inventory SET price = 99")
    await sql.execute(COUNT_CHANGE)
    with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
        await confirm(store, lock)


async def test_a_lapsed_lock_whose_nights_cost_otherwise(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    lock = await take(store, hotel)
    await hotel.lapse(lock.lock_id)
    night = lock.stay.check_in + dt.timedelta(days=1)
    await sql.execute("UPDATE night_inventory SET price = 110.25 WHERE night = $1", night)
    await sql.execute(COUNT_CHANGE)
    with pytest.raises(FailedPrecondition, match="PRICE_CHANGED") as caught:
        await confirm(store, lock)
    assert caught.value.metadata == {"total_price": "210.75", "currency_code": "EUR"}
    assert await hotel.counters("suite", lock.stay) == [(0, 0)] * 2
    await assert_consistent(sql)


async def test_a_lapsed_lock_whose_arrival_is_past(store: BookingStore, sql: Sql) -> None:
    """It is always a day later in Kiritimati than in Pago Pago."""
    hotel = await Hotel.create(sql, "islands", {"suite": 1}, "Pacific/Pago_Pago")
    lock = await take(store, hotel, hotel.stay(0))
    await hotel.lapse(lock.lock_id)
    await sql.execute("UPDATE property SET time_zone = 'Pacific/Kiritimati'")
    with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
        await confirm(store, lock)
    await assert_consistent(sql)


async def test_a_refused_confirmation_is_remembered(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    lock = await take(store, hotel)
    await hotel.lapse(lock.lock_id)
    other = await take(store, hotel)
    request_id = uuid4()
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
            await store.confirm(hotel.tenant_id, request_id, b"same", *held)
        await store.release(hotel.tenant_id, uuid4(), b"", other.lock_id, other.owner_token)
    with pytest.raises(FailedPrecondition, match="REQUEST_ID_REUSED"):
        await store.confirm(hotel.tenant_id, request_id, b"other", *held)
    assert (await confirm(store, lock)).state is ReservationState.CONFIRMED
    await assert_consistent(sql)


async def test_a_confirmation_said_again_after_a_cancellation(
    store: BookingStore, hotel: Hotel
) -> None:
    """The same id, the same answer: what became of it later is another question."""
    lock = await take(store, hotel)
    request_id = uuid4()
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    told = await store.confirm(hotel.tenant_id, request_id, b"", *held)
    await cancel(store, told)
    assert await store.confirm(hotel.tenant_id, request_id, b"", *held) == told


async def test_cancelled_nights_are_free_at_once(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    reservation = await confirm(store, await take(store, hotel))
    first = await cancel(store, reservation)
    assert first.state is ReservationState.CANCELLED
    assert first.cancel_time is not None
    assert await cancel(store, first) == first
    assert await hotel.counters("suite", first.stay) == [(0, 0)] * 2
    again = await confirm(store, await take(store, hotel))
    assert again.room_number == "1"
    assert again.confirmation_code != first.confirmation_code
    await assert_consistent(sql)


async def test_releasing_what_ended_by_itself(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    lock = await take(store, hotel)
    await hotel.lapse(lock.lock_id)
    released = await store.release(hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token)
    assert released.state.value == "RELEASED"
    await take(store, hotel)
    await assert_consistent(sql)


async def test_stays_move_when_every_night_has_another_room_free(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Rooms 1 and 2 are each taken on one of two nights; room 3 on both: one free a night."""
    first = await book(store, hotel, 10, 1)
    second = await book(store, hotel, 10, 1)
    third = await book(store, hotel, 11, 1)
    fourth = await book(store, hotel, 10, 2)
    await cancel(store, first)
    assert {await room_of(store, one) for one in (second, third)} == {"1", "2"}
    assert await room_of(store, fourth) == "3"
    fifth = await book(store, hotel, 10, 2)
    assert fifth.room_number in ("1", "2", "3")
    await assert_consistent(sql)


async def test_guests_who_are_in_their_rooms_stay_there(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    inside = [await book(store, hotel, 0, 2) for _ in range(2)]
    rooms = [one.room_number for one in inside]
    gone = await book(store, hotel, 2, 1)
    later = await book(store, hotel, 3, 1)
    beside = await book(store, hotel, 2, 1)
    long = await book(store, hotel, 2, 2)
    await cancel(store, gone)
    last = await book(store, hotel, 2, 2)
    assert [await room_of(store, one) for one in inside] == rooms
    assert {(await room_of(store, one)) for one in (beside, long, last)} == {"1", "2", "3"}
    assert await room_of(store, later) == await room_of(store, beside)
    await assert_consistent(sql)


async def test_more_is_sold_than_there_are_rooms(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Sold as debt on purpose: the last one goes without a room, nobody gives one up."""
    await sql.execute("UPDATE night_inventory SET debt = 1 WHERE room_type_id = 'suite'")
    booked = [await book(store, hotel, 10, 2, "suite") for _ in range(2)]
    assert [await room_of(store, one) for one in booked] == ["1", ""]
    (refused,) = await store.acquire([hotel.request("suite")])
    assert isinstance(refused, MeshError)
    assert refused.reason == "SOLD_OUT"


async def test_money_is_exact(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    await sql.execute("UPDATE night_inventory SET price = 0.1")
    lock = await take(store, hotel, hotel.stay(10, 3))
    assert lock.quote.total_price == Decimal("0.3")
