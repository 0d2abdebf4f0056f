"""What other tests rely on: fresh databases, closed to other services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from sandbox.databases import DatabaseUrls

ServiceDatabase = Callable[[str], Awaitable[DatabaseUrls]]


async def test_each_database_is_fresh(service_database: ServiceDatabase) -> None:
    for _ in range(2):
        urls = await service_database("tenant")
        owner = await asyncpg.connect(urls.owner_url)
        await owner.execute("CREATE TABLE fresh (id int)")
        await owner.close()


async def test_app_role_has_limits_and_no_ddl(service_database: ServiceDatabase) -> None:
    urls = await service_database("tenant")
    app = await asyncpg.connect(urls.app_url)
    assert await app.fetchval("SHOW statement_timeout") == "10s"
    assert await app.fetchval("SHOW lock_timeout") == "5s"
    assert await app.fetchval("SHOW idle_in_transaction_session_timeout") == "15s"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TABLE mine (id int)")
    await app.close()


async def test_no_service_reads_the_database_of_another(service_database: ServiceDatabase) -> None:
    tenant = await service_database("tenant")
    booking = await service_database("booking")
    foreign = booking.app_url.rpartition("/")[0] + "/" + tenant.app_url.rpartition("/")[2]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(foreign)


@pytest.mark.parametrize("command", [["KEYS", "*"], ["SCAN", "0"], ["FLUSHALL"], ["FLUSHDB"]])
async def test_the_mesh_may_not_look_at_everything(redis_url: str, command: list[str]) -> None:
    async with Redis.from_url(redis_url) as mesh:
        assert await mesh.set("key", "value")
        assert await mesh.eval("return redis.call('GET', KEYS[1])", 1, "key") == b"value"
        with pytest.raises(NoPermissionError):
            await mesh.execute_command(*command)  # type: ignore[no-untyped-call]


async def test_redis_is_emptied_between_tests(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as mesh:
        assert await mesh.dbsize() == 0
        await mesh.info()
