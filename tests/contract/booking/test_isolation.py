"""Every method, asked by one hotel with the ids of another: it gives and changes nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
import pytest
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.reservation_pb2 import ACTOR_KIND_STAFF, Actor
from conserje.booking.v1.room_service_pb2 import ShutRoomRequest
from conserje.booking.v1.room_service_pb2_grpc import RoomServiceStub
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2

from tests.contract.booking.test_booking_contract import Call, confirm_request, day, lock_request
from tests.integration.booking.hotel import Hotel

STUBS = {
    "conserje.booking.v1.BookingService": BookingServiceStub,
    "conserje.booking.v1.RoomService": RoomServiceStub,
}
METHODS = [
    pytest.param(service, method, id=method.name)
    for service in STUBS
    for method in descriptor_pool.Default().FindServiceByName(service).methods
    # What a stream tells is compared in the tests of streams.
    if not method.server_streaming
]
EVERYTHING = """
SELECT json_build_array(
    (SELECT json_agg(l ORDER BY lock_id) FROM room_lock l WHERE tenant_id = $1),
    (SELECT json_agg(r ORDER BY reservation_id) FROM reservation r WHERE tenant_id = $1),
    (SELECT json_agg(s ORDER BY reservation_id) FROM stay s WHERE tenant_id = $1),
    (SELECT json_agg(c ORDER BY closure_id) FROM room_closure c WHERE tenant_id = $1),
    (SELECT json_agg(n ORDER BY room_type_id, night) FROM night_inventory n WHERE tenant_id = $1)
)::text
"""


@pytest.mark.parametrize(("service", "method"), METHODS)
async def test_no_method_gives_or_changes_what_is_another_hotels(
    grpc_channel: grpc.Channel, call: Call, hotel: Hotel, service: str, method: Any
) -> None:
    ids, secrets = await busy(grpc_channel, call, hotel)
    other = await Hotel.create(hotel.sql, f"other-{uuid4().hex[:8]}", {"palace": 1})
    before = await hotel.sql.fetchval(EVERYTHING, hotel.tenant_id)
    request = asked({**ids, "tenant_id": other.tenant_id}, method.input_type)
    try:
        answer = await call(getattr(STUBS[service](grpc_channel), method.name), request)
    except grpc.RpcError as refused:
        code, answer = refused.code(), None
    else:
        code = grpc.StatusCode.OK
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND)
    for result in getattr(answer, "results", ()):
        assert result.error.code in (0, code_pb2.NOT_FOUND)
        result.ClearField("error")
    assert [one for one in secrets if one in str(answer)] == []
    assert await hotel.sql.fetchval(EVERYTHING, hotel.tenant_id) == before


async def busy(channel: grpc.Channel, call: Call, hotel: Hotel) -> tuple[dict[str, Any], list[str]]:
    """A hotel with a lock, a reservation and a room out of order: what names them, and what is
    nobody else's to see."""
    bookings, rooms = BookingServiceStub(channel), RoomServiceStub(channel)
    staff = Actor(kind=ACTOR_KIND_STAFF, actor_id="ana")
    lock = (await call(bookings.AcquireLock, lock_request(hotel, guest_id="the-guest"))).lock
    sold = (await call(bookings.AcquireLock, lock_request(hotel, room_type_id="double"))).lock
    booked = (await call(bookings.ConfirmReservation, confirm_request(sold))).reservation
    nights = {"first_night_date": day(hotel, 20), "last_night_date": day(hotel, 21)}
    shut: dict[str, Any] = {"room_id": "double-5", "actor": staff, "reason": "paint", **nights}
    request = ShutRoomRequest(tenant_id=hotel.tenant_id, request_id=str(uuid4()), **shut)
    closure = (await call(rooms.ShutRoom, request)).closure
    ids = {
        "request_id": str(uuid4()),
        "lock_id": lock.lock_id,
        "owner_token": lock.owner_token,
        "fencing_number": lock.fencing_number,
        "reservation_id": booked.reservation_id,
        "closure_id": closure.closure_id,
        "room_type_id": "double",
        "check_in_date": day(hotel, 30),
        "check_out_date": day(hotel, 32),
        "adult_count": 2,
        "guest_id": "the-guest",
        "until_time": "12:00",
        "receipt_reference": "receipt",
        **shut,
    }
    secrets = [hotel.tenant_id, lock.lock_id, lock.owner_token, booked.reservation_id]
    return ids, [*secrets, booked.confirmation_code, closure.closure_id]


def asked(values: dict[str, Any], described: Any) -> Message:
    """A request with each field that is known by its name, and one of whatever it is a list of."""
    request = GetMessageClass(described)()
    for field in described.fields:
        value = values.get(field.name)
        if field.name in ("items", "wishes", "rooms"):
            getattr(request, field.name).append(asked(values, field.message_type))
        elif value is not None and field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(request, field.name).CopyFrom(value)
        elif value is not None:
            setattr(request, field.name, value)
    return request
