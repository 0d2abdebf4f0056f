"""A lock for a hotel with a system of its own: what is asked there, and what is not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, cast
from uuid import uuid4

import pytest
from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    AcquireLockResponse,
    BatchAcquireLocksRequest,
    BatchAcquireLocksResponse,
    LockRoomRequest,
)
from conserje.booking.v1.lock_pb2 import Lock
from prometheus_client import CollectorRegistry

from meshkit.coalesce import CoalescerMetrics
from meshkit.dates import from_date
from meshkit.errors import FailedPrecondition
from sandbox.pms.client import PmsControl
from services.booking.metrics import BookingMetrics
from services.booking.reservations.stream import ReservationStream
from services.booking.servicer import BookingServicer
from tests.integration.booking.hotel import Hotel, Sql
from tests.integration.pms.front import Front, stay_from

CONTEXT: Any = None
"""What these methods never look at."""


@pytest.fixture
async def servicer(front: Front) -> BookingServicer:
    """The RPCs of a replica."""
    return BookingServicer(
        front.bookings,
        front.cache,
        BookingMetrics(CollectorRegistry()),
        ReservationStream(front.postgres),
        front.worker,
        front.overlay,
        CoalescerMetrics(CollectorRegistry()),
    )


async def test_a_repeat_hears_its_answer_though_the_system_has_no_room_any_more(
    servicer: BookingServicer, front: Front, pms: PmsControl, arrival: dt.date
) -> None:
    """It may be its own room that is missing there."""
    request = _request("suite", arrival)
    granted = await _acquired(servicer, request)
    await _sold_at_the_desk(front, pms, "SUI", arrival)
    asked = await _calls(pms)
    assert await _acquired(servicer, request) == granted
    batch = BatchAcquireLocksRequest(items=[request])
    answer = cast(bytes, await servicer.BatchAcquireLocks(batch, CONTEXT))
    (result,) = BatchAcquireLocksResponse.FromString(answer).results
    assert result.value.lock == granted
    assert await _calls(pms) == asked
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await _acquired(servicer, _request("suite", arrival))
    assert await _calls(pms) > asked


@pytest.mark.parametrize("first", ["double", "suite"])
async def test_every_room_of_a_lock_is_asked_for(
    servicer: BookingServicer, front: Front, pms: PmsControl, arrival: dt.date, first: str
) -> None:
    others = {"double", "suite"} - {first}
    await _sold_at_the_desk(front, pms, "SUI", arrival)
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await _acquired(servicer, _request(first, arrival, others=others))
    await _acquired(servicer, _request(first, arrival + dt.timedelta(days=1), others=others))


async def test_as_many_rooms_are_asked_for_as_are_wanted(
    servicer: BookingServicer, front: Front, pms: PmsControl, arrival: dt.date
) -> None:
    await _sold_at_the_desk(front, pms, "DBL", arrival, 4)
    two = _request("double", arrival)
    two.quantity = 2
    with pytest.raises(FailedPrecondition, match="SOLD_OUT"):
        await _acquired(servicer, two)
    await _acquired(servicer, _request("double", arrival))


async def test_only_a_hotel_with_a_system_of_its_own_is_looked_up_before(
    servicer: BookingServicer, front: Front, sql: tuple[Sql, object], arrival: dt.date
) -> None:
    await Hotel.create(sql[0], "luna", {"suite": 9})
    statements = {}
    for tenant_id, room_type in (("luna", "suite"), ("mirador", "double")):
        await _acquired(servicer, _request(room_type, arrival, tenant_id))
        front.connections.outdate()
        await front.connections.all()
        before = front.postgres.statements
        await _acquired(servicer, _request(room_type, arrival, tenant_id))
        statements[tenant_id] = front.postgres.statements - before
    assert statements == {"luna": 1, "mirador": 2}


def _request(
    room_type: str, arrival: dt.date, tenant_id: str = "mirador", others: Iterable[str] = ()
) -> AcquireLockRequest:
    stay = stay_from(arrival)
    return AcquireLockRequest(
        tenant_id=tenant_id,
        request_id=str(uuid4()),
        room_type_id=room_type,
        check_in_date=from_date(stay.check_in),
        check_out_date=from_date(stay.check_out),
        adult_count=1,
        guest_id=uuid4().hex,
        other_rooms=[LockRoomRequest(room_type_id=one, adult_count=1) for one in others],
    )


async def _acquired(servicer: BookingServicer, request: AcquireLockRequest) -> Lock:
    answer = cast(bytes, await servicer.AcquireLock(request, CONTEXT))
    return AcquireLockResponse.FromString(answer).lock


async def _sold_at_the_desk(
    front: Front, pms: PmsControl, type_id: str, arrival: dt.date, count: int = 1
) -> None:
    """Some rooms of the type, which nobody here has heard of."""
    stay = stay_from(arrival)
    for _ in range(count):
        await pms.book("h1", type_id, check_in=str(stay.check_in), check_out=str(stay.check_out))
    hotel = await front.connections.of("mirador")
    assert hotel is not None
    await front.nights.forget(hotel, [type_id], stay)


async def _calls(pms: PmsControl) -> int:
    told: dict[str, int] = (await pms.report())["calls"]["h1"]
    return sum(told.values())
