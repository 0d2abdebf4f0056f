"""Callers of the booking service who search, through a coalescer before BatchSearchAvailability.

`cold` asks for another stay every time, `cached` for the same few. An answer that comes from
elsewhere than it should, or that lacks what a search has to tell, ends the run.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import sys
from collections.abc import Iterator

import uvloop
from conserje.booking.v1.booking_service_pb2 import (
    BatchSearchAvailabilityRequest,
    SearchAvailabilityRequest,
    SearchAvailabilityResponse,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.room_type_pb2 import FRESHNESS_LIVE

from bench.programs.stdio import answer_runs
from bench.searches import HOTELS, NIGHTS, STAY_NIGHTS, TYPES
from meshkit.coalesce import CoalescerMetrics, rpc_coalescer
from meshkit.config import Settings
from meshkit.dates import from_date
from meshkit.kit import Kit
from meshkit.telemetry import current_traceparent

TIMEOUT = 5.0
SEED = 20261127
FEW = 50


async def main(way: str, target: str, otlp_endpoint: str) -> None:
    """Call `target` when told."""
    kit = Kit("bench", Settings(otlp_endpoint=otlp_endpoint))
    channel = kit.channel("booking", target)
    coalescer = rpc_coalescer(
        channel.stub(BookingServiceStub).BatchSearchAvailability,
        BatchSearchAvailabilityRequest,
        name="search",
        tenant_of=lambda item: item.tenant_id,
        metrics=CoalescerMetrics(kit.registry),
        traceparent=current_traceparent,
    )
    asked = _asked(FEW if way == "cached" else HOTELS * (NIGHTS - STAY_NIGHTS - 1))

    async def call() -> None:
        request = SearchAvailabilityRequest()
        request.CopyFrom(next(asked))
        with kit.telemetry.start_span("bench caller", kind="server", traceparent=""):
            answer: SearchAvailabilityResponse = await coalescer.submit(request, TIMEOUT)
        if len(answer.room_types) != TYPES or not answer.room_types[0].lines:
            raise RuntimeError("an answer lacks what a search has to tell")
        if way == "cold" and answer.freshness != FRESHNESS_LIVE:
            raise RuntimeError("a cold search was answered from the cache")

    await answer_runs(call)
    await channel.aclose()
    await kit.telemetry.aclose()


def _asked(count: int) -> Iterator[SearchAvailabilityRequest]:
    """So many stays in any order, again and again."""
    today = dt.datetime.now(dt.UTC).date()
    # Not before tomorrow: the day may end during the run.
    every = list(itertools.product(range(1, HOTELS + 1), range(1, NIGHTS - STAY_NIGHTS)))
    random.Random(SEED).shuffle(every)
    requests = []
    for hotel, first in every[:count]:
        check_in = today + dt.timedelta(days=first)
        requests.append(
            SearchAvailabilityRequest(
                tenant_id=f"bench-{hotel}",
                check_in_date=from_date(check_in),
                check_out_date=from_date(check_in + dt.timedelta(days=STAY_NIGHTS)),
                adult_count=2,
            )
        )
    return itertools.cycle(requests)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
