"""Redis gone, slow or crowded is found out in 250 ms, and recovered from."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import psutil
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from meshkit import redis_pool
from meshkit.redis_pool import REDIS_ERRORS, Command, RedisPool, at_once
from sandbox.embedded import EmbeddedRedis
from tests.waiting import eventually


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def pool(
    own_redis: EmbeddedRedis, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisPool]:
    monkeypatch.setattr(redis_pool, "CHECK_SECONDS", 0.05)
    made = RedisPool(own_redis.url, registry=registry)
    await made.start()
    yield made
    await made.close()


async def test_gone_and_back(
    pool: RedisPool, own_redis: EmbeddedRedis, registry: CollectorRegistry
) -> None:
    assert pool.problem() is None
    assert registry.get_sample_value("redis_up") == 1
    for end in (own_redis.kill, own_redis.stop):
        await pool.client.set("key", "value")
        end()
        with pytest.raises(REDIS_ERRORS):
            await pool.client.get("key")
        await eventually(lambda: pool.problem() is not None)
        assert registry.get_sample_value("redis_up") == 0
        own_redis.start()
        await eventually(lambda: pool.problem() is None)
        assert await pool.client.get("key") is None


async def test_a_redis_that_hangs_is_given_up(pool: RedisPool, own_redis: EmbeddedRedis) -> None:
    process = psutil.Process(own_redis.pid)
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(REDIS_ERRORS):
            await pool.client.get("key")
        await eventually(lambda: pool.problem() == "Redis does not answer (TimeoutError).")
    finally:
        process.send_signal(signal.SIGCONT)
    await eventually(lambda: pool.problem() is None)


async def test_it_closes_at_whatever_moment(
    own_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_pool, "CHECK_SECONDS", 0)
    for turns in range(40):
        pool = RedisPool(own_redis.url)
        await pool.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await pool.close()


async def test_answers_come_in_order(pool: RedisPool) -> None:
    writes: list[Command] = [("SET", f"key {one}", one, "EX", 60) for one in range(500)]
    assert set(await at_once(pool.client, writes)) == {b"OK"}
    reads: list[Command] = [("MGET", f"key {one}", "none") for one in range(500)]
    found = await at_once(pool.client, reads)
    assert found == [[b"%d" % one, None] for one in range(500)]


async def test_after_a_refused_command_nobody_gets_what_was_left_of_the_answers(
    pool: RedisPool,
) -> None:
    await pool.client.set("text", "value")
    with pytest.raises(REDIS_ERRORS):
        await at_once(pool.client, [("INCR", "text"), ("GET", "text"), ("GET", "text")])
    for _ in range(redis_pool.CONNECTIONS):
        assert await at_once(pool.client, [("GET", "none")]) == [None]


async def test_a_redis_that_hangs_keeps_nobody_waiting_for_each_answer(
    pool: RedisPool, own_redis: EmbeddedRedis
) -> None:
    process = psutil.Process(own_redis.pid)
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(REDIS_ERRORS):
            await at_once(pool.client, [("GET", "key")] * 3)
    finally:
        process.send_signal(signal.SIGCONT)
    assert await at_once(pool.client, [("GET", "none")]) == [None]


async def test_more_callers_than_connections_wait_their_turn(
    pool: RedisPool, registry: CollectorRegistry
) -> None:
    await pool.client.set("key", "value")
    answers = await asyncio.gather(*(pool.client.get("key") for _ in range(60)))
    assert answers == [b"value"] * 60
    await eventually(lambda: registry.get_sample_value("redis_pool_in_use") == 0)


async def test_callers_behind_a_blocked_pool_give_up(
    pool: RedisPool, registry: CollectorRegistry
) -> None:
    lent = pool.client.connection_pool
    connections = [await lent.get_connection() for _ in range(20)]  # type: ignore[no-untyped-call]
    assert registry.get_sample_value("redis_pool_in_use") == 20
    with pytest.raises(REDIS_ERRORS):
        await pool.client.get("key")
    for connection in connections:
        await lent.release(connection)
    assert await pool.client.get("key") is None
    await eventually(lambda: registry.get_sample_value("redis_pool_in_use") == 0)


async def test_away_at_the_start(own_redis: EmbeddedRedis) -> None:
    own_redis.stop()
    pool = RedisPool(own_redis.url)
    await pool.start()
    assert pool.problem() == "Redis does not answer (ConnectionError)."
    await pool.close()


@pytest.fixture
async def administrator(own_redis: EmbeddedRedis) -> AsyncIterator[Redis]:
    """Somebody who may change the server."""
    async with Redis.from_url(own_redis.admin_url) as client:
        yield client


async def test_the_share_of_memory_in_use_is_known(
    pool: RedisPool,
    administrator: Redis,
    registry: CollectorRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ratio() -> float:
        return registry.get_sample_value("redis_memory_used_ratio") or 0.0

    assert 0 < ratio() < 0.8
    monkeypatch.setattr(redis_pool, "MEMORY_SECONDS", 0.0)
    used = (await administrator.info("memory"))["used_memory"]
    await administrator.config_set("maxmemory", used + 40_000_000)
    fillers = [f"filler-{number}" for number in range(36)]
    for filler in fillers:
        await administrator.set(filler, b"x" * 1_000_000)
    await eventually(lambda: ratio() > 0.8)
    await administrator.delete(*fillers)
    await eventually(lambda: ratio() < 0.8)


async def test_a_redis_that_tells_nothing_about_its_memory_is_as_good(
    pool: RedisPool, administrator: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await administrator.acl_setuser("mesh", enabled=True, commands=["-info"])
    monkeypatch.setattr(redis_pool, "MEMORY_SECONDS", 0.0)

    async def refusals() -> int:
        stats = await administrator.info("commandstats")
        return int(stats.get("cmdstat_info", {}).get("rejected_calls", 0))

    async with asyncio.timeout(20):
        while await refusals() < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert pool.problem() is None
