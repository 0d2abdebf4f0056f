"""Whose a number is, of 100,000: asked of the tenant service, found in a caller's own copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from bench import hotels
from bench import mesh as meshes
from bench.measuring import Entry, Group, Run, Sample
from bench.processes import CpuMeter, Program, program
from sandbox.mesh import Mesh

ECHO = Entry(
    "ceiling.echo",
    "calls/s",
    "A unary echo of 60 bytes with the pinned grpcio: two processes on uvloop, 64 callers,"
    " nothing of ours.",
    least_value=1_600,
)
SINGLE = Entry(
    "tenant.resolve.single",
    "calls/s",
    "64 callers of ResolveTenant, each call an RPC, for 100,000 numbers of 10,000 hotels.",
    ceiling=ECHO.name,
    least_ratio=0.7,
)
COALESCED = Entry(
    "tenant.resolve.coalesced",
    "items/s",
    "64 independent callers of the single-call interface of a coalescer before"
    " BatchResolveTenants, for 100,000 numbers of 10,000 hotels.",
    ceiling=ECHO.name,
    least_ratio=10,
)
LOCAL = Entry(
    "tenant.directory.local",
    "lookups/s of CPU",
    "A loop over 100,000 numbers in a caller's own copy of the directory, while it follows.",
    least_value=1_000_000,
)
LOAD = Entry(
    "tenant.directory.load",
    "identifiers/s",
    "The directory of 100,000 numbers read and built, for the first time and again; in the details"
    " how long a slice of it holds the loop.",
)

LOADED_SECONDS = 60.0


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """An echo server, the tenant service with many hotels, and callers of both."""
    async with AsyncExitStack() as stack:
        mesh, endpoint = await stack.enter_async_context(meshes.running("tenant"))
        await hotels.load(mesh.databases["tenant"].owner_url)
        await _until_loaded(mesh)
        server, said = await stack.enter_async_context(program("echo_server"))
        target = f"127.0.0.1:{said['port']}"
        caller, _ = await stack.enter_async_context(program("echo_caller", target))
        runs = {ECHO.name: _run(caller, _meter(caller=caller.pid, server=server.pid))}
        for entry, way in ((SINGLE, "single"), (COALESCED, "coalesced")):
            arguments = (way, mesh.wiring.target("tenant"), endpoint)
            caller, _ = await stack.enter_async_context(program("resolve_caller", *arguments))
            runs[entry.name] = _run(caller, meshes.meter(mesh, ("tenant",), caller=caller.pid))
        following = program("directory_caller", mesh.wiring.target("tenant"))
        caller, _ = await stack.enter_async_context(following)
        runs[LOCAL.name] = _run(caller, _meter(caller=caller.pid))
        loading = program("directory_loader", mesh.databases["tenant"].app_url)
        loader, _ = await stack.enter_async_context(loading)
        runs[LOAD.name] = _loads(loader)
        yield runs


def _meter(**pids: int) -> CpuMeter:
    return CpuMeter(lambda: pids)


async def _until_loaded(mesh: Mesh) -> None:
    async with asyncio.timeout(LOADED_SECONDS):
        while _identifiers(await mesh.metrics("tenant")) < hotels.NUMBERS:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


def _identifiers(exposed: str) -> float:
    (line,) = (one for one in exposed.splitlines() if one.startswith("tenant_identifiers_cached "))
    return float(line.rpartition(" ")[2])


def _loads(loader: Program) -> Run:
    meter = _meter(loader=loader.pid)

    async def run(seconds: float) -> Sample:
        meter.start()
        told = await loader.ask(seconds)
        details = {name: value for name, value in told.items() if name.endswith("_ms")}
        count = told["count"]
        return Sample(count / told["seconds"], meter.per_item(count), details)

    return run


def _run(caller: Program, meter: CpuMeter) -> Run:
    async def run(seconds: float) -> Sample:
        meter.start()
        count, elapsed = await caller.run(seconds)
        return Sample(count / elapsed, meter.per_item(count))

    return run


GROUP = Group((ECHO, SINGLE, COALESCED, LOCAL, LOAD), start)
