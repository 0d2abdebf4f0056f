"""Messages that are put together of bytes are the same as those that are built."""

from __future__ import annotations

import pytest
from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockResponse,
    AcquireLockResult,
    BatchAcquireLocksResponse,
)
from conserje.booking.v1.inventory_pb2 import Photo
from conserje.booking.v1.lock_pb2 import Lock
from conserje.booking.v1.room_type_pb2 import RoomTypeAvailability
from google.rpc.status_pb2 import Status

from meshkit.parts import BatchOf, embedding
from tests.sent import read


@pytest.mark.parametrize("length", [0, 1, 100, 127, 128, 4_094, 4_100, 20_000, 3_000_000])
def test_a_message_of_any_length_is_put_into_its_place(length: int) -> None:
    lock = Lock(guest_id="g" * length)
    written = embedding(AcquireLockResponse, "lock")(lock.SerializeToString())
    assert AcquireLockResponse.FromString(written) == AcquireLockResponse(lock=lock)


def test_a_field_whose_number_takes_two_bytes() -> None:
    """Tags are longer from the 16th field on."""
    written = embedding(RoomTypeAvailability, "photos")(b"")
    assert RoomTypeAvailability.FromString(written) == RoomTypeAvailability(photos=[Photo()])


def test_a_batch_has_its_outcomes_in_order() -> None:
    batch = BatchOf(BatchAcquireLocksResponse, AcquireLockResult)
    granted = AcquireLockResponse(lock=Lock(lock_id="one"))
    refused = Status(code=9, message="taken")
    answer = batch.response([refused, batch.result(granted.SerializeToString()), refused])
    error, value = AcquireLockResult(error=refused), AcquireLockResult(value=granted)
    expected = BatchAcquireLocksResponse(results=[error, value, error])
    assert read(BatchAcquireLocksResponse, answer) == expected
