"""A lock after it was granted: extended, looked up, listed, and what is written of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from meshkit.errors import Aborted, FailedPrecondition, MeshError, NotFound, PermissionDenied
from services.booking.domain import Guests, Lock, LockState, RoomWish
from services.booking.locks.store import FIRST_PLACE, LockFilter, LockPlace
from services.booking.reservations.domain import Actor, ActorKind, Order
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent

TERM = dt.timedelta(minutes=20)
MINUTES_PASS = """
UPDATE room_lock SET create_time = create_time - $3::interval,
    expire_time = expire_time - $3::interval
WHERE tenant_id = $1 AND lock_id = $2
"""
COUNT_WRITTEN = """
SELECT (SELECT count(*) FROM lock_audit) + (SELECT count(*) FROM request_answer)
"""


async def acquire(store: BookingStore, hotel: Hotel, room_type_id: str = "suite") -> Lock:
    """A lock that is granted."""
    (lock,) = await store.acquire([hotel.request(room_type_id)])
    assert isinstance(lock, Lock)
    return lock


async def extend(store: BookingStore, lock: Lock, request_id: UUID | None = None) -> Lock:
    """What its owner does."""
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    return await store.extend(lock.tenant_id, request_id or uuid4(), b"", *held)


async def minutes_pass(hotel: Hotel, lock: Lock, minutes: int) -> None:
    """The lock is so much older."""
    span = dt.timedelta(minutes=minutes)
    await hotel.sql.execute(MINUTES_PASS, hotel.tenant_id, lock.lock_id, span)


async def events(store: BookingStore, lock: Lock) -> list[str]:
    """What the audit says of a lock."""
    return [one.event for one in await store.lock_events(lock.tenant_id, lock.lock_id, 0, 50)]


async def test_extending_begins_the_term_again(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    lock = await acquire(store, hotel)
    await minutes_pass(hotel, lock, 15)
    before = await sql.fetchval("SELECT clock_timestamp()")
    extended = await extend(store, lock)
    after = await sql.fetchval("SELECT clock_timestamp()")
    assert before + TERM <= extended.expire_time <= after + TERM
    assert await store.lock(hotel.tenant_id, lock.lock_id) == extended
    assert await events(store, lock) == ["GRANTED", "EXTENDED"]
    await assert_consistent(sql)


async def test_two_hours_in_all(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    lock = await acquire(store, hotel)
    for _ in range(7):
        await minutes_pass(hotel, lock, 15)
        extended = await extend(store, lock)
    # 105 minutes old: a whole term would be five minutes too long.
    assert extended.expire_time == extended.create_time + dt.timedelta(hours=2)
    assert (await extend(store, lock)).expire_time == extended.expire_time
    await minutes_pass(hotel, lock, 15)
    with pytest.raises(FailedPrecondition, match="run out") as caught:
        await extend(store, lock)
    assert caught.value.reason == "LOCK_EXPIRED"
    await assert_consistent(sql)


async def test_a_shorter_term_takes_nothing_away(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    lock = await acquire(store, hotel)
    await sql.execute("UPDATE property SET lock_seconds = 300")
    assert (await extend(store, lock)).expire_time == lock.expire_time


async def test_an_extension_asked_for_again_gets_the_same_answer(
    store: BookingStore, hotel: Hotel
) -> None:
    lock, request_id = await acquire(store, hotel), uuid4()
    first = await extend(store, lock, request_id)
    copies = await asyncio.gather(*(extend(store, lock, request_id) for _ in range(8)))
    await extend(store, lock)
    await store.release(hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token)
    assert {*copies, await extend(store, lock, request_id)} == {first}
    assert await events(store, lock) == ["GRANTED", "EXTENDED", "EXTENDED", "RELEASED"]
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    with pytest.raises(FailedPrecondition) as caught:
        await store.extend(hotel.tenant_id, request_id, b"else", *held)
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_what_may_not_be_extended_leaves_nothing(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    live, over, released = [await acquire(store, hotel, "double") for _ in range(3)]
    converted = await acquire(store, hotel, "double")
    held = (converted.lock_id, converted.owner_token, converted.fencing_number)
    await store.confirm(hotel.tenant_id, uuid4(), b"", *held)
    await store.release(hotel.tenant_id, uuid4(), b"", released.lock_id, released.owner_token)
    await hotel.lapse(over.lock_id)
    token, fence = live.owner_token, live.fencing_number
    cases: list[tuple[UUID, str, int, type[MeshError], str]] = [
        (uuid4(), token, fence, NotFound, "LOCK_UNKNOWN"),
        (live.lock_id, "another", fence, PermissionDenied, "NOT_LOCK_OWNER"),
        (live.lock_id, token, fence - 1, Aborted, "STALE_FENCE"),
    ]
    cases += [
        (one.lock_id, one.owner_token, one.fencing_number, FailedPrecondition, reason)
        for one, reason in (
            (over, "LOCK_EXPIRED"),
            (released, "LOCK_RELEASED"),
            (converted, "LOCK_CONVERTED"),
        )
    ]
    written = await sql.fetchval(COUNT_WRITTEN)
    for lock_id, owner_token, number, kind, reason in cases:
        with pytest.raises(kind) as caught:
            await store.extend(hotel.tenant_id, uuid4(), b"", lock_id, owner_token, number)
        assert caught.value.reason == reason
    assert await sql.fetchval(COUNT_WRITTEN) == written
    assert (await store.lock(hotel.tenant_id, live.lock_id)).expire_time == live.expire_time
    assert (await store.lock(hotel.tenant_id, over.lock_id)).state is LockState.EXPIRED
    await assert_consistent(sql)


async def test_an_extended_lock_keeps_its_room(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    lock = await acquire(store, hotel)
    await minutes_pass(hotel, lock, 15)
    await extend(store, lock)
    await minutes_pass(hotel, lock, 15)
    (other,) = await store.acquire([hotel.request("suite")])
    assert isinstance(other, MeshError)
    assert other.reason == "SOLD_OUT"
    await assert_consistent(sql)


async def test_a_lock_that_the_hotel_takes_is_free_at_once_and_the_history_says_who(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    wanted = replace(hotel.request("suite"), other_rooms=(RoomWish("double", Guests(1, 0)),))
    (lock,) = await store.acquire([wanted])
    assert isinstance(lock, Lock)
    order = Order(hotel.tenant_id, uuid4(), b"", Actor(ActorKind.STAFF, "bea"), "a wedding")
    copies = await asyncio.gather(*(store.revoke(order, lock.lock_id) for _ in range(8)))
    assert {one.state for one in copies} == {LockState.RELEASED}
    other = await acquire(store, hotel)
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    with pytest.raises(FailedPrecondition, match="taken back by the hotel") as caught:
        await store.confirm(hotel.tenant_id, uuid4(), b"", *held)
    assert caught.value.reason == "LOCK_RELEASED"
    history = await store.lock_events(hotel.tenant_id, lock.lock_id, 0, 50)
    told = [(one.event, one.room_type_id, one.actor_id, one.reason) for one in history]
    assert sorted(told[:2]) == [("GRANTED", "double", None, ""), ("GRANTED", "suite", None, "")]
    assert sorted(told[2:]) == [
        ("RELEASED", "double", "bea", "a wedding"),
        ("RELEASED", "suite", "bea", "a wedding"),
    ]
    # One that its owner gives back has nobody of the hotel in its history.
    await store.release(hotel.tenant_id, uuid4(), b"", other.lock_id, other.owner_token)
    history = await store.lock_events(hotel.tenant_id, other.lock_id, 0, 50)
    assert [one.actor_id for one in history] == [None, None]
    await assert_consistent(sql)


async def test_what_the_hotel_may_not_take_leaves_nothing(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    over, converted = [await acquire(store, hotel, "double") for _ in range(2)]
    held = (converted.lock_id, converted.owner_token, converted.fencing_number)
    await store.confirm(hotel.tenant_id, uuid4(), b"", *held)
    await hotel.lapse(over.lock_id)
    written = await sql.fetchval(COUNT_WRITTEN)
    for lock_id in (over.lock_id, converted.lock_id, uuid4()):
        with pytest.raises((FailedPrecondition, NotFound)):
            await store.revoke(Order(hotel.tenant_id, uuid4(), b""), lock_id)
    assert await sql.fetchval(COUNT_WRITTEN) == written


async def test_live_locks_are_listed_page_by_page(store: BookingStore, hotel: Hotel) -> None:
    requests = [hotel.request("single", guest_id="ana"), hotel.request("double", guest_id="ana")]
    requests += [hotel.request("double") for _ in range(3)]
    locks = [one for one in await store.acquire(requests) if isinstance(one, Lock)]
    await hotel.lapse(locks[-1].lock_id)
    await store.release(hotel.tenant_id, uuid4(), b"", locks[-2].lock_id, locks[-2].owner_token)
    found, place = [], FIRST_PLACE
    while page := await store.live_locks(LockFilter(hotel.tenant_id), place, 2):
        found += page
        place = LockPlace(page[-1].room_type_id, page[-1].expire_time, page[-1].lock_id)
    assert set(found) == set(locks[:3])
    assert [one.room_type_id for one in found] == ["double", "double", "single"]
    for wanted, expected in (
        (LockFilter(hotel.tenant_id, guest_id="ana"), {locks[0], locks[1]}),
        (LockFilter(hotel.tenant_id, room_type_id="single"), {locks[0]}),
        (LockFilter("another hotel"), set()),
    ):
        assert set(await store.live_locks(wanted, FIRST_PLACE, 50)) == expected


async def test_a_lock_that_others_took_is_noted_as_refused_once_for_each_request(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    lock = await acquire(store, hotel)
    await hotel.lapse(lock.lock_id)
    await acquire(store, hotel)
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    again = uuid4()
    for request_id in (again, again, uuid4()):
        with pytest.raises(FailedPrecondition, match="LOCK_EXPIRED"):
            await store.confirm(hotel.tenant_id, request_id, b"", *held)
    history = await store.lock_events(hotel.tenant_id, lock.lock_id, 0, 50)
    assert [(one.event, one.reason) for one in history] == [
        ("GRANTED", ""),
        ("EXPIRED", ""),
        ("REFUSED", "LOCK_EXPIRED"),
        ("REFUSED", "LOCK_EXPIRED"),
    ]
    assert {one.stay for one in history} == {lock.stay}
    await assert_consistent(sql)


async def test_every_decision_is_in_the_history(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Granted, refused, extended, released, expired and converted, in their order."""
    first = await acquire(store, hotel)
    await store.acquire([hotel.request("suite")])
    await extend(store, first)
    await store.release(hotel.tenant_id, uuid4(), b"", first.lock_id, first.owner_token)
    second = await acquire(store, hotel)
    await hotel.lapse(second.lock_id)
    third = await acquire(store, hotel)
    held = (third.lock_id, third.owner_token, third.fencing_number)
    await store.confirm(hotel.tenant_id, uuid4(), b"", *held)
    history, after = [], 0
    while page := await store.lock_events(hotel.tenant_id, None, after, 3):
        history += page
        after = page[-1].event_number
    assert [(one.event, one.reason, one.lock_id) for one in history] == [
        ("GRANTED", "", first.lock_id),
        ("REFUSED", "SOLD_OUT", None),
        ("EXTENDED", "", first.lock_id),
        ("RELEASED", "", first.lock_id),
        ("GRANTED", "", second.lock_id),
        ("EXPIRED", "", second.lock_id),
        ("GRANTED", "", third.lock_id),
        ("CONVERTED", "", third.lock_id),
    ]
    assert {one.stay for one in history} == {hotel.stay()}
    assert await store.lock_events("another hotel", None, 0, 50) == []
    assert await store.lock_events("another hotel", first.lock_id, 0, 50) == []
    await assert_consistent(sql)
