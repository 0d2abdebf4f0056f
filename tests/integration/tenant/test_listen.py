"""Every replica hears of a change as it commits, without asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import grpc
from conserje.tenant.v1.tenant_service_pb2 import ResolveTenantRequest
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from sandbox.databases import DatabaseUrls
from services.tenant.listener import Listener
from tests.integration.tenant.test_process import ports_of, start

RENAME = "UPDATE tenant SET display_name = $1 WHERE tenant_id = 'hotel-mirador'"
LISTENERS = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'conserje-tenant-listener' AND datname = current_database()
"""
END = f"SELECT pg_terminate_backend(pid) FROM ({LISTENERS}) AS listener"
NO_POLLING = {"CONSERJE_TENANT_POLL_SECONDS": "60"}
MIRADOR = ResolveTenantRequest(phone_number_id="100000000000001")


@asynccontextmanager
async def replica(urls: DatabaseUrls) -> AsyncIterator[Any]:
    """A process that would look by itself once a minute, and a stub for it."""
    process = await start(urls, **NO_POLLING)
    try:
        port = (await ports_of(process))["grpc"]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield TenantServiceStub(channel)
    finally:
        process.terminate()
        await process.communicate()


async def listening(admin: asyncpg.Connection, count: int) -> None:
    """Wait until so many listen."""
    async with asyncio.timeout(10):
        while len(await admin.fetch(LISTENERS)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def name_at(stub: Any) -> str:
    """What the replica says now."""
    name: str = (await stub.ResolveTenant(MIRADOR)).routing_record.display_name
    return name


async def named(stub: Any, name: str) -> None:
    """Wait until the replica tells the hotel's new name."""
    async with asyncio.timeout(5):
        while await name_at(stub) != name:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_change_is_seen_by_two_replicas_that_do_not_ask(
    urls: DatabaseUrls, admin: asyncpg.Connection
) -> None:
    async with AsyncExitStack() as stack:
        stubs = [await stack.enter_async_context(replica(urls)) for _ in range(2)]
        await listening(admin, 2)
        for name in ("Hotel A", "Hotel B"):
            await admin.execute(RENAME, name)
            await asyncio.gather(*(named(stub, name) for stub in stubs))


async def test_a_listener_that_was_cut_off_looks_for_what_it_missed(
    urls: DatabaseUrls, admin: asyncpg.Connection
) -> None:
    looks: asyncio.Queue[None] = asyncio.Queue()
    listener = Listener(urls.app_url, lambda: looks.put_nowait(None))
    stopping = asyncio.Event()
    assert listener.problem() is not None
    task = asyncio.create_task(listener.run(stopping))
    async with asyncio.timeout(10):
        await looks.get()
        assert listener.problem() is None
        await admin.execute(RENAME, "Hotel A")
        await looks.get()
        # A role may only end connections of its own.
        cutter = await asyncpg.connect(urls.app_url)
        await cutter.execute(END)
        await cutter.close()
        await looks.get()
        assert listener.problem() is None
        stopping.set()
        await task
    assert looks.empty()


async def test_what_is_rolled_back_is_not_told(
    urls: DatabaseUrls, admin: asyncpg.Connection
) -> None:
    looks: asyncio.Queue[None] = asyncio.Queue()
    listener = Listener(urls.app_url, lambda: looks.put_nowait(None))
    stopping = asyncio.Event()
    task = asyncio.create_task(listener.run(stopping))
    async with asyncio.timeout(10):
        await looks.get()
        undone = admin.transaction()
        await undone.start()
        await admin.execute(RENAME, "Hotel A")
        await undone.rollback()
        await admin.execute(RENAME, "Hotel B")
        await looks.get()
        stopping.set()
        await task
    assert looks.empty()
