"""A caller's own copy of the directory, asked in a loop while it goes on following.

The clock is the process's CPU time: who else runs on the machine hardly matters.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from bench import hotels
from bench.programs.stdio import lines, log_elsewhere, say
from copies.directory import Directory
from meshkit.config import Settings
from meshkit.kit import Kit
from meshkit.run import spare_collector
from meshkit.watch import WatchMetrics

AT_ONCE = 10_000
"""Lookups between two ticks of the loop."""


async def main(target: str) -> None:
    """Look numbers up when told, for so many seconds."""
    log_elsewhere()
    kit = Kit("bench", Settings())
    channel = kit.channel("tenant", target)
    directory = Directory(
        channel.stub(TenantServiceStub),
        clock=kit.clock,
        registry=kit.registry,
        watches=WatchMetrics(kit.registry),
    )
    stopping = asyncio.Event()
    following = asyncio.create_task(directory.run(stopping))
    await directory.loaded.wait()
    ids = [hotels.phone_number_id(number) for number in hotels.in_any_order()]
    spare_collector()
    say(ready=True)
    async for line in lines():
        started = time.process_time()
        count = await _look_up(directory, ids, float(line))
        say(count=count, seconds=time.process_time() - started)
    stopping.set()
    await following
    await channel.aclose()
    await kit.telemetry.aclose()


async def _look_up(directory: Directory, ids: list[str], seconds: float) -> int:
    until = time.process_time() + seconds
    count = 0
    while time.process_time() < until:
        start = count % len(ids)
        for one in ids[start : start + AT_ONCE]:
            if directory.find(one) is None:
                raise RuntimeError(f"number {one} is in no copy")
        count += AT_ONCE
        await asyncio.sleep(0)
    return count


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
