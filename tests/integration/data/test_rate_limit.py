"""Token buckets in a real Redis, shared by replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from meshkit.clock import SystemClock
from meshkit.rate_limit import Bucket, Limit, RateLimiter, RateLimitMetrics
from meshkit.redis_pool import make_redis
from sandbox.embedded import EmbeddedRedis
from tests.conftest import RedisServer

# Slow enough that nothing comes back while a test runs.
PAIR = Bucket("pair:1", Limit(1 / 6000, 45))
OTHER = Bucket("pair:2", Limit(1 / 6000, 45))
NUMBER = Bucket("number", Limit(1 / 1000, 80))


def replica(redis: Redis, registry: CollectorRegistry | None = None) -> RateLimiter:
    """One of three replicas."""
    metrics = RateLimitMetrics(registry or CollectorRegistry())
    return RateLimiter(redis, name="test", most_replicas=3, clock=SystemClock(), metrics=metrics)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An empty Redis, as the mesh reaches it."""
    client = make_redis(redis_url)
    yield client
    await client.aclose(close_connection_pool=True)


async def test_replicas_share_a_burst_of_45_to_one_guest(redis: Redis) -> None:
    replicas = [replica(redis) for _ in range(3)]
    answers = await asyncio.gather(
        *(replicas[at % 3].take("n", [[NUMBER, PAIR]]) for at in range(60))
    )
    waits = [wait for (wait,) in answers]
    assert waits.count(0.0) == 45
    assert all(0 < wait <= 6000 for wait in waits if wait)


async def test_the_burst_is_a_debt_that_is_paid_one_by_one(redis: Redis) -> None:
    quick = Bucket("pair:3", Limit(5, 10))
    mine = replica(redis)
    waits = await mine.take("n", [[quick]] * 13)
    assert waits[:10] == [0.0] * 10
    assert 0 < waits[10] <= 0.2 < waits[11] <= 0.4 < waits[12] <= 0.6
    await asyncio.sleep(waits[10])
    again = await mine.take("n", [[quick]] * 2)
    assert again[0] == 0.0
    assert again[1] > 0


async def test_tokens_are_taken_from_all_buckets_or_from_none(redis: Redis) -> None:
    mine = replica(redis)
    waits = await mine.take("n", [[NUMBER, PAIR]] * 100)
    assert waits.count(0.0) == 45
    # The 55 refused ones took nothing from the number: 35 of 80 are left for the other guest.
    assert (await mine.take("n", [[NUMBER, OTHER]] * 45)).count(0.0) == 35


async def test_scopes_know_nothing_of_each_other_and_each_is_one_hash_slot(
    redis: Redis, redis_server: RedisServer
) -> None:
    mine = replica(redis)
    await mine.take("a", [[NUMBER, PAIR]] * 45)
    assert await mine.take("b", [[NUMBER, PAIR]]) == [0.0]
    async with Redis.from_url(redis_server.admin_url, decode_responses=True) as admin:
        # A mesh that other tests share may be at work on the same Redis.
        keys = sorted(await admin.keys("rate:test:*"))
    assert keys == [
        "rate:test:{a}:number",
        "rate:test:{a}:pair:1",
        "rate:test:{b}:number",
        "rate:test:{b}:pair:1",
    ]


async def test_a_bucket_is_gone_once_it_is_full_again(redis: Redis) -> None:
    await replica(redis).take("n", [[Bucket("pair:4", Limit(10, 3))]] * 2)
    left = await redis.pttl("rate:test:{n}:pair:4")
    assert 0 < left <= 202


async def test_what_the_other_side_said_holds_for_all_replicas(redis: Redis) -> None:
    await replica(redis).hold("n", PAIR, 64.0)
    (wait,) = await replica(redis).take("n", [[NUMBER, PAIR]])
    assert 60 < wait <= 64


async def test_without_redis_each_replica_has_its_share_and_returns_by_itself(
    own_redis: EmbeddedRedis,
) -> None:
    client = make_redis(own_redis.url)
    registry = CollectorRegistry()
    mine = replica(client, registry)
    assert await mine.take("n", [[PAIR]]) == [0.0]
    own_redis.stop()
    assert (await mine.take("n", [[PAIR]] * 45)).count(0.0) == 15
    own_redis.start()
    by_redis = {"limiter": "test", "by": "redis", "outcome": "granted"}
    async with asyncio.timeout(20):
        while registry.get_sample_value("rate_limit_asks_total", by_redis) == 1:
            await mine.take("n", [[OTHER]])
            await asyncio.sleep(0.05)
    await client.aclose(close_connection_pool=True)
