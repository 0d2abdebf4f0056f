"""Copies of the directory that follow its replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import asyncpg
from conserje.tenant.v1.tenant_pb2 import RoutingRecord
from conserje.tenant.v1.tenant_service_pb2 import WatchTenantsRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub
from prometheus_client import CollectorRegistry

from meshkit.client import Channel
from meshkit.clock import SystemClock
from meshkit.metrics import RpcMetrics, new_registry
from meshkit.telemetry import Tracing
from meshkit.watch import NOTHING, Follower, Part, WatchMetrics
from sandbox.databases import DatabaseUrls
from tests.integration.meshkit.servers import eventually
from tests.integration.meshkit.watching import in_background
from tests.integration.tenant.test_process import ports_of, start

RENAME = "UPDATE tenant SET display_name = $1 WHERE tenant_id = 'hotel-mirador'"
REMOVE = "DELETE FROM whatsapp_number WHERE tenant_id = 'posada-luna'"
CHANGES = 20
Item = RoutingRecord | str


class Copy:
    """The directory as a follower has it: records by number."""

    def __init__(self, *stubs: Any) -> None:
        """`stubs` are the replicas, asked in turn."""
        self.records: dict[str, RoutingRecord] = {}
        self.opened: list[int] = []
        self._stubs = stubs
        self.registry = CollectorRegistry()
        self.follower: Follower[Item] = Follower(
            "directory",
            opened=self._open,
            copy=self,
            clock=SystemClock(),
            metrics=WatchMetrics(self.registry),
        )

    def has(self, count: int, name: str) -> bool:
        """Whether it has so many numbers, and this name for the hotel that is renamed."""
        mirador = self.records.get("100000000000001", RoutingRecord())
        return len(self.records) == count and mirador.display_name == name

    def whole_copies(self) -> float | None:
        """How often everything was read."""
        labels = {"what": "directory"}
        return self.registry.get_sample_value("watch_whole_copies_total", labels)

    async def replace(self, version: int, items: Sequence[Item]) -> None:
        """Be these."""
        self.records = {}
        self.change(version, items)

    def change(self, _version: int, items: Sequence[Item]) -> None:
        """Take these in."""
        for item in items:
            if isinstance(item, str):
                del self.records[item]
            else:
                self.records[item.phone_number_id] = item

    async def _open(self, version: int) -> AsyncIterator[Part[Item]]:
        stub = self._stubs[len(self.opened) % len(self._stubs)]
        self.opened.append(version)
        request = WatchTenantsRequest(after_version=None if version == NOTHING else version)
        async for one in stub.WatchTenants(request):
            assert one.as_of.seconds
            items = [*one.routing_records, *one.removed_phone_number_ids]
            yield Part(one.version, one.after_version, items, one.whole, one.more)


def kill(process: asyncio.subprocess.Process) -> None:
    """End a process that is still there, without a word to its readers."""
    if process.returncode is None:
        process.kill()


async def test_followers_of_two_replicas_see_each_change_and_outlive_one(
    urls: DatabaseUrls, admin: asyncpg.Connection
) -> None:
    metrics, tracing = RpcMetrics(new_registry(), "client"), Tracing("test", ratio=0.0)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(tracing.aclose)
        processes, stubs = [], []
        for _ in range(2):
            # Nothing is found by asking: changes are told, and looked for when a reader is ahead.
            process = await start(urls, CONSERJE_TENANT_POLL_SECONDS="60")
            processes.append(process)
            stack.push_async_callback(process.communicate)
            stack.callback(kill, process)
            target = f"127.0.0.1:{(await ports_of(process))['grpc']}"
            channel = Channel(target, tracing=tracing, metrics=metrics)
            stack.push_async_callback(channel.aclose)
            stubs.append(channel.stub(TenantServiceStub))
        first, second, roaming = Copy(stubs[0]), Copy(stubs[1]), Copy(*stubs)
        for copy in (first, second, roaming):
            await stack.enter_async_context(in_background(copy.follower.run))
            await eventually(partial(copy.has, 2, "Hotel Mirador"), 10)
        await admin.execute(RENAME, "Told to all")
        for copy in (first, second, roaming):
            await eventually(partial(copy.has, 2, "Told to all"), 10)

        for number in range(CHANGES):
            await admin.execute(RENAME, f"Hotel {number}")
            if number == CHANGES // 2:
                processes[0].kill()
        await admin.execute(REMOVE)
        newest = await admin.fetchval("SELECT version FROM directory")
        for copy in (second, roaming):
            await eventually(partial(copy.has, 1, f"Hotel {CHANGES - 1}"), 10)
            assert copy.follower.version == newest
            assert copy.whole_copies() == 1
        assert len(roaming.opened) > 1
        assert roaming.opened[1] > roaming.opened[0] == NOTHING
