"""The contract of the RPCs about granted locks, from outside."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
from conserje.booking.v1.booking_service_pb2 import (
    ExtendLockRequest,
    GetLockRequest,
    ListLockEventsRequest,
    ListLocksRequest,
)
from conserje.booking.v1.lock_pb2 import (
    LOCK_EVENT_KIND_EXTENDED,
    LOCK_EVENT_KIND_GRANTED,
    LOCK_STATE_LIVE,
    Lock,
)

from meshkit.errors import InvalidArgument
from tests.contract.booking.test_booking_contract import Call, lock_request, refused
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


async def test_bad_input_about_locks_names_its_field(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    tenant = hotel.tenant_id
    lock = Lock(tenant_id=tenant, lock_id=str(uuid4()), owner_token="t", fencing_number=1)
    cases = (
        ("request_id", grpc_stub.ExtendLock, extend_request(lock, request_id="one")),
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
    )
    for field, method, request in cases:
        code, error = await refused(call, method, request)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert isinstance(error, InvalidArgument)
        assert field in {one.field for one in error.violations}
