"""A bounded pool of Postgres connections that outlives the server.

Starting never fails because Postgres is away: the process is not ready, says
why, and recovers by itself. What a caller sees of a missing or crowded
database is `Unavailable` with reason DATABASE_AWAY or DATABASE_BUSY; errors of
the statement itself (constraints, data) stay asyncpg's, for `store.py` to read.
"""

from __future__ import annotations

import asyncio
import random
import select
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Gauge, Histogram

from meshkit import deadlines, operators, tenancy
from meshkit.clock import Clock, SystemClock
from meshkit.errors import Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
    _Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    _Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection  # the stubs are generic, the class is not

KEPT = 10
"""Connections that stay open."""
OVERFLOW = 10
"""Connections opened under pressure and given back after `OVERFLOW_IDLE_SECONDS`."""
OVERFLOW_IDLE_SECONDS = 60.0
LIFE_SECONDS = 30 * 60.0
"""A connection is replaced at this age ± 10 %, so that not all go at once."""
PING_AFTER_SECONDS = 30.0
"""Firewalls forget silent connections; one idle for longer is tried before it is lent."""
FINDERS = 2
"""Connections of the finder that stay open, and how many more under pressure."""
WAIT_SECONDS = 5.0
"""The longest wait for a connection, whatever the caller's deadline."""
COMMAND_SECONDS = 15.0
"""Above the role's `statement_timeout`: only a server that vanished takes longer."""
CHECK_SECONDS = 2.0
PING_SECONDS = 2.0
RETRY_AFTER_SECONDS = 1.0

# Fifty microseconds for a free connection, milliseconds for opening one,
# seconds for waiting behind others.
ACQUIRE_BUCKETS = (0.0001, 0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0)

FREE_CONNECTIONS = """
SELECT current_setting('max_connections')::int
     - current_setting('superuser_reserved_connections')::int
     - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')
"""

BUSY = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.TooManyConnectionsError,
    TimeoutError,
)
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InternalClientError,
    OSError,
)

BEHIND = (asyncpg.SyntaxOrAccessError, asyncpg.InvalidSchemaNameError)
"""What a statement meets in a schema that lacks a migration, or in one that it may not use."""

OnConnect: TypeAlias = Callable[[Any], Coroutine[Any, Any, None]]
ReadyCheck: TypeAlias = "Callable[[Connection], Awaitable[str | None]]"
"""Asked every two seconds; None when all is well, else a sentence."""

log = structlog.get_logger()


def unavailable(error: BaseException) -> Unavailable | None:
    """What a caller is told about `error`; None when it is about his own statement."""
    if isinstance(error, BUSY):
        reason, message = "DATABASE_BUSY", "The database did not get to it in time."
    elif isinstance(error, AWAY):
        reason, message = "DATABASE_AWAY", "The database cannot be reached."
    else:
        return None
    return Unavailable(reason, message, retry_after=RETRY_AFTER_SECONDS)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (*BUSY, *AWAY) as error:
        translated = unavailable(error)
        assert translated is not None
        raise translated from error


class _PooledConnection(_Connection):
    """A connection that knows its age and counts its statements."""

    __slots__ = ("_born", "_fd", "_idle_since", "_life", "beginning", "statements")

    def __init__(self, protocol: Any, transport: Any, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        self._fd: int = transport.get_extra_info("socket").fileno()
        self._life = LIFE_SECONDS * random.uniform(0.9, 1.1)
        self._born: float | None = None
        self._idle_since = 0.0
        self.statements = 0
        self.beginning = ""
        """What the next transaction is to begin with, sent along with its BEGIN."""

    async def _execute(self, *args: Any, **kwargs: Any) -> Any:
        self.statements += 1
        return await super()._execute(*args, **kwargs)  # type: ignore[misc]

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        self.statements += not args
        query, self.beginning = query + self.beginning, ""
        return await super().execute(query, *args, timeout=timeout)

    def itself(self) -> _PooledConnection:
        """Reach the connection behind asyncpg's proxy, which lets go of one that is lost."""
        return self

    def begin_idling(self, now: float) -> int:
        """Note the time; return how many statements were sent since the last call."""
        self._idle_since = now
        statements, self.statements = self.statements, 0
        return statements

    def end_idling(self, now: float) -> float | None:
        """Seconds of silence; None when the connection is of no use any more.

        What an idle connection has to read is its end, even when the event
        loop had no turn yet to find out.
        """
        if self._born is None:
            self._born = self._idle_since = now
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if now - self._born > self._life or poll.poll(0):
            return None
        return now - self._idle_since


@dataclass(frozen=True, slots=True)
class _Lent:
    """A connection that is out, and where it belongs."""

    connection: Connection
    pooled: _PooledConnection
    pool: _Pool


async def _leave_as_is(_connection: object) -> None:
    """Replace asyncpg's reset, a round trip for each release.

    Our connections carry no state beyond a transaction, and asyncpg ends that
    without being asked. The finder's stay the finder's.
    """


async def _become_finder(connection: _Connection) -> None:
    await connection.execute(tenancy.BECOME_FINDER)


@asynccontextmanager
async def _told_of_operator(connection: Connection) -> AsyncIterator[None]:
    """What an operator has changed is one transaction, which knows who and by which method."""
    operator = operators.current()
    if operator is None:
        yield
        return
    async with connection.transaction():
        await connection.execute(operators.TELL, operator.actor, operator.method)
        yield


async def _ping(connection: Connection) -> None:
    await connection.execute("SELECT 1")


class Statements:
    """Single statements, each on a connection that is lent for it."""

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection."""
        raise NotImplementedError

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """All rows of one statement."""
        async with self.acquire() as connection:
            return await connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> asyncpg.Record | None:
        """The first row of one statement, None without rows."""
        async with self.acquire() as connection:
            return await connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row, None without rows."""
        async with self.acquire() as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run one statement; returns its command tag, such as `UPDATE 3`."""
        async with self.acquire() as connection:
            return await connection.execute(sql, *args)


class Named(Statements):
    """Statements in the name of hotels, see `meshkit.tenancy`.

    A query names them itself and stays one statement; what changes rows is a transaction.
    """

    def __init__(self, pool: Pool, tenants: tuple[str, ...]) -> None:
        self._pool = pool
        self._names = tenancy.names(tenants)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction, with which the names end."""
        async with self._pool.acquire() as connection:
            pooled = cast(_PooledConnection, connection).itself()
            pooled.beginning = tenancy.beginning(self._names)
            async with connection.transaction():
                yield connection

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """All rows of one statement."""
        if query := tenancy.naming_query(sql, len(args) + 1):
            return await self._pool.fetch(query, *args, self._names)
        return await super().fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> asyncpg.Record | None:
        """The first row of one statement, None without rows."""
        if query := tenancy.naming_query(sql, len(args) + 1):
            return await self._pool.fetchrow(query, *args, self._names)
        return await super().fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row, None without rows."""
        if query := tenancy.naming_query(sql, len(args) + 1):
            return await self._pool.fetchval(query, *args, self._names)
        return await super().fetchval(sql, *args)


class Pool(Statements):
    """Connections that are kept and some more; waiting is bounded by the deadline."""

    def __init__(
        self,
        url: str,
        *,
        registry: CollectorRegistry | None,
        ready_check: ReadyCheck,
        application_name: str,
        kept: int,
        overflow: int,
        clock: Clock | None,
        on_connect: OnConnect | None = None,
    ) -> None:
        self._url = url
        self._on_connect = on_connect
        self._ready_check = ready_check
        self._application_name = application_name
        self._clock = clock or SystemClock()
        self._kept_size = kept
        self._size = kept + overflow
        self._turns = asyncio.Semaphore(self._size)
        self._kept = self._pool(kept, 0.0)
        self._overflow = self._pool(overflow, OVERFLOW_IDLE_SECONDS)
        self._problem: str | None = "The database was not asked yet."
        self._watch: asyncio.Task[None] | None = None
        self._kept_lent = 0
        self._waiting = 0
        self._lent = 0
        self._statements = 0
        self._acquire_seconds = self._register(registry or CollectorRegistry())

    async def start(self) -> None:
        """Look at the database once, and from then on in the background; never fails."""
        await self._kept
        await self._overflow
        await self._check()
        self._watch = asyncio.create_task(self._keep_checking(), name="postgres-check")

    async def close(self, seconds: float = 5.0) -> None:
        """Close once lent connections are back, after `seconds` whether they are or not."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(self._kept.close(), self._overflow.close())
        except TimeoutError:
            self._kept.terminate()
            self._overflow.terminate()

    def problem(self) -> str | None:
        """Why the process cannot serve, as a sentence; None when it can."""
        return self._problem

    @property
    def size(self) -> int:
        """Connections it has at most."""
        return self._size

    @property
    def in_use(self) -> int:
        """Connections lent at the moment."""
        return self._lent

    @property
    def statements(self) -> int:
        """Statements that were sent on connections given back so far."""
        return self._statements

    @asynccontextmanager
    async def acquire(self, timeout: float | None = None) -> AsyncIterator[Connection]:
        """Lend a connection; `timeout` and the deadline bound the wait, in seconds.

        Leave no session state on it (SET, LISTEN, session advisory locks).
        """
        with _translated():
            lent = await self._borrow(timeout)
            try:
                async with _told_of_operator(lent.connection):
                    yield lent.connection
            finally:
                await self._give_back(lent)

    @asynccontextmanager
    async def transaction(self, timeout: float | None = None) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits unless an error leaves it."""
        async with self.acquire(timeout) as connection, connection.transaction():
            yield connection

    async def slices(
        self, sql: str, *args: object, rows: int
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        """The rows of one statement, so many at a time; close it when not read to the end.

        Decoding a big result in one go would hold the loop for as long as that takes.
        """
        async with self.transaction() as connection:
            cast(_PooledConnection, connection).itself().statements += 1
            cursor = await connection.cursor(sql, *args)
            while found := await cursor.fetch(rows):
                yield found

    def _pool(self, size: int, idle_seconds: float) -> _Pool:
        return asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=idle_seconds,
            max_queries=2**63,
            connection_class=_PooledConnection,
            init=self._on_connect,
            reset=_leave_as_is,
            command_timeout=COMMAND_SECONDS,
            server_settings={"application_name": self._application_name},
        )

    def _register(self, registry: CollectorRegistry) -> Histogram:
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "db_pool_size": ("Open connections.", self._open),
            "db_pool_overflow": (
                f"Open connections beyond the {self._kept_size} that are kept.",
                self._overflow.get_size,
            ),
            "db_pool_in_use": ("Connections lent at the moment.", lambda: self._lent),
            "db_pool_waiters": ("Callers waiting for a connection.", lambda: self._waiting),
        }
        for name, (text, value) in gauges.items():
            Gauge(name, text, registry=registry).set_function(value)
        return Histogram(
            "db_pool_acquire_seconds",
            "Time until a connection was lent.",
            registry=registry,
            buckets=ACQUIRE_BUCKETS,
        )

    def _open(self) -> int:
        return self._kept.get_size() + self._overflow.get_size()

    async def _borrow(self, timeout: float | None) -> _Lent:
        started = time.monotonic()
        bound = deadlines.bounded(WAIT_SECONDS if timeout is None else min(timeout, WAIT_SECONDS))
        async with asyncio.timeout(bound):
            await self._take_turn()
            try:
                return await self._connection()
            except BaseException:
                self._turns.release()
                raise
            finally:
                self._acquire_seconds.observe(time.monotonic() - started)

    async def _take_turn(self) -> None:
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    async def _connection(self) -> _Lent:
        """A connection that answered lately; kept ones go first so that the others get idle."""
        pool = self._kept if self._kept_lent < self._kept_size else self._overflow
        self._lend(pool, 1)
        try:
            while True:
                connection = await pool.acquire()
                pooled = cast(_PooledConnection, connection).itself()
                if await self._usable(pooled):
                    return _Lent(connection, pooled, pool)
                connection.terminate()
                await pool.release(connection)
        except BaseException:
            self._lend(pool, -1)
            raise

    def _lend(self, pool: _Pool, count: int) -> None:
        self._lent += count
        if pool is self._kept:
            self._kept_lent += count

    async def _usable(self, pooled: _PooledConnection) -> bool:
        silence = pooled.end_idling(self._clock.monotonic())
        if silence is None or silence < PING_AFTER_SECONDS:
            return silence is not None
        try:
            await pooled.execute("SELECT 1", timeout=PING_SECONDS)
        except (*BUSY, *AWAY):
            return False
        return True

    async def _give_back(self, lent: _Lent) -> None:
        self._statements += lent.pooled.begin_idling(self._clock.monotonic())
        try:
            await lent.pool.release(lent.connection, timeout=WAIT_SECONDS)
        finally:
            self._lend(lent.pool, -1)
            self._turns.release()

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS * random.uniform(0.8, 1.2))
            await self._check()

    async def _check(self) -> None:
        """Ask whether the process may serve; a crowded pool says nothing about that."""
        try:
            async with self.acquire(CHECK_SECONDS) as connection:
                self._problem = await self._ready_check(connection)
        except Unavailable as error:
            if error.reason == "DATABASE_AWAY" or self._lent < self._size:
                self._problem = f"{error.message} ({type(error.__cause__).__name__})"
        except asyncpg.PostgresError as error:
            self._problem = f"The database refused to be looked at: {type(error).__name__}."


class Postgres(Pool):
    """The service's own pool, and the finder's beside it.

    `ready_check` says what must hold before the process may serve, such as
    the version of the schema; it is asked again and again.
    """

    def __init__(
        self,
        url: str,
        *,
        registry: CollectorRegistry | None = None,
        ready_check: ReadyCheck = _ping,
        application_name: str = "conserje",
        kept: int = KEPT,
        overflow: int = OVERFLOW,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            url,
            registry=registry,
            ready_check=ready_check,
            application_name=application_name,
            kept=kept,
            overflow=overflow,
            clock=clock,
        )
        self.finder = Pool(
            url,
            registry=None,
            ready_check=_ping,
            application_name=f"{application_name}-finder",
            kept=FINDERS,
            overflow=FINDERS,
            clock=clock,
            on_connect=_become_finder,
        )
        """Executes the functions of the schema `finder`, and may do nothing else."""

    async def start(self) -> None:
        """Look at the database once, and from then on in the background; never fails."""
        await super().start()
        await self.finder.start()
        if self.problem() is None:
            await self._warn_when_crowded()

    async def close(self, seconds: float = 5.0) -> None:
        """Close once lent connections are back, after `seconds` whether they are or not."""
        await asyncio.gather(super().close(seconds), self.finder.close(seconds))

    def problem(self) -> str | None:
        """Why the process cannot serve, as a sentence; None when it can."""
        return super().problem() or self.finder.problem()

    def of(self, *tenants: str) -> Named:
        """Statements that see the rows of these hotels."""
        return Named(self, tenants)

    async def _warn_when_crowded(self) -> None:
        try:
            free = await self.fetchval(FREE_CONNECTIONS)
        except (Unavailable, asyncpg.PostgresError):
            return
        wanted = self.size + self.finder.size
        if free < wanted:
            log.warning("database connections scarce", free=free, pool=wanted)
