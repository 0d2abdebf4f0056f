"""How long a guest's message takes to its reply: in an idle mesh, and beside a throttled hotel."""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp

from bench import mesh as meshes
from bench.measuring import BenchError, Entry, Group, Run, Sample
from bench.webhooks import Writer
from sandbox.demo import HOTELS
from sandbox.mesh import Mesh

IDLE = Entry(
    "mesh.reply.idle",
    "ms",
    "From posting one webhook to the idle mesh until the Graph API has accepted the reply; the"
    " median. Its CPU holds the idling between the messages.",
)

PAUSE = 0.1
"""Seconds between messages: the statuses of the last reply have come in."""
PATIENCE = 15.0
WORKING = ("gateway", "messaging", "tenant", "booking")


THROTTLED, OTHER = HOTELS
GUESTS_AT_ONCE = 8
FLOOD = 200
RATE_LIMIT = 130429
COUNT_REFUSED = """
SELECT count(*) FROM outbox WHERE phone_number_id = $1 AND attempt_count > 0 AND accept_time IS NULL
"""
EIGHT = Entry(
    "mesh.reply.eight",
    "ms",
    "The same for 8 guests of one hotel at once; the 99th percentile.",
)
NEIGHBOUR = Entry(
    "mesh.reply.neighbour",
    "ms",
    "mesh.reply.eight while 200 guests of another hotel wait, whose every reply the Graph API"
    " refuses as too fast (130429).",
)


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """The whole mesh."""
    async with _mesh() as (mesh, session):
        meter = meshes.meter(mesh, WORKING)

        async def run(seconds: float) -> Sample:
            writer = Writer(mesh.credentials.app_secret)
            meter.start()
            taken = await _replies_ms(mesh, session, writer, seconds)
            return Sample(
                statistics.median(taken),
                meter.per_item(len(taken)),
                {"replies": len(taken), "slowest_ms": max(taken)},
            )

        yield {IDLE.name: run, EIGHT.name: _eight(mesh, session)}


@asynccontextmanager
async def start_beside_throttled() -> AsyncIterator[Mapping[str, Run]]:
    """The whole mesh, and a Graph API that takes nothing from one hotel."""
    async with _mesh() as (mesh, session):
        throttled, eight = THROTTLED.phone_number_id, _eight(mesh, session)
        everything: dict[str, Any] = {"phone_number_id": throttled, "count": 10**9}
        await mesh.graph.fault("error", code=RATE_LIMIT, **everything)

        async def run(seconds: float) -> Sample:
            flood = Writer(mesh.credentials.app_secret, [THROTTLED])
            await _post(mesh, session, flood, flood.body(FLOOD))
            await meshes.until_answered(mesh)
            sample = await eight(seconds)
            refused = await meshes.count(mesh, "messaging", COUNT_REFUSED, throttled)
            if not refused:
                raise BenchError("The hotel that should be throttled was not.")
            return replace(sample, details={**sample.details, "throttled": refused})

        yield {NEIGHBOUR.name: run}


def _eight(mesh: Mesh, session: aiohttp.ClientSession) -> Run:
    meter = meshes.meter(mesh, WORKING)

    async def run(seconds: float) -> Sample:
        writer = Writer(mesh.credentials.app_secret, [OTHER])
        meter.start()
        guests = (_replies_ms(mesh, session, writer, seconds) for _ in range(GUESTS_AT_ONCE))
        taken = sorted(itertools.chain.from_iterable(await asyncio.gather(*guests)))
        cpu = meter.per_item(len(taken))
        p99 = taken[math.ceil(0.99 * len(taken)) - 1]
        return Sample(p99, cpu, {"replies": len(taken), "p50_ms": statistics.median(taken)})

    return run


@asynccontextmanager
async def _mesh() -> AsyncIterator[tuple[Mesh, aiohttp.ClientSession]]:
    names = ("graph", "tenant", "booking", "messaging", "gateway")
    async with meshes.running(*names) as (mesh, _), aiohttp.ClientSession() as session:
        yield mesh, session


async def _replies_ms(
    mesh: Mesh, session: aiohttp.ClientSession, writer: Writer, seconds: float
) -> list[float]:
    """How long each of one guest after the other waited, at least one."""
    until = time.monotonic() + seconds
    taken: list[float] = []
    while not taken or time.monotonic() < until:
        taken.append(await _reply_ms(mesh, session, writer))
        await asyncio.sleep(PAUSE)
    return taken


async def _reply_ms(mesh: Mesh, session: aiohttp.ClientSession, writer: Writer) -> float:
    after = (await mesh.graph.messages())[1]
    body, guest = writer.one()
    posted = time.time()
    await _post(mesh, session, writer, body)
    (reply, *_) = await mesh.graph.replies(guest, after=after, timeout=PATIENCE)
    return 1e3 * (float(reply["time"]) - posted)


async def _post(mesh: Mesh, session: aiohttp.ClientSession, writer: Writer, body: bytes) -> None:
    headers = {"X-Hub-Signature-256": writer.signature(body), "Content-Type": "application/json"}
    async with session.post(mesh.webhook_url, data=body, headers=headers) as response:
        if response.status != 200:
            raise BenchError(f"The gateway answered {response.status}.")


GROUP = Group((IDLE, EIGHT), start)
NEIGHBOUR_GROUP = Group((NEIGHBOUR,), start_beside_throttled)
