"""Every method, asked by one hotel with the ids of another: it gives and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.inventory_service_pb2 import GetInventoryRequest
from conserje.booking.v1.inventory_service_pb2_grpc import InventoryServiceStub
from conserje.booking.v1.pms_pb2 import PMS_KIND_GENERIC, PmsConnection
from conserje.booking.v1.reservation_pb2 import ACTOR_KIND_STAFF, Actor
from conserje.booking.v1.room_service_pb2 import ShutRoomRequest
from conserje.booking.v1.room_service_pb2_grpc import RoomServiceStub
from google.protobuf.message import Message
from google.rpc import code_pb2

from services.booking.access import ACCESS
from tests.contract.booking.test_booking_contract import Call, confirm_request, day, lock_request
from tests.integration.booking.hotel import Hotel
from tests.isolation import asked, caller, methods_of, refusal_of

METHODS = methods_of(ACCESS)
NOTICE = "conserje.booking.v1.PmsService/ReceivePmsNotice"
REFUSED = {NOTICE: grpc.StatusCode.UNAUTHENTICATED}
"""What refuses otherwise than by finding nothing."""
EVERYTHING = """
SELECT json_build_array(
    (SELECT json_agg(l ORDER BY lock_id) FROM room_lock l WHERE tenant_id = $1),
    (SELECT json_agg(r ORDER BY reservation_id) FROM reservation r WHERE tenant_id = $1),
    (SELECT json_agg(s ORDER BY reservation_id) FROM stay s WHERE tenant_id = $1),
    (SELECT json_agg(c ORDER BY closure_id) FROM room_closure c WHERE tenant_id = $1),
    (SELECT json_agg(n ORDER BY room_type_id, night) FROM night_inventory n WHERE tenant_id = $1),
    (SELECT json_agg(p) FROM property p WHERE tenant_id = $1),
    (SELECT json_agg(t ORDER BY room_type_id) FROM room_type t WHERE tenant_id = $1),
    (SELECT json_agg(r ORDER BY room_id) FROM room r WHERE tenant_id = $1),
    -- What changes by itself is left out: who writes at the moment, up to where changes are read.
    (SELECT json_build_array(kind, base_url, property_id, room_types) FROM pms_connection
     WHERE tenant_id = $1)
)::text
"""
CONNECT = """
INSERT INTO pms_connection (tenant_id, kind, base_url, property_id, room_types, tier,
    requests_per_second)
VALUES ($1, 'GENERIC', 'http://127.0.0.1:9/mirador', 'their-hotel', '{}', 'slow', 0.001)
"""
CHANGE_BY_HAND = """
INSERT INTO audit.operator_change (actor, method, tenant_id, table_name)
VALUES ('ana', 'ShutRoom', $1, 'room_closure')
"""
DISCONNECT = "DELETE FROM pms_connection WHERE tenant_id = ANY ($1)"


@pytest.fixture
async def other(hotel: Hotel) -> AsyncIterator[Hotel]:
    """Another hotel; no system of either is asked for anything afterwards."""
    other = await Hotel.create(hotel.sql, f"other-{uuid4().hex[:8]}", {"palace": 1})
    yield other
    await hotel.sql.execute(DISCONNECT, [hotel.tenant_id, other.tenant_id])


@pytest.mark.parametrize("path", METHODS)
async def test_no_method_gives_or_changes_what_is_another_hotels(
    grpc_channel: grpc.Channel, call: Call, hotel: Hotel, other: Hotel, path: str
) -> None:
    ids, secrets = await busy(grpc_channel, call, hotel)
    ids["tenant_id"] = ids["connection"].tenant_id = other.tenant_id
    ids["inventory"].etag = (await inventory_of(grpc_channel, call, other)).etag
    before = await hotel.sql.fetchval(EVERYTHING, hotel.tenant_id)
    request = asked(ids, METHODS[path].input_type)
    try:
        answers = await answers_of(grpc_channel, path, request)
    except grpc.RpcError as refused:
        assert refused.code() is REFUSED.get(path, grpc.StatusCode.NOT_FOUND)  # noqa: PT017
        answers = [refusal_of(refused)]
    for result in [one for answer in answers for one in getattr(answer, "results", ())]:
        assert result.error.code in (0, code_pb2.NOT_FOUND)
        result.ClearField("error")
    said = [one for one in secrets if one not in str(request)]
    assert [one for one in said if one in str(answers)] == []
    assert await hotel.sql.fetchval(EVERYTHING, hotel.tenant_id) == before


async def answers_of(channel: grpc.Channel, path: str, request: Message) -> list[Any]:
    """What a method answers; of a stream what comes before it has nothing more to tell."""

    def in_thread() -> list[Any]:
        answer = caller(channel, path, METHODS[path])(request, timeout=20)
        if not METHODS[path].server_streaming:
            return [answer]
        told = []
        for message in answer:
            if not message.events:
                break
            told.append(message)
        answer.cancel()
        return told

    return await asyncio.to_thread(in_thread)


async def inventory_of(channel: grpc.Channel, call: Call, hotel: Hotel) -> Any:
    """All that a hotel has to sell."""
    request = GetInventoryRequest(tenant_id=hotel.tenant_id)
    return (await call(InventoryServiceStub(channel).GetInventory, request)).inventory


async def busy(channel: grpc.Channel, call: Call, hotel: Hotel) -> tuple[dict[str, Any], list[str]]:
    """A hotel with a lock, a reservation, a room out of order and a system of its own: what names
    them, and what is nobody else's to see."""
    bookings, rooms = BookingServiceStub(channel), RoomServiceStub(channel)
    staff = Actor(kind=ACTOR_KIND_STAFF, actor_id="ana")
    lock = (await call(bookings.AcquireLock, lock_request(hotel, guest_id="the-guest"))).lock
    sold = (await call(bookings.AcquireLock, lock_request(hotel, room_type_id="double"))).lock
    booked = (await call(bookings.ConfirmReservation, confirm_request(sold))).reservation
    nights = {"first_night_date": day(hotel, 20), "last_night_date": day(hotel, 21)}
    shut: dict[str, Any] = {"room_id": "double-5", "actor": staff, "reason": "paint", **nights}
    request = ShutRoomRequest(tenant_id=hotel.tenant_id, request_id=str(uuid4()), **shut)
    closure = (await call(rooms.ShutRoom, request)).closure
    await hotel.sql.execute(CONNECT, hotel.tenant_id)
    await hotel.sql.execute(CHANGE_BY_HAND, hotel.tenant_id)
    inventory = await inventory_of(channel, call, hotel)
    ids = {
        "request_id": str(uuid4()),
        "lock_id": lock.lock_id,
        "owner_token": lock.owner_token,
        "fencing_number": lock.fencing_number,
        "reservation_id": booked.reservation_id,
        "closure_id": closure.closure_id,
        "stay_number": 1,
        "other_rooms": [],
        "notice_id": "notice",
        "timestamp": "1764250000",
        "signature": "v1,AAAA",
        "room_type_id": "double",
        "check_in_date": day(hotel, 30),
        "check_out_date": day(hotel, 32),
        "adult_count": 2,
        "guest_id": "the-guest",
        "until_time": "12:00",
        "receipt_reference": "receipt",
        "rate_plan_id": "",
        "inventory": inventory,
        "connection": PmsConnection(
            kind=PMS_KIND_GENERIC, base_url="http://127.0.0.1:9/other", property_id="other-hotel"
        ),
        **shut,
    }
    secrets = [hotel.tenant_id, lock.lock_id, lock.owner_token, booked.reservation_id]
    secrets += [booked.confirmation_code, closure.closure_id, "127.0.0.1:9/mirador", "their-hotel"]
    return ids, secrets
