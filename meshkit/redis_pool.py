"""A bounded pool of Redis connections that gives up soon.

Redis decides nothing here, so nobody waits for it: 250 ms for a connection and
for an answer. Callers catch `REDIS_ERRORS`, count, and go on without it.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Collection
from typing import Any

import hiredis
from prometheus_client import CollectorRegistry, Gauge
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

TIMEOUT_SECONDS = 0.25
CONNECTIONS = 20
PING_AFTER_SECONDS = 30
CHECK_SECONDS = 2.0
MEMORY_SECONDS = 30.0

Command = tuple[str | bytes | int, ...]

REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""What a call may raise when Redis is away, slow, full or told to refuse."""


class _CountingPool(BlockingConnectionPool):
    """The library's pool, which does not tell how much of it is in use."""

    def lent(self) -> int:
        """Connections that are out."""
        return len(self._in_use_connections)


def _make_pool(url: str, connections: int) -> _CountingPool:
    return _CountingPool.from_url(
        url,
        max_connections=connections,
        timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=PING_AFTER_SECONDS,
        # Trying again would wait twice; what is lost here is read from Postgres.
        retry=Retry(NoBackoff(), 0),
    )


def make_redis(url: str, *, connections: int = CONNECTIONS) -> Redis:
    """A client that waits 250 ms at most for anything and opens nothing yet."""
    return Redis.from_pool(_make_pool(url, connections))


async def at_once(client: Redis | RedisCluster, commands: Collection[Command]) -> list[Any]:
    """The answers to commands that are about one hotel each, sent without waiting in between.

    Where Redis is one server nothing is kept for another try and one clock runs for all answers:
    a third of what the library's pipeline costs. A cluster's client deals them out to the nodes.
    """
    if isinstance(client, RedisCluster):
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute())
    pool = client.connection_pool
    connection = await pool.get_connection()  # type: ignore[no-untyped-call] # by its decorator
    try:
        packed = [hiredis.pack_command(one) for one in commands]  # type: ignore[arg-type] # any length
        await connection.send_packed_command(packed)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return [await connection.read_response(timeout=math.inf) for _ in commands]
    except ResponseError:
        # The answers to the others are still to come: nobody else may get them.
        await connection.disconnect()
        raise
    finally:
        await pool.release(connection)


class RedisPool:
    """A client, and somebody who looks every two seconds whether Redis answers."""

    def __init__(self, url: str, *, registry: CollectorRegistry | None = None) -> None:
        pool = _make_pool(url, CONNECTIONS)
        self.client = Redis.from_pool(pool)
        self._problem: str | None = "Redis was not asked yet."
        self._watch: asyncio.Task[None] | None = None
        self._closing = False
        registry = registry or CollectorRegistry()
        Gauge(
            "redis_up", "1 when the last ping was answered in time.", registry=registry
        ).set_function(lambda: float(self._problem is None))
        Gauge(
            "redis_pool_in_use", "Redis connections lent at the moment.", registry=registry
        ).set_function(pool.lent)
        self._memory = Gauge(
            "redis_memory_used_ratio",
            "Memory that Redis uses, of its maxmemory or else of its machine's; asked every 30 s.",
            registry=registry,
        )
        self._memory_asked = -MEMORY_SECONDS

    async def start(self) -> None:
        """Look once, and from then on in the background; never fails."""
        await self._check()
        self._watch = asyncio.create_task(self._keep_checking(), name="redis-check")

    async def close(self) -> None:
        """Close every connection."""
        # The library waits with `asyncio.wait_for`, and that of CPython 3.11 loses a cancellation
        # that comes when what it waits for is just done.
        self._closing = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        await self.client.aclose(close_connection_pool=True)

    def problem(self) -> str | None:
        """Why Redis is of no use at the moment; None when it answers."""
        return self._problem

    async def _keep_checking(self) -> None:
        while not self._closing:
            await asyncio.sleep(CHECK_SECONDS * random.uniform(0.8, 1.2))
            await self._check()

    async def _check(self) -> None:
        try:
            await self.client.ping()
            await self._look_at_memory()
        except REDIS_ERRORS as error:
            self._problem = f"Redis does not answer ({type(error).__name__})."
        else:
            self._problem = None

    async def _look_at_memory(self) -> None:
        if time.monotonic() - self._memory_asked < MEMORY_SECONDS:
            return
        self._memory_asked = time.monotonic()
        try:
            told = await self.client.info("memory")
        except ResponseError:
            # Some hosted ones forbid INFO; then nobody is told, and nothing else is worse.
            return
        limit = told.get("maxmemory") or told.get("total_system_memory")
        if limit:
            self._memory.set(told["used_memory"] / limit)
