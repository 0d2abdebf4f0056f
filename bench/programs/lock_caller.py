"""Callers of the booking service who lock rooms, each for a guest of its own.

`single` calls AcquireLock; `coalesced` calls the same single-call interface of a coalescer in
front of BatchAcquireLocks, and so do the others, which want rooms in fewer or more places.
Whoever is refused ends the run: only granted locks are counted.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import uvloop
from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    AcquireLockResponse,
    BatchAcquireLocksRequest,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.lock_pb2 import LOCK_STATE_LIVE

from bench.locks import EVERYWHERE, PLACES
from bench.programs.stdio import answer_runs
from meshkit.coalesce import CoalescerMetrics, rpc_coalescer
from meshkit.config import Settings
from meshkit.dates import from_date
from meshkit.kit import Kit
from meshkit.run import spare_collector
from meshkit.telemetry import current_traceparent

if TYPE_CHECKING:
    from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceAsyncStub

TIMEOUT = 5.0
SEED = 20261125

Acquire = Callable[[AcquireLockRequest], Awaitable[AcquireLockResponse]]


async def main(way: str, target: str, otlp_endpoint: str) -> None:
    """Call `target` when told."""
    kit = Kit("bench", Settings(otlp_endpoint=otlp_endpoint))
    channel = kit.channel("booking", target)
    stub = channel.stub(BookingServiceStub)
    single: Acquire = partial(stub.AcquireLock, timeout=TIMEOUT)
    acquire = single if way == "single" else _coalesced(kit, stub)
    chance = random.Random(SEED)
    today = dt.datetime.now(dt.UTC).date()

    async def call() -> None:
        request = _request(chance, today, way)
        with kit.telemetry.start_span("bench caller", kind="server", traceparent=""):
            answer = await acquire(request)
        lock = answer.lock
        if lock.state != LOCK_STATE_LIVE or lock.guest_id != request.guest_id:
            raise RuntimeError("a caller got the lock of another")

    spare_collector()  # as in every process of the mesh
    await answer_runs(call)
    await channel.aclose()
    await kit.telemetry.aclose()


def _request(chance: random.Random, today: dt.date, way: str) -> AcquireLockRequest:
    place = PLACES.get(way, EVERYWHERE)
    hotel = chance.randint(1, place.hotels)
    room_type = chance.randint(1, place.types)
    # Not before tomorrow: the day may end during the run.
    check_in = today + dt.timedelta(days=chance.randint(1, place.nights - 4))
    check_out = check_in + dt.timedelta(days=chance.randint(2, 4))
    return AcquireLockRequest(
        tenant_id=f"bench-{hotel}",
        request_id=str(uuid4()),
        room_type_id=f"type-{room_type}",
        check_in_date=from_date(check_in),
        check_out_date=from_date(check_out),
        adult_count=2,
        guest_id=uuid4().hex,
    )


def _coalesced(kit: Kit, stub: BookingServiceAsyncStub) -> Acquire:
    coalescer = rpc_coalescer(
        stub.BatchAcquireLocks,
        BatchAcquireLocksRequest,
        name="acquire",
        tenant_of=lambda item: item.tenant_id,
        metrics=CoalescerMetrics(kit.registry),
        traceparent=current_traceparent,
    )
    return lambda request: coalescer.submit(request, TIMEOUT)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
