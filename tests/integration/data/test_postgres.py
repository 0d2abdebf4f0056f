"""The pool against a real server: bounded, patient, and still there afterwards."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from meshkit import deadlines, postgres
from meshkit.clock import FakeClock
from meshkit.errors import Unavailable
from meshkit.migrate import schema_check
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from sandbox.embedded import EmbeddedPostgres
from tests.conftest import PostgresServer
from tests.waiting import eventually

END_IDLE = """
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle'
  AND application_name NOT LIKE '%-finder'
"""
END_ALL_OTHERS = """
import asyncio, sys, asyncpg
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    print(await connection.fetchval(sys.argv[2]))
asyncio.run(main())
"""


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
async def pool(
    urls: DatabaseUrls, registry: CollectorRegistry, clock: FakeClock
) -> AsyncIterator[Postgres]:
    made = Postgres(urls.app_url, registry=registry, clock=clock)
    await made.start()
    yield made
    await made.close()


def metric(registry: CollectorRegistry, name: str) -> float:
    found = registry.get_sample_value(name)
    assert found is not None
    return found


async def fill(pool: Postgres, count: int) -> ExitStack:
    """Hold `count` connections; closing the stack gives them back."""
    enough = asyncio.Event()
    lent: list[int] = []

    async def hold() -> None:
        async with pool.acquire() as connection:
            lent.append(connection.get_server_pid())
            await enough.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(count)]
    await eventually(lambda: len(lent) == count)
    assert len(set(lent)) == count
    stack = ExitStack()
    stack.callback(lambda: [task.done() for task in tasks])
    stack.callback(enough.set)
    return stack


def end_idle_connections(admin_url: str) -> int:
    """End them without a turn for our event loop, which so cannot notice."""
    command = [sys.executable, "-c", END_ALL_OTHERS, admin_url, END_IDLE]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)


async def test_every_idle_connection_ended_then_200_requests(
    pool: Postgres, urls: DatabaseUrls, postgres_server: PostgresServer
) -> None:
    (await fill(pool, 20)).close()
    await eventually(lambda: pool.in_use == 0)
    database = urls.app_url.rpartition("/")[2]
    assert end_idle_connections(postgres_server.admin_url(database)) == 20
    assert await pool.fetchval("SELECT 1") == 1
    answers = await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(200)))
    assert answers == list(range(200))


async def test_ten_are_kept_and_ten_more_come_and_go(
    urls: DatabaseUrls, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OVERFLOW_IDLE_SECONDS", 0.2)
    pool = Postgres(urls.app_url, registry=registry)
    await pool.start()
    held = await fill(pool, 20)
    assert metric(registry, "db_pool_size") == 20
    assert metric(registry, "db_pool_overflow") == 10
    assert metric(registry, "db_pool_in_use") == 20
    held.close()
    await eventually(lambda: metric(registry, "db_pool_size") == 10)
    assert metric(registry, "db_pool_overflow") == 0
    assert metric(registry, "db_pool_in_use") == 0
    await pool.close()


async def test_a_full_pool_says_busy_when_the_deadline_is_over(
    pool: Postgres, registry: CollectorRegistry
) -> None:
    held = await fill(pool, 20)
    with deadlines.scope(0.05), pytest.raises(Unavailable) as caught:
        await pool.fetchval("SELECT 1")
    assert caught.value.reason == "DATABASE_BUSY"
    assert caught.value.retry_after
    waiting = asyncio.create_task(pool.fetchval("SELECT 1"))
    await eventually(lambda: metric(registry, "db_pool_waiters") == 1)
    held.close()
    assert await waiting == 1
    assert metric(registry, "db_pool_waiters") == 0
    assert metric(registry, "db_pool_acquire_seconds_count") >= 21


async def test_waiters_are_served_in_order(pool: Postgres, registry: CollectorRegistry) -> None:
    held = await fill(pool, 20)
    served: list[int] = []

    async def ask(number: int) -> None:
        async with pool.acquire():
            served.append(number)

    waiting = []
    for number in range(5):
        waiting.append(asyncio.create_task(ask(number)))
        await eventually(lambda: metric(registry, "db_pool_waiters") == len(waiting))
    held.close()
    await asyncio.gather(*waiting)
    assert served == list(range(5))


async def test_a_silent_connection_is_pinged_before_it_is_lent(
    pool: Postgres, clock: FakeClock
) -> None:
    before = pool.statements
    await pool.fetchval("SELECT 1")
    assert pool.statements == before + 1
    clock.advance(31)
    await pool.fetchval("SELECT 1")
    assert pool.statements == before + 3


async def test_an_old_connection_is_replaced(pool: Postgres, clock: FakeClock) -> None:
    first = await pool.fetchval("SELECT pg_backend_pid()")
    clock.advance(26 * 60)
    assert await pool.fetchval("SELECT pg_backend_pid()") == first
    clock.advance(8 * 60)
    assert await pool.fetchval("SELECT pg_backend_pid()") != first


async def test_a_connection_that_went_dumb_is_replaced(
    urls: DatabaseUrls, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PING_SECONDS", 0.2)
    async with Wire(urls.app_url) as wire:
        pool = Postgres(wire.url, clock=clock)
        await pool.start()
        first = await pool.fetchval("SELECT pg_backend_pid()")
        wire.forget()
        clock.advance(31)
        assert await pool.fetchval("SELECT pg_backend_pid()") != first
        await pool.close()


async def test_cancelled_callers_leave_nothing_behind(
    pool: Postgres, registry: CollectorRegistry
) -> None:
    for _ in range(3):
        tasks = [asyncio.create_task(pool.fetchval("SELECT pg_sleep(60)")) for _ in range(30)]
        await eventually(lambda: metric(registry, "db_pool_waiters") == 10)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
    assert metric(registry, "db_pool_in_use") == 0
    assert metric(registry, "db_pool_waiters") == 0
    assert await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(40))) == [1] * 40


async def insert_rooms(pool: Postgres, *ids: int) -> None:
    async with pool.transaction() as connection:
        for number in ids:
            await connection.execute("INSERT INTO room (id) VALUES ($1)", number)


async def test_an_error_in_a_transaction_rolls_back(pool: Postgres, urls: DatabaseUrls) -> None:
    owner = await asyncpg.connect(urls.owner_url)
    await owner.execute("CREATE TABLE room (id int CONSTRAINT room_id PRIMARY KEY)")
    await owner.execute("GRANT ALL ON room TO conserje_plain")
    await owner.close()
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await insert_rooms(pool, 1, 1)
    assert caught.value.constraint_name == "room_id"
    assert await pool.fetchval("SELECT count(*) FROM room") == 0
    await insert_rooms(pool, 1, 2)
    assert await pool.fetchval("SELECT count(*) FROM room") == 2


@pytest.mark.parametrize(
    ("sqlstate", "reason"),
    [
        ("40P01", "DATABASE_BUSY"),
        ("40001", "DATABASE_BUSY"),
        ("55P03", "DATABASE_BUSY"),
        ("57014", "DATABASE_BUSY"),
        ("53300", "DATABASE_BUSY"),
        ("57P01", "DATABASE_AWAY"),
        ("08006", "DATABASE_AWAY"),
    ],
)
async def test_errors_of_the_server_become_unavailable(
    pool: Postgres, sqlstate: str, reason: str
) -> None:
    raise_it = f"DO $$ BEGIN RAISE 'as told' USING ERRCODE = '{sqlstate}'; END $$"
    with pytest.raises(Unavailable) as caught:
        await pool.execute(raise_it)
    assert caught.value.reason == reason
    assert isinstance(caught.value.__cause__, asyncpg.PostgresError)


async def test_postgres_away_at_the_start_and_again_later(
    own_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CHECK_SECONDS", 0.1)
    urls = await own_postgres.create_service_database("tenant")
    own_postgres.stop()
    pool = Postgres(urls.app_url)
    await pool.start()
    assert pool.problem() == "The database cannot be reached. (ConnectionRefusedError)"
    with pytest.raises(Unavailable) as caught:
        await pool.fetchval("SELECT 1")
    assert caught.value.reason == "DATABASE_AWAY"
    for _ in range(2):
        own_postgres.start()
        await eventually(lambda: pool.problem() is None)
        assert await pool.fetchval("SELECT 1") == 1
        own_postgres.kill()
        await eventually(lambda: pool.problem() is not None)
    await pool.close()


async def test_a_schema_that_is_behind_is_not_ready(urls: DatabaseUrls) -> None:
    pool = Postgres(urls.app_url, ready_check=schema_check("services.tenant"))
    await pool.start()
    assert (pool.problem() or "").startswith("The schema lacks 0001_")
    await pool.close()


async def test_a_connection_lost_in_the_middle_is_away(pool: Postgres) -> None:
    for _ in range(30):
        with pytest.raises(Unavailable) as caught:
            await pool.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert caught.value.reason == "DATABASE_AWAY"
        assert pool.in_use == 0
    assert await pool.fetchval("SELECT 1") == 1


async def test_a_crowded_pool_stays_ready(pool: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "CHECK_SECONDS", 0.05)
    held = await fill(pool, 20)
    await pool._check()
    assert pool.problem() is None
    held.close()


async def test_closing_does_not_wait_for_ever(urls: DatabaseUrls) -> None:
    pool = Postgres(urls.app_url)
    await pool.start()
    held = await fill(pool, 2)
    await pool.close(0.05)
    held.close()
    with pytest.raises(Unavailable):
        await pool.fetchval("SELECT 1")


async def test_a_server_with_few_connections_is_told_at_the_start(
    urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(postgres, "log", Recorder(told))
    pool = Postgres(urls.app_url, kept=10, overflow=1_000)
    await pool.start()
    await pool.close()
    assert told == ["database connections scarce"]


class Recorder:
    """A logger that keeps the names of warnings."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def warning(self, event: str, **_: object) -> None:
        self._told.append(event)


class Wire:
    """A TCP proxy that can forget its connections without telling either end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        head, _, tail = self._url.rpartition(":")
        self.url = f"{head}:{port}/{tail.partition('/')[2]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.forget()

    def forget(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(self._url.rpartition(":")[2].partition("/")[0])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._copy(source, target))
            self._tasks.add(task)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.close()
