"""Copies of the directory that follow its replicas, whatever becomes of these and of the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import asyncpg
import pytest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub
from prometheus_client import CollectorRegistry

from copies.directory import Directory, Record
from meshkit.client import Channel
from meshkit.clock import SystemClock
from meshkit.metrics import RpcMetrics, new_registry
from meshkit.postgres import Postgres
from meshkit.telemetry import Tracing
from meshkit.watch import WatchMetrics
from sandbox.databases import DatabaseUrls
from services.tenant.store import TenantStore
from tests.integration.meshkit.watching import in_background
from tests.integration.tenant.test_process import ports_of, start
from tests.integration.tenant.test_refresh import change_something
from tests.waiting import eventually

SIZES = [
    pytest.param(16, 4, id="short"),
    pytest.param(400, 40, id="long", marks=pytest.mark.soak),
]
"""Changes, and what breaks in the course of them."""
REPLICAS, FOLLOWERS = 3, 4
RENAME = "UPDATE tenant SET display_name = $1 WHERE tenant_id = 'hotel-mirador'"


class Replica:
    """A process of the tenant service behind an address that stays, and a way that can be cut."""

    def __init__(self, urls: DatabaseUrls) -> None:
        self._urls = urls
        self._process: asyncio.subprocess.Process | None = None
        self._server: asyncio.Server | None = None
        self._behind = 0
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        """Serve."""
        # Nothing is found by asking: changes are told, and looked for when a reader is ahead.
        self._process = await start(self._urls, CONSERJE_TENANT_POLL_SECONDS="60")
        self._behind = (await ports_of(self._process))["grpc"]
        if self._server is None:
            self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """End it without a word to its readers."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.communicate()

    def cut(self) -> None:
        """Cut whoever reads from it now."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        """Be no more."""
        await self.kill()
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self._open |= ends
        await asyncio.gather(_pump(reader, back), _pump(there, writer))
        self._open -= ends


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


class Copy(Directory):
    """A copy that remembers the versions it had."""

    def __init__(self, stub: Any) -> None:
        self.registry = CollectorRegistry()
        self.versions: list[int] = []
        super().__init__(
            stub,
            clock=SystemClock(),
            registry=self.registry,
            watches=WatchMetrics(self.registry),
        )

    async def replace(self, version: int, items: Sequence[Any]) -> None:
        """Note it."""
        await super().replace(version, items)
        self.versions.append(version)

    def change(self, version: int, items: Sequence[Any]) -> None:
        """Note it."""
        super().change(version, items)
        self.versions.append(version)

    def has(self, version: int) -> bool:
        """Whether it has come to that version."""
        return bool(self.versions) and self.versions[-1] == version

    def counted(self, name: str) -> float:
        """What its follower has counted."""
        values = (
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        )
        return sum(values)


@asynccontextmanager
async def replicas_of(urls: DatabaseUrls) -> AsyncIterator[list[Replica]]:
    replicas = [Replica(urls) for _ in range(REPLICAS)]
    try:
        for replica in replicas:
            await replica.start()
        yield replicas
    finally:
        for replica in replicas:
            await replica.close()


@asynccontextmanager
async def copies_of(replicas: Sequence[Replica]) -> AsyncIterator[list[Copy]]:
    """Followers as the processes of the mesh are: each may be served by any replica."""
    metrics, tracing = RpcMetrics(new_registry(), "client"), Tracing("test", ratio=0.0)
    target = "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
    copies: list[Copy] = []
    async with AsyncExitStack() as stack:
        stack.push_async_callback(tracing.aclose)
        for _ in range(FOLLOWERS):
            channel = Channel(target, tracing=tracing, metrics=metrics)
            stack.push_async_callback(channel.aclose)
            copy = Copy(channel.stub(TenantServiceStub))
            copies.append(copy)
            await stack.enter_async_context(in_background(copy.run))
        for copy in copies:
            await eventually(copy.loaded.is_set, 20)
        yield copies


@pytest.mark.parametrize(("changes", "cuts"), SIZES)
async def test_cut_streams_are_resumed_by_version_without_a_gap(
    urls: DatabaseUrls, postgres: Postgres, admin: asyncpg.Connection, changes: int, cuts: int
) -> None:
    chance = random.Random(20)
    async with replicas_of(urls) as replicas, copies_of(replicas) as copies:
        for number in range(changes):
            await change_something(admin, chance)
            if number % (changes // cuts) == 0:
                # Each has its stream open then, for it has heard of this.
                await admin.execute(RENAME, f"Hotel {number}")
                await all_have_come_to_it(copies, postgres)
                for replica in replicas:
                    replica.cut()
        await all_have_come_to_it(copies, postgres)
        for copy in copies:
            assert copy.counted("watch_reconnects_total") >= cuts
            assert copy.counted("watch_whole_copies_total") == 1


@pytest.mark.parametrize(("changes", "kills"), SIZES)
async def test_whatever_replicas_are_killed_all_copies_come_to_the_newest_version(
    urls: DatabaseUrls, postgres: Postgres, admin: asyncpg.Connection, changes: int, kills: int
) -> None:
    chance = random.Random(21)
    other = await asyncpg.connect(urls.owner_url)
    async with replicas_of(urls) as replicas, copies_of(replicas) as copies:
        for number in range(changes):
            # The second waits for the version of the first, whichever that is.
            seeds = chance.random(), chance.random()
            await asyncio.gather(
                change_something(admin, random.Random(seeds[0])),
                change_something(other, random.Random(seeds[1])),
            )
            if number % (changes // kills) == 0:
                killed = replicas[number // (changes // kills) % REPLICAS]
                await killed.kill()
                await change_something(admin, chance)
                if chance.random() < 0.5:
                    await killed.start()
        await all_have_come_to_it(copies, postgres)
    await other.close()


async def all_have_come_to_it(copies: Sequence[Copy], postgres: Postgres) -> None:
    """All copies are the database, and none has ever gone back or stood still."""
    newest = await TenantStore(postgres).read_directory()
    for copy in copies:
        await eventually(partial(copy.has, newest.version), 30)
        assert copy.versions == sorted(copy.versions)
        assert {one.phone_number_id: told(one) for one in await copy.records()} == {
            one.phone_number_id: told(one) for one in newest.numbers.values()
        }
        assert not copy.stale


def told(one: Any) -> tuple[Any, ...]:
    """What a record and a number must agree in."""
    state = one.state - 1 if isinstance(one, Record) else STATES.index(one.state)
    return (
        one.tenant_id,
        one.whatsapp_business_account_id,
        one.display_name,
        one.version,
        state,
    )


STATES = ("ACTIVE", "SUSPENDED", "DELETED")
