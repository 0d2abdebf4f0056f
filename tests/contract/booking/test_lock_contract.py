"""The contract of the RPCs about granted locks, from outside."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
from conserje.booking.v1.booking_service_pb2 import (
    BatchAcquireLocksRequest,
    CheckConflictsRequest,
    ConfirmReservationRequest,
    ExtendLockRequest,
    GetLockRequest,
    ListLockEventsRequest,
    ListLocksRequest,
    LockRoomRequest,
    RevokeLockRequest,
    SearchAvailabilityRequest,
)
from conserje.booking.v1.lock_pb2 import (
    LOCK_EVENT_KIND_EXTENDED,
    LOCK_EVENT_KIND_GRANTED,
    LOCK_EVENT_KIND_RELEASED,
    LOCK_STATE_LIVE,
    LOCK_STATE_RELEASED,
    Lock,
)
from conserje.booking.v1.reservation_pb2 import ACTOR_KIND_STAFF, Actor

from meshkit.errors import InvalidArgument
from tests.contract.booking.test_booking_contract import (
    Call,
    confirm_request,
    day,
    lock_request,
    refused,
)
from tests.integration.booking.hotel import Hotel


def extend_request(lock: Lock, **changes: Any) -> ExtendLockRequest:
    """What the lock's owner sends for more time."""
    fields: dict[str, Any] = {
        "tenant_id": lock.tenant_id,
        "request_id": str(uuid4()),
        "lock_id": lock.lock_id,
        "owner_token": lock.owner_token,
        "fencing_number": lock.fencing_number,
    }
    return ExtendLockRequest(**(fields | changes))


async def test_a_lock_is_extended_looked_up_listed_and_its_history_read(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel, guest_id="ana"))).lock
    request = extend_request(lock)
    extended = (await call(grpc_stub.ExtendLock, request)).lock
    assert (extended.state, extended.guest_id) == (LOCK_STATE_LIVE, "ana")
    assert extended.expire_time.ToDatetime() > lock.expire_time.ToDatetime()
    assert (await call(grpc_stub.ExtendLock, request)).lock == extended

    tenant = hotel.tenant_id
    get = GetLockRequest(tenant_id=tenant, lock_id=lock.lock_id, owner_token=lock.owner_token)
    assert (await call(grpc_stub.GetLock, get)).lock == extended
    listed = await call(grpc_stub.ListLocks, ListLocksRequest(tenant_id=tenant, page_size=1))
    assert list(listed.locks) == [extended]
    after = ListLocksRequest(tenant_id=tenant, page_token=listed.next_page_token)
    assert not (await call(grpc_stub.ListLocks, after)).locks
    # Whoever lists locks must not be able to use them.
    assert extended.owner_token == ""

    kinds, token = [], ""
    for _ in range(3):
        asked = ListLockEventsRequest(tenant_id=tenant, page_size=1, page_token=token)
        page = await call(grpc_stub.ListLockEvents, asked)
        kinds += [one.kind for one in page.events]
        token = page.next_page_token
    assert kinds == [LOCK_EVENT_KIND_GRANTED, LOCK_EVENT_KIND_EXTENDED]
    assert token == ""


async def test_a_granted_lock_is_its_owners(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    other = await Hotel.create(hotel.sql, f"{hotel.tenant_id}-too", {"suite": 1})
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel))).lock
    for changes, expected in (
        ({"owner_token": "mine"}, (grpc.StatusCode.PERMISSION_DENIED, "NOT_LOCK_OWNER")),
        ({"tenant_id": other.tenant_id}, (grpc.StatusCode.NOT_FOUND, "LOCK_UNKNOWN")),
        ({"lock_id": "ours?"}, (grpc.StatusCode.NOT_FOUND, "LOCK_UNKNOWN")),
    ):
        code, error = await refused(call, grpc_stub.ExtendLock, extend_request(lock, **changes))
        assert (code, error.reason) == expected
        fields = {"tenant_id": hotel.tenant_id, "lock_id": lock.lock_id}
        get = GetLockRequest(**({**fields, "owner_token": lock.owner_token} | changes))
        code, error = await refused(call, grpc_stub.GetLock, get)
        assert (code, error.reason) == expected
    stale = extend_request(lock, fencing_number=lock.fencing_number + 1)
    code, error = await refused(call, grpc_stub.ExtendLock, stale)
    assert (code, error.reason) == (grpc.StatusCode.ABORTED, "STALE_FENCE")


async def test_staff_take_a_lock_from_its_owner(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel, guest_id="ana"))).lock
    fields = {"tenant_id": lock.tenant_id, "lock_id": lock.lock_id, "reason": "a wedding"}
    request = RevokeLockRequest(
        request_id=str(uuid4()), actor=Actor(kind=ACTOR_KIND_STAFF, actor_id="bea"), **fields
    )
    nobody = RevokeLockRequest(request_id=str(uuid4()), **fields)
    code, error = await refused(call, grpc_stub.RevokeLock, nobody)
    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "STAFF_ONLY")

    search = SearchAvailabilityRequest(
        tenant_id=hotel.tenant_id,
        check_in_date=lock.check_in_date,
        check_out_date=lock.check_out_date,
        adult_count=2,
    )
    before = await call(grpc_stub.SearchAvailability, search)
    revoked = (await call(grpc_stub.RevokeLock, request)).lock
    assert (revoked.state, revoked.owner_token) == (LOCK_STATE_RELEASED, "")
    assert (await call(grpc_stub.RevokeLock, request)).lock == revoked
    # Nobody waits for the owner: the last suite is shown and kept for another guest.
    after = await call(grpc_stub.SearchAvailability, search)
    counts = [[one.free_count for one in said.room_types] for said in (before, after)]
    assert [sum(one) for one in counts] == [8, 9]
    await call(grpc_stub.AcquireLock, lock_request(hotel, guest_id="luis"))
    for method, late in (
        (grpc_stub.ConfirmReservation, confirm_request(lock)),
        (grpc_stub.ExtendLock, extend_request(lock)),
    ):
        code, error = await refused(call, method, late)
        assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LOCK_RELEASED")

    asked = ListLockEventsRequest(tenant_id=lock.tenant_id, lock_id=lock.lock_id)
    granted, taken = (await call(grpc_stub.ListLockEvents, asked)).events
    assert not granted.HasField("actor_id")
    assert (taken.kind, taken.actor_id) == (LOCK_EVENT_KIND_RELEASED, "bea")
    assert taken.reason == "a wedding"


def conflicts_request(hotel: Hotel, **changes: Any) -> CheckConflictsRequest:
    """What stands in the way of five nights."""
    fields: dict[str, Any] = {
        "tenant_id": hotel.tenant_id,
        "check_in_date": day(hotel, 9),
        "check_out_date": day(hotel, 14),
    }
    return CheckConflictsRequest(**(fields | changes))


async def test_staff_see_who_stands_in_the_way(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel, guest_id="ana"))).lock
    asked = conflicts_request(hotel, room_type_id="suite", page_size=1)
    answer = await call(grpc_stub.CheckConflicts, asked)
    assert list(answer.taken_nights) == [day(hotel, 10), day(hotel, 11)]
    (found,) = answer.conflicts
    assert (found.lock_id, found.guest_id, found.room_count) == (lock.lock_id, "ana", 1)
    assert (found.check_in_date, found.check_out_date) == (day(hotel, 10), day(hotel, 12))
    assert found.expire_time == lock.expire_time
    after = conflicts_request(hotel, room_type_id="suite", page_token=answer.next_page_token)
    assert not (await call(grpc_stub.CheckConflicts, after)).conflicts

    confirm = ConfirmReservationRequest(
        tenant_id=hotel.tenant_id,
        request_id=str(uuid4()),
        lock_id=lock.lock_id,
        owner_token=lock.owner_token,
        fencing_number=lock.fencing_number,
    )
    made = (await call(grpc_stub.ConfirmReservation, confirm)).reservation
    for place in ({"room_type_id": "suite"}, {"room_id": "suite-1"}):
        (found,) = (
            await call(grpc_stub.CheckConflicts, conflicts_request(hotel, **place))
        ).conflicts
        assert (found.reservation_id, found.room_type_id) == (made.reservation_id, "suite")
        assert not found.HasField("expire_time")

    for place, reason in (
        ({"room_type_id": "palace"}, "ROOM_TYPE_UNKNOWN"),
        ({"room_id": "palace-1"}, "ROOM_UNKNOWN"),
    ):
        unknown = conflicts_request(hotel, **place)
        code, error = await refused(call, grpc_stub.CheckConflicts, unknown)
        assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, reason)


async def test_bad_input_about_locks_names_its_field(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    tenant = hotel.tenant_id
    lock = Lock(tenant_id=tenant, lock_id=str(uuid4()), owner_token="t", fencing_number=1)
    cases = (
        ("request_id", grpc_stub.ExtendLock, extend_request(lock, request_id="one")),
        ("reason", grpc_stub.RevokeLock, RevokeLockRequest(reason="x" * 201)),
        ("fencing_number", grpc_stub.ExtendLock, extend_request(lock, fencing_number=0)),
        ("owner_token", grpc_stub.ExtendLock, extend_request(lock, owner_token="\0")),
        ("owner_token", grpc_stub.GetLock, GetLockRequest(tenant_id=tenant, lock_id="a")),
        ("page_token", grpc_stub.ListLocks, ListLocksRequest(tenant_id=tenant, page_token="?")),
        ("page_size", grpc_stub.ListLocks, ListLocksRequest(tenant_id=tenant, page_size=-1)),
        (
            "page_token",
            grpc_stub.ListLockEvents,
            ListLockEventsRequest(tenant_id=tenant, page_token="WyItMSJd"),
        ),
        ("wanted", grpc_stub.CheckConflicts, conflicts_request(hotel)),
        (
            "check_out_date",
            grpc_stub.CheckConflicts,
            conflicts_request(hotel, room_id="suite-1", check_out_date=day(hotel, 9)),
        ),
        (
            "page_token",
            grpc_stub.CheckConflicts,
            conflicts_request(hotel, room_type_id="suite", page_token="WyItMSJd"),
        ),
        (
            "room_id",
            grpc_stub.CheckConflicts,
            conflicts_request(hotel, room_id="a\0"),
        ),
    )
    for field, method, request in cases:
        code, error = await refused(call, method, request)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert isinstance(error, InvalidArgument)
        assert field in {one.field for one in error.violations}


async def test_several_rooms_and_a_particular_one_in_one_lock(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    others = [LockRoomRequest(room_type_id="suite", adult_count=1, room_id="suite-1")]
    request = lock_request(hotel, room_type_id="double", quantity=2, other_rooms=others)
    lock = (await call(grpc_stub.AcquireLock, request)).lock
    assert (lock.room_type_id, lock.room_id) == ("double", "")
    assert [(one.room_type_id, one.room_id) for one in lock.other_rooms] == [
        ("double", ""),
        ("suite", "suite-1"),
    ]
    assert (lock.total_price.units, lock.total_price.nanos) == (603, 0)
    assert (await call(grpc_stub.AcquireLock, request)).lock == lock
    batch = BatchAcquireLocksRequest(items=[request, lock_request(hotel, room_type_id="single")])
    first, second = (await call(grpc_stub.BatchAcquireLocks, batch)).results
    assert first.value.lock == lock
    assert second.value.lock.room_type_id == "single"
    booked = (await call(grpc_stub.ConfirmReservation, confirm_request(lock))).reservation
    assert [one.room_type_id for one in booked.rooms] == ["double", "double", "suite"]
    assert booked.total_price == lock.total_price


async def test_bad_wishes_for_several_rooms_name_their_field(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    suite = LockRoomRequest(room_type_id="suite", adult_count=1, room_id="suite-1")
    ten = LockRoomRequest(room_type_id="double", adult_count=1, quantity=19)
    for field, changes in (
        ("quantity", {"quantity": -1}),
        ("quantity", {"quantity": 2, "room_id": "suite-1"}),
        ("other_rooms", {"quantity": 2, "other_rooms": [ten]}),
        ("other_rooms", {"room_id": "suite-1", "other_rooms": [suite]}),
        ("other_rooms[0].adult_count", {"other_rooms": [LockRoomRequest(room_type_id="suite")]}),
    ):
        code, error = await refused(call, grpc_stub.AcquireLock, lock_request(hotel, **changes))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert isinstance(error, InvalidArgument)
        assert [one.field for one in error.violations] == [field]
    unknown = lock_request(hotel, room_id="double-1")
    code, error = await refused(call, grpc_stub.AcquireLock, unknown)
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "ROOM_UNKNOWN")
    assert await hotel.counters("double", hotel.stay()) == [(0, 0)] * 2
