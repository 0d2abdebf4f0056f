"""The contract of `BookingService`, through a synchronous stub, from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast
from uuid import uuid4

import grpc
import pytest
from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    BatchAcquireLocksRequest,
    CancelReservationRequest,
    ConfirmReservationRequest,
    GetReservationRequest,
    ReleaseLockRequest,
    SearchAvailabilityRequest,
)
from conserje.booking.v1.lock_pb2 import LOCK_STATE_LIVE, LOCK_STATE_RELEASED, Lock
from conserje.booking.v1.reservation_pb2 import (
    RESERVATION_STATE_CANCELLED,
    RESERVATION_STATE_CONFIRMED,
)
from conserje.booking.v1.room_type_pb2 import (
    FRESHNESS_LIVE,
    UNAVAILABLE_REASON_SOLD_OUT,
    UNAVAILABLE_REASON_TOO_MANY_GUESTS,
)
from google.protobuf.duration_pb2 import Duration
from google.rpc.status_pb2 import Status
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from grpc_status import rpc_status

from meshkit.errors import InvalidArgument, MeshError
from meshkit.status import from_status
from services.booking.domain import CODE_ALPHABET
from tests.integration.booking.hotel import Hotel

Call: TypeAlias = Callable[..., Awaitable[Any]]


def day(hotel: Hotel, after: int) -> Date:
    """The date so many days from the hotel's today."""
    date = hotel.today + dt.timedelta(days=after)
    return Date(year=date.year, month=date.month, day=date.day)


def lock_request(hotel: Hotel, **changes: Any) -> AcquireLockRequest:
    """The suite for two nights, ten days ahead, unless told otherwise."""
    fields: dict[str, Any] = {
        "tenant_id": hotel.tenant_id,
        "request_id": str(uuid4()),
        "room_type_id": "suite",
        "check_in_date": day(hotel, 10),
        "check_out_date": day(hotel, 12),
        "adult_count": 2,
        "guest_id": uuid4().hex,
    }
    return AcquireLockRequest(**(fields | changes))


def confirm_request(lock: Lock, **changes: Any) -> ConfirmReservationRequest:
    """What the lock's owner sends to confirm it."""
    fields: dict[str, Any] = {
        "tenant_id": lock.tenant_id,
        "request_id": str(uuid4()),
        "lock_id": lock.lock_id,
        "owner_token": lock.owner_token,
        "fencing_number": lock.fencing_number,
    }
    return ConfirmReservationRequest(**(fields | changes))


async def refused(call: Call, method: Any, request: Any) -> tuple[grpc.StatusCode, MeshError]:
    """How the call fails: the code, and the error that its details describe."""
    with pytest.raises(grpc.RpcError) as caught:
        await call(method, request)
    status = rpc_status.from_call(cast(grpc.Call, caught.value))
    assert status is not None
    assert any("ErrorInfo" in detail.type_url for detail in status.details)
    return caught.value.code(), from_status(Status.FromString(status.SerializeToString()))


async def test_a_guest_searches_locks_confirms_looks_up_and_cancels(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    search = SearchAvailabilityRequest(
        tenant_id=hotel.tenant_id,
        check_in_date=day(hotel, 10),
        check_out_date=day(hotel, 12),
        adult_count=2,
    )
    found = await call(grpc_stub.SearchAvailability, search)
    assert {one.room_type_id: one.free_count for one in found.room_types} == {
        "single": 3,
        "double": 5,
        "suite": 1,
    }
    assert found.freshness == FRESHNESS_LIVE
    assert [(p.units, p.nanos) for p in found.room_types[0].nightly_prices] == [
        (100, 500_000_000)
    ] * 2
    assert found.room_types[0].total_price.units == 201

    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel))).lock
    assert lock.state == LOCK_STATE_LIVE
    assert lock.owner_token
    assert lock.quote.total_price.units == 201

    confirm = confirm_request(lock)
    reservation = (await call(grpc_stub.ConfirmReservation, confirm)).reservation
    assert reservation.state == RESERVATION_STATE_CONFIRMED
    assert len(reservation.confirmation_code) == 8
    assert set(reservation.confirmation_code) <= set(CODE_ALPHABET)
    assert reservation.room_number == "1"
    assert (await call(grpc_stub.ConfirmReservation, confirm)).reservation == reservation

    code = reservation.confirmation_code.lower()
    for key in (
        {"reservation_id": reservation.reservation_id},
        {"confirmation_code": f"{code[:4]} {code[4:]}"},
    ):
        get = GetReservationRequest(tenant_id=hotel.tenant_id, **key)
        assert (await call(grpc_stub.GetReservation, get)).reservation == reservation

    for _ in range(2):
        cancel = CancelReservationRequest(
            tenant_id=hotel.tenant_id,
            request_id=str(uuid4()),
            reservation_id=reservation.reservation_id,
        )
        cancelled = (await call(grpc_stub.CancelReservation, cancel)).reservation
        assert cancelled.state == RESERVATION_STATE_CANCELLED
        assert cancelled.HasField("cancel_time")
    assert (await call(grpc_stub.AcquireLock, lock_request(hotel))).lock.lock_id


async def test_search_says_why_not_and_what_else(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    for room_type_id, count in (("single", 3), ("double", 5), ("suite", 1)):
        for _ in range(count):
            request = lock_request(hotel, room_type_id=room_type_id)
            await call(grpc_stub.AcquireLock, request)
    search = SearchAvailabilityRequest(
        tenant_id=hotel.tenant_id,
        check_in_date=day(hotel, 10),
        check_out_date=day(hotel, 12),
        adult_count=2,
    )
    found = await call(grpc_stub.SearchAvailability, search)
    assert {one.unavailable_reason for one in found.room_types} == {UNAVAILABLE_REASON_SOLD_OUT}
    assert [one.check_in_date for one in found.alternative_stays] == [
        day(hotel, 12),
        day(hotel, 8),
        day(hotel, 13),
    ]
    search.adult_count = 5
    found = await call(grpc_stub.SearchAvailability, search)
    reasons = {one.unavailable_reason for one in found.room_types}
    assert reasons == {UNAVAILABLE_REASON_TOO_MANY_GUESTS}
    assert not found.alternative_stays


async def test_a_lock_is_its_owners(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel))).lock
    release = ReleaseLockRequest(
        tenant_id=hotel.tenant_id,
        request_id=str(uuid4()),
        lock_id=lock.lock_id,
        owner_token="somebody else's",
    )
    denied = (grpc.StatusCode.PERMISSION_DENIED, "NOT_LOCK_OWNER")
    code, error = await refused(call, grpc_stub.ReleaseLock, release)
    assert (code, error.reason) == denied
    stolen = confirm_request(lock, owner_token="somebody else's")
    code, error = await refused(call, grpc_stub.ConfirmReservation, stolen)
    assert (code, error.reason) == denied
    late = confirm_request(lock, fencing_number=lock.fencing_number + 1)
    code, error = await refused(call, grpc_stub.ConfirmReservation, late)
    assert (code, error.reason) == (grpc.StatusCode.ABORTED, "STALE_FENCE")

    release.owner_token = lock.owner_token
    for request_id in (release.request_id, release.request_id, str(uuid4())):
        release.request_id = request_id
        released = (await call(grpc_stub.ReleaseLock, release)).lock
        assert released.state == LOCK_STATE_RELEASED
        assert not released.owner_token
    code, error = await refused(call, grpc_stub.ConfirmReservation, confirm_request(lock))
    assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LOCK_RELEASED")


async def test_a_converted_lock_is_over(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel))).lock
    await call(grpc_stub.ConfirmReservation, confirm_request(lock))
    release = ReleaseLockRequest(
        tenant_id=hotel.tenant_id,
        request_id=str(uuid4()),
        lock_id=lock.lock_id,
        owner_token=lock.owner_token,
    )
    for method, request in (
        (grpc_stub.ReleaseLock, release),
        (grpc_stub.ConfirmReservation, confirm_request(lock)),
    ):
        code, error = await refused(call, method, request)
        assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LOCK_CONVERTED")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"check_out_date": Date(year=2020, month=1, day=1)}, "check_out_date"),
        ({"check_in_date": Date(year=2027, month=2, day=31)}, "check_in_date"),
        ({"check_in_date": Date(year=2027)}, "check_in_date"),
        ({"check_out_date": Date(year=9999, month=12, day=31)}, "check_out_date"),
        ({"adult_count": -1}, "adult_count"),
        ({"adult_count": 0}, "adult_count"),
        ({"child_count": -1}, "child_count"),
        ({"accepted_total_price": Money(currency_code="EUR", units=-5)}, "accepted_total_price"),
        ({"request_id": "no uuid"}, "request_id"),
        ({"tenant_id": ""}, "tenant_id"),
        ({"guest_id": "a\0b"}, "guest_id"),
        ({"room_type_id": "suite\0"}, "room_type_id"),
        ({"tenant_id": "mira\0dor"}, "tenant_id"),
    ],
)
async def test_bad_input_names_its_field(
    grpc_stub: Any, call: Call, hotel: Hotel, changes: dict[str, Any], field: str
) -> None:
    code, error = await refused(call, grpc_stub.AcquireLock, lock_request(hotel, **changes))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_REQUEST"
    assert isinstance(error, InvalidArgument)
    assert field in {one.field for one in error.violations}
    stored = "SELECT count(*) FROM request_answer WHERE tenant_id = $1"
    assert await hotel.sql.fetchval(stored, hotel.tenant_id) == 0


@pytest.mark.parametrize(
    ("first", "nights", "reason", "field"),
    [
        (-1, 2, "CHECK_IN_PAST", "check_in_date"),
        (59, 2, "BEYOND_HORIZON", "check_out_date"),
        (10, 0, "INVALID_REQUEST", "check_out_date"),
        (10, -1, "INVALID_REQUEST", "check_out_date"),
        (10, 91, "INVALID_REQUEST", "check_out_date"),
    ],
)
async def test_bad_dates_of_a_search_and_of_a_lock(
    grpc_stub: Any, call: Call, hotel: Hotel, first: int, nights: int, reason: str, field: str
) -> None:
    dates: dict[str, Any] = {
        "check_in_date": day(hotel, first),
        "check_out_date": day(hotel, first + nights),
    }
    search = SearchAvailabilityRequest(tenant_id=hotel.tenant_id, adult_count=2, **dates)
    for method, request in (
        (grpc_stub.SearchAvailability, search),
        (grpc_stub.AcquireLock, lock_request(hotel, **dates)),
    ):
        code, error = await refused(call, method, request)
        assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        assert isinstance(error, InvalidArgument)
        assert [one.field for one in error.violations] == [field]
        if reason == "BEYOND_HORIZON":
            last = hotel.today + dt.timedelta(days=59)
            assert error.metadata == {"last_night": str(last)}


async def test_another_hotels_ids_are_unknown(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    other = await Hotel.create(hotel.sql, f"{hotel.tenant_id}-too", {"suite": 1})
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel))).lock
    foreign = confirm_request(lock, tenant_id=other.tenant_id)
    code, error = await refused(call, grpc_stub.ConfirmReservation, foreign)
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "LOCK_UNKNOWN")
    release = ReleaseLockRequest(
        tenant_id=other.tenant_id,
        request_id=str(uuid4()),
        lock_id=lock.lock_id,
        owner_token=lock.owner_token,
    )
    code, error = await refused(call, grpc_stub.ReleaseLock, release)
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "LOCK_UNKNOWN")

    reservation = (await call(grpc_stub.ConfirmReservation, confirm_request(lock))).reservation
    unknown = (grpc.StatusCode.NOT_FOUND, "RESERVATION_UNKNOWN")
    for key in (
        {"reservation_id": reservation.reservation_id},
        {"confirmation_code": reservation.confirmation_code},
    ):
        get = GetReservationRequest(tenant_id=other.tenant_id, **key)
        code, error = await refused(call, grpc_stub.GetReservation, get)
        assert (code, error.reason) == unknown
    cancel = CancelReservationRequest(
        tenant_id=other.tenant_id,
        request_id=str(uuid4()),
        reservation_id=reservation.reservation_id,
    )
    code, error = await refused(call, grpc_stub.CancelReservation, cancel)
    assert (code, error.reason) == unknown
    # The same request id is another request in another hotel.
    request = lock_request(hotel, room_type_id="double")
    ours = (await call(grpc_stub.AcquireLock, request)).lock
    request.tenant_id, request.room_type_id = other.tenant_id, "suite"
    theirs = (await call(grpc_stub.AcquireLock, request)).lock
    assert ours.lock_id != theirs.lock_id


async def test_what_is_unknown_is_not_found(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    cases = {
        "PROPERTY_UNKNOWN": (
            grpc_stub.SearchAvailability,
            SearchAvailabilityRequest(
                tenant_id="nobody",
                check_in_date=day(hotel, 1),
                check_out_date=day(hotel, 2),
                adult_count=1,
            ),
        ),
        "ROOM_TYPE_UNKNOWN": (grpc_stub.AcquireLock, lock_request(hotel, room_type_id="palace")),
        "LOCK_UNKNOWN": (
            grpc_stub.ConfirmReservation,
            confirm_request(
                Lock(tenant_id=hotel.tenant_id, lock_id="ours?", owner_token="t", fencing_number=1)
            ),
        ),
        "RESERVATION_UNKNOWN": (
            grpc_stub.GetReservation,
            GetReservationRequest(tenant_id=hotel.tenant_id, confirmation_code="NOSUCH"),
        ),
    }
    for reason, (method, request) in cases.items():
        code, error = await refused(call, method, request)
        assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, reason)


async def test_items_of_a_batch_fail_alone(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    good = lock_request(hotel)
    batch = BatchAcquireLocksRequest(
        items=[
            good,
            lock_request(hotel, adult_count=0),
            lock_request(hotel, guest_id="a\0b"),
            lock_request(hotel, room_type_id="palace"),
            lock_request(hotel),
            lock_request(hotel, room_type_id="double", time_remaining=Duration()),
            lock_request(hotel, room_type_id="double", time_remaining=Duration(seconds=1)),
            good,
        ]
    )
    results = (await call(grpc_stub.BatchAcquireLocks, batch)).results
    said = [
        from_status(one.error).reason if one.HasField("error") else one.value.lock.room_type_id
        for one in results
    ]
    assert said == [
        "suite",
        "INVALID_REQUEST",
        "INVALID_REQUEST",
        "ROOM_TYPE_UNKNOWN",
        "SOLD_OUT",
        "TIME_OVER",
        "double",
        "suite",
    ]
    assert results[0] == results[7]
    code, _ = await refused(call, grpc_stub.BatchAcquireLocks, BatchAcquireLocksRequest())
    assert code == grpc.StatusCode.INVALID_ARGUMENT
