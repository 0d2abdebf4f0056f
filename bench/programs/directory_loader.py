"""Loads the directory as the tenant service does, and measures how long that holds the loop.

For each line with seconds: a first load and a later one, which shares what is as before and lets
go of what was, again and again. The clock of the slices is the CPU time of this thread, so who
else runs on the machine hardly matters.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress

import uvloop
from prometheus_client import CollectorRegistry

from bench.programs.stdio import lines, log_elsewhere, say
from meshkit.clock import SystemClock
from meshkit.postgres import Postgres
from meshkit.run import spare_collector
from services.tenant.changes import Changes
from services.tenant.domain import Directory
from services.tenant.metrics import TenantMetrics
from services.tenant.refresh import Refresher
from services.tenant.store import TenantStore

IDLE_SECONDS = 0.0001
"""Ticks with less are left out: there are so many that any percentile would be of them."""


async def main(url: str) -> None:
    """Load when told."""
    log_elsewhere()
    postgres = Postgres(url)
    await postgres.start()
    spare_collector()
    say(ready=True)
    async for line in lines():
        until = time.perf_counter() + float(line)
        count, used, slices = 0, 0.0, list[float]()
        while not count or time.perf_counter() < until:
            started = time.perf_counter()
            count += await _load_twice(postgres, slices)
            used += time.perf_counter() - started
        slices.sort()
        say(
            count=count,
            seconds=used,
            longest_slice_ms=1e3 * slices[-1],
            p999_slice_ms=1e3 * slices[int(len(slices) * 0.999)],
            p99_slice_ms=1e3 * slices[int(len(slices) * 0.99)],
        )
    await postgres.close()


async def _load_twice(postgres: Postgres, slices: list[float]) -> int:
    """How many identifiers were loaded."""
    clock = SystemClock()
    directory = Directory(clock)
    changes = Changes(directory)
    refresher = Refresher(
        store=TenantStore(postgres),
        directory=directory,
        changes=changes,
        metrics=TenantMetrics(CollectorRegistry(), directory, changes),
        clock=clock,
        poll_seconds=1.0,
        # The second time everything is read again, whatever the version.
        reload_seconds=0.0,
    )
    measuring = asyncio.create_task(_measure(slices))
    await asyncio.sleep(0)
    for _ in range(2):
        await refresher.refresh()
    measuring.cancel()
    with suppress(asyncio.CancelledError):
        await measuring
    return 2 * len(directory.snapshot.numbers)


async def _measure(slices: list[float]) -> None:
    last = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        if now - last > IDLE_SECONDS:
            slices.append(now - last)
        last = now


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
