"""Acknowledgement at the load that Meta asks for: three statuses of ours for each message."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from bench import mesh as meshes
from bench import wrk
from bench.acks import CONNECTIONS, WORKING, check_all_answered, requests_file
from bench.measuring import BenchError, Entry, Group, Run, Sample
from bench.processes import CpuMeter
from bench.webhooks import Sent, Writer, guest
from sandbox.demo import HOTELS
from sandbox.mesh import Mesh
from sandbox.wiring import WEBHOOK_PATH
from services.messaging.opaque import make_opaque

MIXED = Entry(
    "gateway.ack.mixed",
    "webhooks/s",
    "Signed webhooks with one item each, three statuses of sent messages to one new message of a"
    " guest, over 256 connections, while the same processes answer the guests: the most that is"
    " acknowledged, and in the details how long it takes at half of that.",
    most={"p50_ms": 50, "p99_ms": 250},
)

SENT = 100_000
"""Messages of ours that statuses may come for, each word once."""
LAG = 300
"""So many messages apart are the statuses of one: they come in different batches."""
WORDS = ("sent", "delivered", "read")
MOST_PER_SECOND = 6_000

_ADD_SENT = """
INSERT INTO outbox (tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, answers,
                    hold_for_person, traceparent, state, send_time, accept_time, wamid)
SELECT tenant_id, lpad(to_hex(n), 32, '0')::uuid, -n, phone_number_id, 'text', '', '{}', false, '',
       'SENT', now(), now(), convert_to('wamid.bench' || n, 'UTF8')
FROM generate_series(0, $1::int - 1) AS n
JOIN unnest($2::text[], $3::text[]) WITH ORDINALITY AS hotel(tenant_id, phone_number_id, place)
  ON hotel.place = 1 + n % cardinality($2::text[])
"""


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """The whole mesh. The statuses are the bench's own, so the fake Graph API sends none."""
    names = ("graph", "tenant", "booking", "messaging", "gateway")
    async with meshes.running(*names) as (mesh, _):
        await mesh.graph.settings(webhook_url="")
        await _add_sent(mesh)
        with requests_file() as pool:
            traffic = _Traffic(mesh.credentials.app_secret)
            meter = meshes.meter(mesh, WORKING)
            yield {MIXED.name: _run(mesh, meter, pool, traffic)}


class _Traffic:
    """Webhooks in Meta's proportion; nothing in them was ever posted before."""

    def __init__(self, secret: str) -> None:
        self._writer = Writer(secret)
        self._numbers = itertools.count(2 * LAG)

    def requests(self, host: str, count: int) -> list[bytes]:
        """`count` raw HTTP requests, in fours."""
        bodies = (body for _ in range(count // 4) for body in self._four())
        return [self._writer.request(host, WEBHOOK_PATH, body) for body in bodies]

    def _four(self) -> Iterator[bytes]:
        number = next(self._numbers)
        if number >= SENT:
            raise BenchError(f"All statuses of {SENT} messages were posted.")
        yield self._writer.body(1)
        for place, word in enumerate(WORDS):
            yield self._writer.status(_sent(number - place * LAG), word)


def _run(mesh: Mesh, meter: CpuMeter, pool: Path, traffic: _Traffic) -> Run:
    host = mesh.address("gateway").http

    async def post(seconds: float, rate: float | None = None) -> wrk.Load:
        count = round((rate or MOST_PER_SECOND) * (max(seconds, 1.0) + 1))
        wrk.write_pool(pool, traffic.requests(host, count))
        load = await wrk.run(
            f"http://{host}", pool, seconds=seconds, connections=CONNECTIONS, rate=rate
        )
        if load.requests > count:
            raise BenchError(f"All {count} webhooks were posted before the time was over.")
        check_all_answered(load, MIXED)
        return load

    async def run(seconds: float) -> Sample:
        meter.start()
        most = await post(seconds)
        cpu, value = meter.per_item(most.requests), most.requests / most.seconds
        await meshes.until_answered(mesh)
        half = await post(seconds, rate=value / 2)
        await meshes.until_answered(mesh)
        details = {
            "p50_ms": half.p50_ms,
            "p99_ms": half.p99_ms,
            "at_per_second": half.requests / half.seconds,
            "saturated_p50_ms": most.p50_ms,
            "saturated_p99_ms": most.p99_ms,
        }
        return Sample(value, cpu, details)

    return run


def _sent(number: int) -> Sent:
    hotel = HOTELS[number % len(HOTELS)]
    opaque = make_opaque(hotel.tenant_id, UUID(int=number))
    return Sent(hotel, f"wamid.bench{number}", opaque, guest(number))


async def _add_sent(mesh: Mesh) -> None:
    connection = await asyncpg.connect(mesh.databases["messaging"].owner_url)
    try:
        tenants = [hotel.tenant_id for hotel in HOTELS]
        numbers = [hotel.phone_number_id for hotel in HOTELS]
        await connection.execute(_ADD_SENT, SENT, tenants, numbers)
        await connection.execute("ANALYZE outbox")
    finally:
        await connection.close()


GROUP = Group((MIXED,), start)
