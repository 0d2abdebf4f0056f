"""Calls of the tenant service, one by one and coalesced, against the bare unary echo."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from bench import mesh as meshes
from bench.measuring import Entry, Group, Run, Sample
from bench.processes import CpuMeter, Program, program

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
    "64 callers of ResolveTenant, each call an RPC.",
    ceiling=ECHO.name,
    least_ratio=0.7,
)
COALESCED = Entry(
    "tenant.resolve.coalesced",
    "items/s",
    "64 independent callers of the single-call interface of a coalescer before"
    " BatchResolveTenants.",
    ceiling=ECHO.name,
    least_ratio=10,
)


@asynccontextmanager
async def start() -> AsyncIterator[Mapping[str, Run]]:
    """An echo server, the tenant service, and callers of both."""
    async with AsyncExitStack() as stack:
        mesh, endpoint = await stack.enter_async_context(meshes.running("tenant"))
        server, said = await stack.enter_async_context(program("echo_server"))
        target = f"127.0.0.1:{said['port']}"
        caller, _ = await stack.enter_async_context(program("echo_caller", target))
        echo_meter = CpuMeter(lambda: {"caller": caller.pid, "server": server.pid})
        runs = {ECHO.name: _run(caller, echo_meter)}
        for entry, way in ((SINGLE, "single"), (COALESCED, "coalesced")):
            arguments = (way, mesh.wiring.target("tenant"), endpoint)
            caller, _ = await stack.enter_async_context(program("resolve_caller", *arguments))
            runs[entry.name] = _run(caller, meshes.meter(mesh, ("tenant",), caller=caller.pid))
        yield runs


def _run(caller: Program, meter: CpuMeter) -> Run:
    async def run(seconds: float) -> Sample:
        meter.start()
        count, elapsed = await caller.run(seconds)
        return Sample(count / elapsed, meter.per_item(count))

    return run


GROUP = Group((ECHO, SINGLE, COALESCED), start)
