"""Circuit breakers that replicas share: a system that fails in a row is left alone.

Five failures open one, or two when nothing has worked for so long as `LONG_SECONDS`, counted
from the beginning of the first: calls that hang take their time to fail.

One for each hotel, reads and writes apart, in Redis under one hash tag. After
`OPEN_SECONDS` one read tries (half-open); a write tries only while reads work.
While Redis is away each replica keeps its own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from meshkit.clock import Clock
from meshkit.errors import Unavailable
from meshkit.redis_pool import REDIS_ERRORS

if TYPE_CHECKING:
    from redis.asyncio import Redis

READ, WRITE = "read", "write"

FAILURES = 5
LONG_SECONDS = 3.5
"""Two reads that hang are four seconds: a breaker opens within five."""
OPEN_SECONDS = 3.0
"""Recovered, a hotel is asked again after that: well within ten seconds."""
PROBE_SECONDS = 12.0
"""Longer than any call: a probe whose process died is replaced by another."""
FORGET_SECONDS = 60.0
"""Failures so far apart have nothing to do with each other."""
PAUSE_SECONDS = 1.0
MOST_KEPT = 4096


class State(IntEnum):
    """What the gauge shows."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


# KEYS: this breaker, that of reads. ARGV: what (ask, ok, bad, look), and the times in
# milliseconds: open, probe, forget; failures; 1 for a read; how long nothing may work; how
# long the call took. A breaker is a hash: `failures` in a row, `since` when, `open_until`,
# `probe_until`. Answers the state, and for an ask how long to wait (0: go).
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local open_ms, probe_ms, forget_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local values = redis.call('HMGET', KEYS[1], 'failures', 'open_until', 'probe_until', 'since')
local failures, open_until, probe_until, since =
    tonumber(values[1] or 0), tonumber(values[2] or 0), tonumber(values[3] or 0), tonumber(values[4] or now - tonumber(ARGV[8]))
if ARGV[1] == 'ok' then
    redis.call('DEL', KEYS[1])
    return {0, 0}
elseif ARGV[1] == 'bad' then
    failures = failures + 1
    local long = failures >= 2 and now - since >= tonumber(ARGV[7])
    if open_until > 0 or failures >= tonumber(ARGV[5]) or long then
        open_until = now + open_ms
    end
    redis.call('HSET', KEYS[1], 'failures', failures, 'open_until', open_until, 'probe_until', 0, 'since', since)
    redis.call('PEXPIRE', KEYS[1], forget_ms)
    return {open_until > 0 and 1 or 0, 0}
end
if open_until == 0 then return {0, 0} end
if now < open_until then return {1, open_until - now} end
if now < probe_until then return {2, probe_until - now > open_ms and open_ms or probe_until - now} end
if ARGV[1] == 'look' then return {2, 0} end
if ARGV[6] == '0' and tonumber(redis.call('HGET', KEYS[2], 'open_until') or 0) > 0 then
    return {1, open_ms}
end
redis.call('HSET', KEYS[1], 'probe_until', now + probe_ms)
redis.call('PEXPIRE', KEYS[1], forget_ms)
return {2, 0}
"""  # noqa: E501


@dataclass
class _Local:
    """The same, of one replica; times are monotonic seconds."""

    failures: int = 0
    since: float = 0.0
    open_until: float = 0.0
    probe_until: float = 0.0


class Breakers:
    """All hotels' breakers."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._script = redis.register_script(SCRIPT)
        self._clock = clock
        self._away_until = 0.0
        self._local: OrderedDict[tuple[str, str], _Local] = OrderedDict()

    async def ask(self, tenant_id: str, operation: str) -> State:
        """Whether a call may be made; raises `Unavailable` PMS_BREAKER_OPEN when not."""
        state, wait = await self._do("ask", tenant_id, operation)
        if wait > 0:
            raise Unavailable(
                "PMS_BREAKER_OPEN",
                "The hotel's system has not answered for a while and is left alone.",
                retry_after=wait,
            )
        return state

    async def look(self, tenant_id: str, operation: str) -> State:
        """How it is."""
        return (await self._do("look", tenant_id, operation))[0]

    async def worked(self, tenant_id: str, operation: str) -> State:
        """A call was answered."""
        return (await self._do("ok", tenant_id, operation))[0]

    async def failed(self, tenant_id: str, operation: str, took: float = 0.0) -> State:
        """A call was not answered, for so many seconds."""
        return (await self._do("bad", tenant_id, operation, took))[0]

    async def _do(
        self, what: str, tenant_id: str, operation: str, took: float = 0.0
    ) -> tuple[State, float]:
        if self._clock.monotonic() >= self._away_until:
            keys = [f"booking:{{{tenant_id}}}:pms:breaker:{one}" for one in (operation, READ)]
            times = [round(s * 1000) for s in (OPEN_SECONDS, PROBE_SECONDS, FORGET_SECONDS)]
            arguments: list[str | int] = [what, *times, FAILURES, int(operation == READ)]
            arguments += [round(LONG_SECONDS * 1000), round(took * 1000)]
            try:
                state, wait = await self._script(keys=keys, args=arguments)
                return State(int(state)), int(wait) / 1000
            except REDIS_ERRORS:
                self._away_until = self._clock.monotonic() + PAUSE_SECONDS
        return self._do_here(what, tenant_id, operation, took)

    def _do_here(
        self, what: str, tenant_id: str, operation: str, took: float
    ) -> tuple[State, float]:
        now = self._clock.monotonic()
        one = self._kept(tenant_id, operation)
        if what == "ok":
            self._local.pop((tenant_id, operation), None)
            return State.CLOSED, 0.0
        if what == "bad":
            one.since = one.since if one.failures else now - took
            one.failures += 1
            one.probe_until = 0.0
            long = one.failures > 1 and now - one.since >= LONG_SECONDS
            if one.open_until or one.failures >= FAILURES or long:
                one.open_until = now + OPEN_SECONDS
            return State.OPEN if one.open_until else State.CLOSED, 0.0
        if not one.open_until:
            return State.CLOSED, 0.0
        if now < one.open_until:
            return State.OPEN, one.open_until - now
        if now < one.probe_until:
            return State.HALF_OPEN, min(one.probe_until - now, OPEN_SECONDS)
        if what == "look":
            return State.HALF_OPEN, 0.0
        if operation != READ and self._kept(tenant_id, READ).open_until:
            return State.OPEN, OPEN_SECONDS
        one.probe_until = now + PROBE_SECONDS
        return State.HALF_OPEN, 0.0

    def _kept(self, tenant_id: str, operation: str) -> _Local:
        one = self._local.setdefault((tenant_id, operation), _Local())
        self._local.move_to_end((tenant_id, operation))
        if len(self._local) > MOST_KEPT:
            self._local.popitem(last=False)
        return one
