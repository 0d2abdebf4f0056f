"""Availability of a hotel with a system of its own: warm, while it is dead, and once it is back.

The system is a fake one that takes 150 ms for every call. Dead means that it takes
connections and never answers, which costs more than one that refuses. What was heard
before is made older in Redis, instead of waiting for minutes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import grpc
import orjson
from conserje.booking.v1.booking_service_pb2 import (
    SearchAvailabilityRequest,
    SearchAvailabilityResponse,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.pms_pb2 import PMS_KIND_GENERIC, PmsConnection
from conserje.booking.v1.pms_service_pb2 import SetPmsConnectionRequest
from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceStub
from google.type.date_pb2 import Date

from bench import mesh as meshes
from bench.measuring import BenchError, Entry, Group, Run, Sample
from meshkit.redis_pool import make_redis
from sandbox.mesh import Mesh
from sandbox.pms.app import serving
from sandbox.pms.client import PmsControl

if TYPE_CHECKING:
    from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceAsyncStub

HOTEL, PROPERTY = "bench-1", "h1"
TYPES = {f"type-{number}": f"T{number}" for number in range(1, 6)}
NIGHTS = 365
AHEAD = 60
"""Stays begin within so many days: what is read ahead."""
CALL_SECONDS = 0.15
HANGING_SECONDS = 60.0
AGE = dt.timedelta(minutes=5)
GUESTS = 4
PAUSE = 0.02
PATIENCE = 30.0
ANSWERED_AT_ONCE_MS = 200.0

WARM = Entry(
    "booking.pms.warm",
    "ms",
    "One caller of SearchAvailability, 3 nights of 5 types, of a hotel whose own system takes 150"
    " ms for a call and was read ahead; the median. `details` have the 99th of 100, and how often"
    " its system was asked for availability since the bench began.",
    most_value=10,
)
OPENS = Entry(
    "booking.pms.opens",
    "s",
    "From the moment that the system hangs until its breaker is open, with 4 guests who search for"
    " other nights again and again. `details` have the calls that failed until then.",
    most_value=5,
)
WAITING = Entry(
    "booking.pms.waiting",
    "ms",
    "The slowest of their answers before that: what was heard last, while the call goes on.",
    most_value=600,
)
STALE = Entry(
    "booking.pms.stale",
    "ms",
    "99 of 100 of their answers once it is open: what was heard last, with its age.",
    most_value=ANSWERED_AT_ONCE_MS,
)
RECOVERY = Entry(
    "booking.pms.recovery",
    "s",
    "From the moment that it answers again until a guest is told what is new.",
    most_value=10,
)

MAKE_HOTEL = """
INSERT INTO property (tenant_id, time_zone, currency_code) VALUES ($1, 'UTC', 'EUR')
"""
MAKE_TYPES = """
INSERT INTO room_type (tenant_id, room_type_id, display_names, max_guest_count)
SELECT $1, t, '{"en": "Room"}', 4 FROM unnest($2::text[]) AS u (t)
"""
MAKE_NIGHTS = """
INSERT INTO night_inventory (tenant_id, room_type_id, night, sellable, price)
SELECT tenant_id, room_type_id, (clock_timestamp() AT TIME ZONE 'UTC')::date + n, 5, 100.50
FROM room_type, generate_series(0, $1::integer) AS s (n)
WHERE tenant_id = $2
"""


@dataclass(frozen=True)
class Outage:
    """What one outage was like, in seconds."""

    opens: float
    failed_calls: float
    waiting: float
    stale: list[float]
    recovery: float


@dataclass
class Front:
    """A hotel with a system of its own, seen by its guests."""

    mesh: Mesh
    stub: BookingServiceAsyncStub
    pms: PmsControl
    first: dt.date
    asked: int = 0

    async def search(self) -> tuple[float, SearchAvailabilityResponse]:
        """How long the next stay takes to be told, and what is told."""
        self.asked += 1
        arrive = self.first + dt.timedelta(days=self.asked % AHEAD)
        request = SearchAvailabilityRequest(
            tenant_id=HOTEL,
            check_in_date=_date(arrive),
            check_out_date=_date(arrive + dt.timedelta(days=3)),
            adult_count=2,
        )
        began = time.monotonic()
        answer = await self.stub.SearchAvailability(request, timeout=PATIENCE)
        return time.monotonic() - began, answer

    async def calls(self, operation: str, *outcomes: str) -> float:
        """How often the booking service called the system."""
        told = await self.mesh.metrics("booking")
        found = re.findall(r'pms_calls_total\{operation="(\w+)",outcome="(\w+)"\} (\S+)', told)
        return sum(
            float(count)
            for one, outcome, count in found
            if operation in ("", one) and outcome in outcomes
        )

    async def age(self) -> None:
        """What the system has said becomes older, as far as anybody remembers."""
        redis = make_redis(self.mesh.servers.redis_url)
        keys = [
            f"booking:{{{HOTEL}}}:pms:night:{PROPERTY}:{kind}:{self.first + dt.timedelta(days=day)}"
            for kind in TYPES.values()
            for day in range(-2, AHEAD + 30)
        ]
        kept = zip(keys, await redis.mget(keys), strict=True)
        aged = {key: _aged(value) for key, value in kept if value}
        if not aged:
            raise BenchError("Nothing of the hotel's system is remembered.")
        await redis.mset(aged)
        await redis.aclose()

    async def mend(self) -> None:
        """Every call takes its usual time."""
        await self.pms.chance(1.0, kinds=["slow"], seconds=CALL_SECONDS)

    async def hang(self) -> None:
        """No call is answered any more."""
        await self.pms.chance(1.0, kinds=["slow"], seconds=HANGING_SECONDS)


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """The booking service with one hotel, and its system."""
    async with (
        meshes.running("booking") as (mesh, _),
        serving() as addresses,
        PmsControl(addresses.control) as pms,
        grpc.aio.insecure_channel(mesh.address("booking").grpc) as channel,
    ):
        await _make_hotel(mesh)
        await pms.property(PROPERTY, dict.fromkeys(TYPES.values(), 5), secret="")
        # Far enough ahead that no day of the run is over before it is asked for.
        first = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)
        front = Front(mesh, BookingServiceStub(channel), pms, first)
        await front.mend()
        connection = PmsConnection(
            tenant_id=HOTEL,
            kind=PMS_KIND_GENERIC,
            base_url=addresses.url,
            property_id=PROPERTY,
            room_types=TYPES,
            requests_per_second=50,
        )
        await PmsServiceStub(channel).SetPmsConnection(
            SetPmsConnectionRequest(tenant_id=HOTEL, connection=connection)
        )
        began = time.monotonic()
        await _until(lambda: _was_read_ahead(front))
        yield {WARM.name: _warm(front, began), **_outages(front)}


def _warm(front: Front, began: float) -> Run:
    async def run(seconds: float) -> Sample:
        until, taken = time.monotonic() + seconds, []
        while time.monotonic() < until:
            taken.append((await front.search())[0])
        calls = await front.calls("availability", "ok", "away")
        minutes = (time.monotonic() - began) / 60
        details = {**_details(taken), "calls": calls, "minutes": minutes}
        return Sample(1e3 * statistics.median(taken), details=details)

    return run


def _outages(front: Front) -> dict[str, Run]:
    """Each outage is one for all entries: whoever is asked first in a turn has it happen."""
    outages: list[Outage] = []

    def run_of(told: Callable[[Outage], Sample]) -> Run:
        turns = iter(range(1_000_000))

        async def run(_: float) -> Sample:
            turn = next(turns)
            if turn == len(outages):
                outages.append(await _outage(front))
            return told(outages[turn])

        return run

    return {
        OPENS.name: run_of(lambda one: Sample(one.opens, details={"failed": one.failed_calls})),
        WAITING.name: run_of(lambda one: Sample(1e3 * one.waiting)),
        STALE.name: run_of(lambda one: Sample(1e3 * _most(one.stale), details=_details(one.stale))),
        RECOVERY.name: run_of(lambda one: Sample(one.recovery)),
    }


async def _outage(front: Front) -> Outage:
    stopped = await front.calls("", "stopped")
    failed = await front.calls("", "away")
    await front.age()
    await front.hang()
    died = time.monotonic()
    answers: list[tuple[float, float]] = []
    guests = [asyncio.create_task(_guest(front, answers)) for _ in range(GUESTS)]
    try:
        await _until(lambda: _grew(front, stopped))
        opened = time.monotonic()
        failures = await front.calls("", "away") - failed
        await asyncio.sleep(2.0)
        await front.mend()
        back = time.monotonic()
        now = dt.datetime.now(dt.UTC)
        await _until(lambda: _newer(front, now))
        recovered = time.monotonic()
    finally:
        for guest in guests:
            guest.cancel()
        await asyncio.gather(*guests, return_exceptions=True)
    return Outage(
        opens=opened - died,
        failed_calls=failures,
        waiting=max(took for at, took in answers if at < opened),
        stale=[took for at, took in answers if opened <= at - took and at < back],
        recovery=recovered - back,
    )


async def _guest(front: Front, answers: list[tuple[float, float]]) -> None:
    while True:
        took, _ = await front.search()
        answers.append((time.monotonic(), took))
        await asyncio.sleep(PAUSE)


async def _was_read_ahead(front: Front) -> bool:
    return await front.calls("availability", "ok") > 0


async def _grew(front: Front, stopped: float) -> bool:
    return await front.calls("", "stopped") > stopped


async def _newer(front: Front, moment: dt.datetime) -> bool:
    _, answer = await front.search()
    return answer.as_of.ToDatetime(dt.UTC) >= moment


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    until = time.monotonic() + PATIENCE
    while not await holds():
        if time.monotonic() > until:
            raise BenchError("The hotel's system is not seen as it is.")
        await asyncio.sleep(PAUSE)


def _most(taken: list[float]) -> float:
    """What 99 of 100 do not exceed."""
    return statistics.quantiles(taken, n=100, method="inclusive")[98]


def _details(taken: list[float]) -> dict[str, float]:
    return {
        "median_ms": 1e3 * statistics.median(taken),
        "p99_ms": 1e3 * _most(taken),
        "answers": len(taken),
    }


def _aged(value: bytes | str) -> bytes:
    as_of, count = orjson.loads(value)
    return orjson.dumps([dt.datetime.fromisoformat(as_of) - AGE, count])


def _date(day: dt.date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)


async def _make_hotel(mesh: Mesh) -> None:
    connection = await asyncpg.connect(mesh.databases["booking"].owner_url)
    try:
        await connection.execute(MAKE_HOTEL, HOTEL)
        await connection.execute(MAKE_TYPES, HOTEL, list(TYPES))
        await connection.execute(MAKE_NIGHTS, NIGHTS, HOTEL)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


GROUP = Group((WARM,), start)
OUTAGE_GROUP = Group((OPENS, WAITING, STALE, RECOVERY), start)
"""Apart, so that no outage has the system asked while what is warm is measured."""
