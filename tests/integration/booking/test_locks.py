"""Locks decided one at a time: who gets one, for how long, and what it says."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from uuid import uuid4

import pytest

from meshkit.errors import FailedPrecondition, InvalidArgument, MeshError, NotFound
from services.booking.domain import Lock, LockRequest, LockState
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent


async def acquire(store: BookingStore, request: LockRequest) -> Lock:
    """The lock; what the service would raise is raised."""
    (answer,) = await store.acquire([request])
    if isinstance(answer, MeshError):
        raise answer
    return answer


async def test_a_granted_lock_says_what_it_keeps(store: BookingStore, hotel: Hotel) -> None:
    request = hotel.request("double", hotel.stay(3, 3))
    lock = await acquire(store, request)
    assert lock.state is LockState.LIVE
    assert lock.stay == request.stay
    assert lock.quote.nightly_prices == (Decimal("100.50"),) * 3
    assert lock.quote.total_price == Decimal("301.50")
    assert lock.quote.currency_code == "EUR"
    assert lock.expire_time - lock.create_time == dt.timedelta(minutes=20)
    assert await hotel.counters("double", request.stay) == [(1, 0)] * 3


async def test_the_last_room_is_kept_once(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    await acquire(store, hotel.request("suite", hotel.stay(10, 3)))
    with pytest.raises(FailedPrecondition) as caught:
        await acquire(store, hotel.request("suite", hotel.stay(12, 3)))
    assert caught.value.reason == "SOLD_OUT"
    await assert_consistent(sql)


async def test_back_to_back_stays_both_succeed(store: BookingStore, hotel: Hotel) -> None:
    await acquire(store, hotel.request("suite", hotel.stay(10, 2)))
    await acquire(store, hotel.request("suite", hotel.stay(12, 2)))
    await acquire(store, hotel.request("suite", hotel.stay(8, 2)))


async def test_a_lapsed_lock_is_dead_at_once(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    first = await acquire(store, hotel.request())
    await hotel.lapse(first.lock_id)
    second = await acquire(store, hotel.request())
    assert second.fencing_number > first.fencing_number
    assert await hotel.counters("suite", second.stay) == [(1, 0)] * 2
    await assert_consistent(sql)


async def test_a_guest_holds_two_live_locks_at_most(store: BookingStore, hotel: Hotel) -> None:
    kept = [
        await acquire(store, hotel.request(one, guest_id="ana")) for one in ("single", "double")
    ]
    with pytest.raises(FailedPrecondition) as caught:
        await acquire(store, hotel.request("suite", guest_id="ana"))
    assert caught.value.reason == "TOO_MANY_LOCKS"
    await hotel.lapse(kept[0].lock_id)
    await acquire(store, hotel.request("suite", guest_id="ana"))


async def test_two_locks_at_most_also_when_asked_for_at_once(
    store: BookingStore, hotel: Hotel
) -> None:
    """Three types are three serialisation points; the guest is a fourth."""
    answers = await asyncio.gather(
        *(
            store.acquire([hotel.request(one, hotel.stay(first), guest_id="ana")])
            for one in ("single", "double", "suite")
            for first in (5, 15, 25)
        )
    )
    granted = [one for (one,) in answers if isinstance(one, Lock)]
    refused = {one.reason for (one,) in answers if isinstance(one, MeshError)}
    assert len(granted) == 2
    assert refused == {"TOO_MANY_LOCKS"}


async def test_the_same_request_gets_the_same_lock(store: BookingStore, hotel: Hotel) -> None:
    request = hotel.request()
    lock = await acquire(store, request)
    assert await acquire(store, request) == lock
    await hotel.lapse(lock.lock_id)
    await store.sweep_locks()
    again = await acquire(store, request)
    assert (again.lock_id, again.owner_token, again.state) == (
        lock.lock_id,
        lock.owner_token,
        LockState.LIVE,
    )


async def test_a_definite_refusal_is_remembered(store: BookingStore, hotel: Hotel) -> None:
    lock = await acquire(store, hotel.request())
    refused = hotel.request()
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as caught:
            await acquire(store, refused)
        assert caught.value.reason == "SOLD_OUT"
        await store.release(
            hotel.tenant_id, uuid4(), b"", lock.lock_id, lock.owner_token
        )  # The room is free now; the answer to the old request stays.
    await acquire(store, hotel.request())


async def test_a_request_id_used_for_something_else(store: BookingStore, hotel: Hotel) -> None:
    request = hotel.request("double")
    lock = await acquire(store, request)
    other = hotel.request("double", hotel.stay(20), request_id=request.request_id)
    with pytest.raises(FailedPrecondition) as caught:
        await acquire(store, other)
    assert caught.value.reason == "REQUEST_ID_REUSED"
    with pytest.raises(FailedPrecondition) as caught:
        await store.release(
            hotel.tenant_id, request.request_id, b"other", lock.lock_id, lock.owner_token
        )
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_bad_input_leaves_nothing_and_may_be_corrected(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    request_id = uuid4()
    bad = {
        "ROOM_TYPE_UNKNOWN": hotel.request("palace", request_id=request_id),
        "CHECK_IN_PAST": hotel.request("suite", hotel.stay(-1), request_id=request_id),
        "BEYOND_HORIZON": hotel.request("suite", hotel.stay(59), request_id=request_id),
    }
    for reason, request in bad.items():
        with pytest.raises((NotFound, InvalidArgument)) as caught:
            await acquire(store, request)
        assert caught.value.reason == reason
    assert caught.value.metadata == {"last_night": str(hotel.today + dt.timedelta(days=59))}
    assert await sql.fetchval("SELECT count(*) FROM request_answer") == 0
    assert await sql.fetchval("SELECT count(*) FROM lock_audit") == 0
    await acquire(store, hotel.request("suite", hotel.stay(58), request_id=request_id))


async def test_a_room_too_small(store: BookingStore, hotel: Hotel) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        await acquire(store, hotel.request(guests=5))
    assert caught.value.reason == "TOO_MANY_GUESTS"


async def test_a_night_without_a_price_is_not_on_sale(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await sql.execute(
        "UPDATE night_inventory SET price = NULL WHERE night = $1", hotel.stay(11).check_in
    )
    with pytest.raises(FailedPrecondition) as caught:
        await acquire(store, hotel.request(stay=hotel.stay(10)))
    assert caught.value.reason == "CLOSED"


async def test_today_is_the_propertys(store: BookingStore, sql: Sql) -> None:
    """At any moment it is another day somewhere; each hotel sells from its own."""
    for time_zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        hotel = await Hotel.create(sql, time_zone, {"suite": 1}, time_zone)
        await acquire(store, hotel.request(stay=hotel.stay(0)))
        with pytest.raises(InvalidArgument) as caught:
            await acquire(store, hotel.request(stay=hotel.stay(-1, 3)))
        assert caught.value.reason == "CHECK_IN_PAST"
