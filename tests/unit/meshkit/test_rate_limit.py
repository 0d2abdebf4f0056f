"""A replica's share of a limit while Redis is away."""

from __future__ import annotations

import datetime as dt
from typing import Any

from prometheus_client import CollectorRegistry
from redis.exceptions import ConnectionError as RedisConnectionError

from meshkit.clock import FakeClock
from meshkit.rate_limit import Bucket, Limit, RateLimiter, RateLimitMetrics

PAIR = Bucket("pair:1", Limit(1 / 6, 45))


class AwayRedis:
    """A Redis that nobody reaches."""

    def __init__(self) -> None:
        self.asked = 0

    def register_script(self, text: str) -> Any:
        async def script(**_: object) -> list[int]:
            self.asked += 1
            raise RedisConnectionError

        return script


def limiter(clock: FakeClock, **about: Any) -> tuple[RateLimiter, AwayRedis, CollectorRegistry]:
    redis: Any = AwayRedis()
    registry = CollectorRegistry()
    metrics = RateLimitMetrics(registry)
    options: dict[str, Any] = {"name": "sends", "most_replicas": 3} | about
    return RateLimiter(redis, clock=clock, metrics=metrics, **options), redis, registry


def a_clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))


async def test_a_replica_has_its_share_of_burst_and_rate() -> None:
    clock = a_clock()
    mine, _, _ = limiter(clock)
    waits = await mine.take("n", [[PAIR]] * 16)
    assert waits[:15] == [0.0] * 15
    assert 0 < waits[15] <= 18
    clock.advance(waits[15])
    assert await mine.take("n", [[PAIR]]) == [0.0]
    assert (await mine.take("n", [[PAIR]]))[0] > 0


async def test_what_is_refused_comes_back_one_after_the_other() -> None:
    number = Bucket("number", Limit(30, 1))
    mine, _, _ = limiter(a_clock())
    waits = await mine.take("n", [[number]] * 4)
    assert [round(wait, 3) for wait in waits] == [0.0, 0.1, 0.2, 0.3]


async def test_refused_by_one_bucket_nothing_is_taken_from_the_other() -> None:
    number = Bucket("number", Limit(0.3, 6))
    mine, _, _ = limiter(a_clock())
    await mine.hold("n", PAIR, 60.0)
    assert (await mine.take("n", [[number, PAIR]] * 5))[0] >= 60
    assert await mine.take("n", [[number], [number]]) == [0.0, 0.0]


async def test_redis_is_left_alone_for_a_moment_after_it_failed() -> None:
    clock = a_clock()
    mine, redis, registry = limiter(clock)
    for _ in range(5):
        await mine.take("n", [[PAIR]])
    assert redis.asked == 1
    clock.advance(1.1)
    await mine.take("n", [[PAIR]])
    assert redis.asked == 2
    labels = {"limiter": "sends", "by": "local", "outcome": "granted"}
    assert registry.get_sample_value("rate_limit_asks_total", labels) == 6


async def test_the_buckets_in_memory_are_bounded() -> None:
    mine, _, registry = limiter(a_clock(), most_kept=100)
    await mine.take("n", [[Bucket(f"pair:{one}", PAIR.limit)] for one in range(250)])
    of = {"limiter": "sends"}
    assert registry.get_sample_value("rate_limit_local_buckets", of) == 100
    assert registry.get_sample_value("rate_limit_forgotten_buckets_total", of) == 150
