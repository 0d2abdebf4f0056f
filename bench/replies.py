"""How long a guest's message takes to its reply, in a mesh that has nothing else to do."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from bench import mesh as meshes
from bench.measuring import BenchError, Entry, Group, Run, Sample
from bench.webhooks import Writer, guest
from sandbox.mesh import Mesh

IDLE = Entry(
    "mesh.reply.idle",
    "ms",
    "From posting one webhook to the idle mesh until the Graph API has accepted the reply; the"
    " median. Its CPU holds the idling between the messages.",
)

PAUSE = 0.1
"""Seconds between messages: the statuses of the last reply have come in."""
PATIENCE = 5.0
WORKING = ("gateway", "messaging", "tenant", "booking")


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """The whole mesh."""
    names = ("graph", "tenant", "booking", "messaging", "gateway")
    async with meshes.running(*names) as (mesh, _), aiohttp.ClientSession() as session:
        meter = meshes.meter(mesh, WORKING)

        async def run(seconds: float) -> Sample:
            writer, until = Writer(mesh.credentials.app_secret), time.monotonic() + seconds
            taken: list[float] = []
            meter.start()
            while time.monotonic() < until:
                taken.append(await _reply_ms(mesh, session, writer, len(taken)))
                await asyncio.sleep(PAUSE)
            return Sample(
                statistics.median(taken),
                meter.per_item(len(taken)),
                {"replies": len(taken), "slowest_ms": max(taken)},
            )

        yield {IDLE.name: run}


async def _reply_ms(
    mesh: Mesh, session: aiohttp.ClientSession, writer: Writer, number: int
) -> float:
    after = (await mesh.graph.messages())[1]
    body = writer.body(1)
    headers = {"X-Hub-Signature-256": writer.signature(body), "Content-Type": "application/json"}
    posted = time.time()
    async with session.post(mesh.webhook_url, data=body, headers=headers) as response:
        if response.status != 200:
            raise BenchError(f"The idle gateway answered {response.status}.")
    (reply, *_) = await mesh.graph.replies(guest(number), after=after, timeout=PATIENCE)
    return 1e3 * (float(reply["time"]) - posted)


GROUP = Group((IDLE,), start)
