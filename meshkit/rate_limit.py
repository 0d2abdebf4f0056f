"""Token buckets that all replicas share: how often something may be done, and when next.

The buckets of one scope (a number, a hotel's PMS) live in Redis under one hash
tag and are asked by one script, so that an ask that needs several of them takes
a token from each or from none. A bucket is one number: the moment at which it is
full again. While Redis is away each replica goes on with its share, the limit
divided by the most replicas that there may be: too slow rather than too fast.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

from meshkit.clock import Clock
from meshkit.redis_pool import REDIS_ERRORS

if TYPE_CHECKING:
    from redis.asyncio import Redis

MOST_KEPT = 100_000
"""Buckets of the fallback: some ten megabytes; beyond, the least recently used is forgotten."""
PAUSE_SECONDS = 1.0
"""After a failure Redis is left alone for so long: nobody waits 250 ms for it again and again."""
MICROSECONDS = 1_000_000

# ARGV: for each key the microseconds a token takes and how far ahead of now the
# bucket's moment may be; then asks: a count and so many indexes of keys; or 0, an
# index and for how many microseconds nothing may be taken from that one. Answers
# the microseconds that each ask has to wait, 0 when its tokens are taken. What is
# refused stands in a line: the next one refused by the same bucket waits longer.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local values = redis.call('MGET', unpack(KEYS))
local full, line, changed, waits = {}, {}, {}, {}
for i = 1, #KEYS do
    full[i] = math.max(tonumber(values[i] or 0), now)
    line[i] = 0
end
local at = 2 * #KEYS + 1
while at <= #ARGV do
    local count = tonumber(ARGV[at])
    if count == 0 then
        local i = tonumber(ARGV[at + 1])
        full[i] = math.max(full[i], now + ARGV[2 * i] + ARGV[at + 2])
        changed[i] = true
        at = at + 3
    else
        local wait, worst = 0, 0
        for j = 1, count do
            local i = tonumber(ARGV[at + j])
            local over = full[i] + line[i] - now - ARGV[2 * i]
            if over > wait then wait, worst = over, i end
        end
        for j = 1, count do
            local i = tonumber(ARGV[at + j])
            if worst == 0 then
                full[i] = full[i] + ARGV[2 * i - 1]
                changed[i] = true
            elseif i == worst then
                line[i] = line[i] + ARGV[2 * i - 1]
            end
        end
        waits[#waits + 1] = math.ceil(wait)
        at = at + count + 1
    end
end
for i in pairs(changed) do
    redis.call('SET', KEYS[i], string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000) + 1)
end
return waits
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Limit:
    """`per_second` in the long run, `burst` at once when nothing was done for a while.

    A burst is borrowed: what is done at once is missing afterwards.
    """

    per_second: float
    burst: float = 1.0

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1:
            raise ValueError("a limit lets something through: per_second > 0, burst >= 1")

    @property
    def interval(self) -> float:
        """Seconds that a token takes to come back."""
        return 1 / self.per_second

    @property
    def ahead(self) -> float:
        """How far a bucket's moment may lie ahead of now for one more token to be there."""
        return (self.burst - 1) * self.interval

    def share(self, replicas: int) -> Limit:
        """What one of so many replicas may do by itself."""
        return Limit(self.per_second / replicas, max(1.0, self.burst / replicas))


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit of a scope; the name holds no phone number, for keys are seen by operators."""

    name: str
    limit: Limit


Ask = Sequence[Bucket]
"""The buckets that one thing takes a token from: all of them, or none."""


class RateLimitMetrics:
    """What the limiters of a process count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.asks = Counter(
            "rate_limit_asks",
            "Things that asked whether they may be done: by limiter, by who decided "
            "(redis, or local while it is away), granted or refused.",
            ["limiter", "by", "outcome"],
            registry=registry,
        )
        self.kept = Gauge(
            "rate_limit_local_buckets",
            "Buckets in memory, for the time that Redis is away.",
            ["limiter"],
            registry=registry,
        )
        self.forgotten = Counter(
            "rate_limit_forgotten_buckets",
            "Buckets in memory that were dropped because there were too many.",
            ["limiter"],
            registry=registry,
        )


class RateLimiter:
    """Says when things may be done; `name` leads the keys and labels the metrics."""

    def __init__(
        self,
        redis: Redis,
        *,
        name: str,
        most_replicas: int,
        clock: Clock,
        metrics: RateLimitMetrics,
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._script = redis.register_script(SCRIPT)
        self._name = name
        self._clock = clock
        self._metrics = metrics
        self._local = _LocalBuckets(name, most_replicas, metrics, most_kept)
        self._away_until = 0.0

    async def take(self, scope: str, asks: Sequence[Ask]) -> list[float]:
        """For each ask the seconds that it has to wait, in order; 0: do it, the tokens are taken.

        Nothing is reserved for who has to wait: it asks again. Those refused by one bucket in
        one call are told to come back one after the other.
        """
        if not asks:
            return []
        waits, by = await self._ask(scope, asks, []), "redis"
        if waits is None:
            waits, by = self._local.take(scope, asks, self._clock.monotonic()), "local"
        refused = sum(1 for wait in waits if wait > 0)
        self._metrics.asks.labels(self._name, by, "granted").inc(len(waits) - refused)
        self._metrics.asks.labels(self._name, by, "refused").inc(refused)
        return waits

    async def hold(self, scope: str, bucket: Bucket, seconds: float) -> None:
        """Let nothing be taken from a bucket for so long: the other side has said that it is full.

        Both sides remember it, so that it also holds when Redis goes away meanwhile.
        """
        self._local.hold(scope, bucket, self._clock.monotonic() + seconds)
        await self._ask(scope, [], [(bucket, seconds)])

    async def _ask(
        self, scope: str, asks: Sequence[Ask], holds: Sequence[tuple[Bucket, float]]
    ) -> list[float] | None:
        """What Redis says; None while it is away."""
        if self._clock.monotonic() < self._away_until:
            return None
        keys, arguments = _request(f"rate:{self._name}:{{{scope}}}", asks, holds)
        try:
            waits = await self._script(keys=keys, args=arguments)
        except REDIS_ERRORS:
            self._away_until = self._clock.monotonic() + PAUSE_SECONDS
            return None
        return [int(wait) / MICROSECONDS for wait in waits]


class _LocalBuckets:
    """The same arithmetic on one replica's share; `now` is a monotonic time in seconds."""

    def __init__(self, name: str, replicas: int, metrics: RateLimitMetrics, most_kept: int) -> None:
        self._replicas = replicas
        self._most_kept = most_kept
        self._full: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._forgotten = metrics.forgotten.labels(name)
        metrics.kept.labels(name).set_function(lambda: len(self._full))

    def take(self, scope: str, asks: Sequence[Ask], now: float) -> list[float]:
        line: dict[str, float] = {}
        return [self._one(scope, ask, now, line) for ask in asks]

    def hold(self, scope: str, bucket: Bucket, until: float) -> None:
        ahead = bucket.limit.share(self._replicas).ahead
        self._keep(
            (scope, bucket.name), max(self._full.get((scope, bucket.name), 0), until + ahead)
        )

    def _one(self, scope: str, ask: Ask, now: float, line: dict[str, float]) -> float:
        wait, worst = 0.0, None
        for bucket in ask:
            full = max(self._full.get((scope, bucket.name), now), now)
            ahead = bucket.limit.share(self._replicas).ahead
            over = full + line.get(bucket.name, 0.0) - now - ahead
            # A thousandth of a millisecond is what sums of fractions are off by.
            if over > max(wait, 1e-6):
                wait, worst = over, bucket
        if worst is not None:
            interval = worst.limit.share(self._replicas).interval
            line[worst.name] = line.get(worst.name, 0.0) + interval
            return wait
        for bucket in ask:
            full = max(self._full.get((scope, bucket.name), now), now)
            self._keep((scope, bucket.name), full + bucket.limit.share(self._replicas).interval)
        return 0.0

    def _keep(self, key: tuple[str, str], full: float) -> None:
        self._full[key] = full
        self._full.move_to_end(key)
        while len(self._full) > self._most_kept:
            self._full.popitem(last=False)
            self._forgotten.inc()


def _request(
    prefix: str, asks: Sequence[Ask], holds: Sequence[tuple[Bucket, float]]
) -> tuple[list[str], list[int]]:
    """The keys and arguments of the script."""
    buckets = {bucket.name: bucket for ask in asks for bucket in ask}
    buckets |= {bucket.name: bucket for bucket, _ in holds}
    places = {name: place for place, name in enumerate(buckets, start=1)}
    arguments: list[int] = []
    for bucket in buckets.values():
        arguments += (_micros(bucket.limit.interval), _micros(bucket.limit.ahead))
    for held, seconds in holds:
        arguments += (0, places[held.name], _micros(seconds))
    for ask in asks:
        arguments += (len(ask), *(places[bucket.name] for bucket in ask))
    return [f"{prefix}:{name}" for name in buckets], arguments


def _micros(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
