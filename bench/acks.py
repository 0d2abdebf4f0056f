"""Webhooks posted by wrk until they are answered 200, which means committed, against aiohttp."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import mesh as meshes
from bench import wrk
from bench.measuring import BenchError, Entry, Group, Run, Sample
from bench.processes import CpuMeter, program
from bench.webhooks import Writer
from sandbox.mesh import Mesh
from sandbox.wiring import WEBHOOK_PATH, Process

COUNT_COMMITTED = "SELECT count(*) FROM seen"

AIOHTTP = Entry(
    "ceiling.aiohttp",
    "requests/s",
    "A bare aiohttp on uvloop that reads the same posts and answers 200,"
    " driven by wrk on one thread over 256 connections.",
    least_value=5_000,
)
SINGLE = Entry(
    "gateway.ack.single",
    "items/s",
    "Signed webhooks with one new message each over 256 connections, committed before the 200;"
    " the messaging service only takes in.",
    ceiling=AIOHTTP.name,
    least_ratio=0.35,
)
BATCH = Entry(
    "gateway.ack.batch50",
    "items/s",
    "The same with 50 messages in each webhook over 16 connections; the ceiling counts requests.",
    ceiling=AIOHTTP.name,
    least_value=15_000,
)
LOADED = Entry(
    "gateway.ack.loaded",
    "items/s",
    "gateway.ack.single while the same messaging process leads the conversations and sends the"
    " replies; the mesh is frozen while the ceiling is measured.",
    ceiling=AIOHTTP.name,
)

WORKING = ("gateway", "messaging", "tenant", "booking")


@dataclass(frozen=True)
class Posts:
    """How one entry posts."""

    items: int
    """In one webhook."""
    connections: int
    most_per_second: int
    """Webhooks; nothing on two cores answers more, so none is posted twice."""


# Meta delivers concurrently; with 64 connections, batches would be no bigger than 16.
CONNECTIONS = 256
ONE = Posts(items=1, connections=CONNECTIONS, most_per_second=15_000)
FIFTY = Posts(items=50, connections=16, most_per_second=1_500)
CEILING_POOL = 1_000


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """A gateway, a messaging service that only ingests, and the ceiling."""
    async with AsyncExitStack() as stack:
        ingest = Process("messaging", ("--only=serve",))
        mesh, _ = await stack.enter_async_context(meshes.running(ingest, "gateway"))
        pool = stack.enter_context(requests_file())
        meter = meshes.meter(mesh, ("gateway", "messaging"))
        yield {
            AIOHTTP.name: await stack.enter_async_context(_bare(pool)),
            SINGLE.name: _acks(mesh, meter, pool, ONE),
            BATCH.name: _acks(mesh, meter, pool, FIFTY),
        }


@asynccontextmanager
async def start_loaded() -> AsyncIterator[Mapping[str, Run]]:
    """The whole mesh, and the ceiling measured while the mesh is frozen."""
    async with AsyncExitStack() as stack:
        mesh, _ = await stack.enter_async_context(
            meshes.running("graph", "tenant", "booking", "messaging", "gateway")
        )
        pool = stack.enter_context(requests_file())
        bare = await stack.enter_async_context(_bare(pool))
        meter = meshes.meter(mesh, WORKING)
        yield {
            AIOHTTP.name: _frozen(mesh, bare),
            LOADED.name: _with_replies(mesh, _acks(mesh, meter, pool, ONE)),
        }


@contextmanager
def requests_file() -> Iterator[Path]:
    """A file for the requests of one run."""
    with tempfile.TemporaryDirectory(prefix="conserje-bench-pool-") as folder:
        yield Path(folder) / "requests"


@asynccontextmanager
async def _bare(pool: Path) -> AsyncIterator[Run]:
    async with program("bare_aiohttp") as (server, said):
        host = f"127.0.0.1:{said['port']}"
        meter = CpuMeter(lambda: {"server": server.pid})
        requests = Writer("nobody").requests(host, WEBHOOK_PATH, count=CEILING_POOL, items=1)

        async def run(seconds: float) -> Sample:
            wrk.write_pool(pool, requests)
            meter.start()
            load = await wrk.run(f"http://{host}", pool, seconds=seconds, connections=CONNECTIONS)
            check_all_answered(load, AIOHTTP)
            return Sample(load.requests / load.seconds, meter.per_item(load.requests))

        yield run


def _acks(mesh: Mesh, meter: CpuMeter, pool: Path, posts: Posts) -> Run:
    host = mesh.address("gateway").http

    async def run(seconds: float) -> Sample:
        writer = Writer(mesh.credentials.app_secret)
        count = round(posts.most_per_second * max(seconds, 1.0))
        wrk.write_pool(pool, writer.requests(host, WEBHOOK_PATH, count=count, items=posts.items))
        before = await meshes.count(mesh, "messaging", COUNT_COMMITTED)
        meter.start()
        load = await wrk.run(f"http://{host}", pool, seconds=seconds, connections=posts.connections)
        items = load.requests * posts.items
        cpu = meter.per_item(items)
        if load.requests > count:
            raise BenchError(f"All {count} webhooks were posted before the time was over.")
        check_all_answered(load, SINGLE)
        committed = await meshes.count(mesh, "messaging", COUNT_COMMITTED) - before
        if committed < items:
            raise BenchError(f"{items} items were answered 200, only {committed} are committed.")
        details = {"p50_ms": load.p50_ms, "p99_ms": load.p99_ms}
        return Sample(items / load.seconds, cpu, details)

    return run


def _with_replies(mesh: Mesh, acks: Run) -> Run:
    """Counts what the fake Graph API accepted meanwhile."""

    async def run(seconds: float) -> Sample:
        before = (await mesh.graph.report())["accepted"]
        sample = await acks(seconds)
        replies = (await mesh.graph.report())["accepted"] - before
        return Sample(
            sample.value,
            sample.cpu_us_per_item,
            {**sample.details, "accepted_replies_per_second": replies / seconds},
        )

    return run


def _frozen(mesh: Mesh, bare: Run) -> Run:
    """What is left to do for the mesh would slow the ceiling down, and flatter the ratio."""

    async def run(seconds: float) -> Sample:
        for name in WORKING:
            mesh.signal(name, signal.SIGSTOP)
        try:
            return await bare(seconds)
        finally:
            for name in WORKING:
                mesh.signal(name, signal.SIGCONT)

    return run


def check_all_answered(load: wrk.Load, entry: Entry) -> None:
    """Only answers 200 are counted: anything else ends the bench."""
    if load.refused or load.broken:
        raise BenchError(
            f"{entry.name}: {load.refused} of {load.requests} posts were refused,"
            f" {load.broken} had no answer."
        )


GROUP = Group((AIOHTTP, SINGLE, BATCH), start)
LOADED_GROUP = Group((AIOHTTP, LOADED), start_loaded)
