"""Migrations: by many at once, interrupted, changed, behind a table that somebody holds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from meshkit.migrate import MigrationError, migrate, schema_behind
from sandbox.databases import DatabaseUrls

APP = "conserje_plain"
FIRST = "CREATE TABLE guest (id bigint PRIMARY KEY, note text);"
SECOND = "CREATE TABLE extra (id int); ALTER TABLE guest ADD COLUMN age int;"
INDEX = """-- conserje: non-transactional
DROP INDEX CONCURRENTLY IF EXISTS guest_note;
CREATE INDEX CONCURRENTLY guest_note ON guest (note);
"""
MIGRATOR = """
import asyncio, sys
from meshkit.migrate import migrate
asyncio.run(migrate(sys.argv[1], sys.argv[2], "conserje_plain"))
"""
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'guest_note'::regclass"
# A migrator in the middle of its file: it waits for what a client holds.
BLOCKED = """
SELECT xact_start FROM pg_stat_activity
WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""


class Package:
    """An importable package with migrations, written by the test."""

    def __init__(self, folder: Path) -> None:
        self.name = f"migrated_{folder.name}"
        self.root = folder
        self.folder = folder / self.name / "migrations"
        self.folder.mkdir(parents=True)

    def write(self, name: str, sql: str) -> None:
        (self.folder / name).write_text(sql)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Package(tmp_path)
    made.write("0001_guest.sql", FIRST)
    return made


@pytest.fixture
async def watcher(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(urls.owner_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def held(urls: DatabaseUrls) -> AsyncIterator[None]:
    """A client in the middle of a transaction that has read the table."""
    client = await asyncpg.connect(urls.app_url)
    try:
        async with client.transaction():
            await client.execute("INSERT INTO guest (id) VALUES (1)")
            yield
    finally:
        await client.close()


async def until(connection: asyncpg.Connection, sql: str, *but: object) -> object:
    """Wait until `sql` finds something that is not one of `but`."""
    async with asyncio.timeout(20):
        while (found := await connection.fetchval(sql)) is None or found in but:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def columns(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'guest'::regclass AND attnum > 0"
    )
    return [row["attname"] for row in rows]


async def test_files_are_applied_once_in_order(urls: DatabaseUrls, package: Package) -> None:
    package.write("0002_extra.sql", SECOND)
    assert await migrate(urls.owner_url, package.name, APP) == ["0001_guest.sql", "0002_extra.sql"]
    assert await migrate(urls.owner_url, package.name, APP) == []
    package.write("0003_index.sql", INDEX)
    assert await migrate(urls.owner_url, package.name, APP) == ["0003_index.sql"]


async def test_eight_at_once_while_a_client_holds_the_table(
    urls: DatabaseUrls, package: Package, watcher: asyncpg.Connection
) -> None:
    await migrate(urls.owner_url, package.name, APP)
    package.write("0002_extra.sql", SECOND)
    package.write("0003_index.sql", INDEX)
    async with held(urls):
        migrators = [
            asyncio.create_task(migrate(urls.owner_url, package.name, APP)) for _ in range(8)
        ]
        first = await until(watcher, BLOCKED)
        # Nobody queues behind a table for long: the one who waited has left
        # and come back.
        await until(watcher, BLOCKED, first)
        assert not any(migrator.done() for migrator in migrators)
    applied = [name for names in await asyncio.gather(*migrators) for name in names]
    assert sorted(applied) == ["0002_extra.sql", "0003_index.sql"]
    assert await columns(watcher) == ["id", "note", "age"]
    assert await watcher.fetchval(VALID)


@pytest.mark.parametrize(("name", "sql"), [("0002_extra.sql", SECOND), ("0002_index.sql", INDEX)])
async def test_killed_half_way_and_run_again(
    urls: DatabaseUrls, package: Package, watcher: asyncpg.Connection, name: str, sql: str
) -> None:
    await migrate(urls.owner_url, package.name, APP)
    package.write(name, sql)
    async with held(urls):
        migrator = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            MIGRATOR,
            urls.owner_url,
            package.name,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(package.root), *sys.path])},
        )
        await until(watcher, BLOCKED)
        migrator.send_signal(signal.SIGKILL)
        await migrator.wait()
        assert await schema_behind(watcher, package.name)
    assert await migrate(urls.owner_url, package.name, APP) == [name]
    assert await schema_behind(watcher, package.name) is None
    if sql == INDEX:
        assert await watcher.fetchval(VALID)


async def test_a_changed_file_is_refused(urls: DatabaseUrls, package: Package) -> None:
    await migrate(urls.owner_url, package.name, APP)
    package.write("0001_guest.sql", FIRST.replace("note", "remark"))
    package.write("0002_extra.sql", SECOND)
    with pytest.raises(MigrationError, match=r"0001_guest\.sql has changed"):
        await migrate(urls.owner_url, package.name, APP)


async def test_a_failing_file_leaves_nothing(
    urls: DatabaseUrls, package: Package, watcher: asyncpg.Connection
) -> None:
    package.write("0002_broken.sql", "CREATE TABLE half (id int); SELECT 1 / 0;")
    with pytest.raises(MigrationError, match=r"0002_broken\.sql failed: division by zero"):
        await migrate(urls.owner_url, package.name, APP)
    assert await watcher.fetchval("SELECT to_regclass('half')") is None
    assert await watcher.fetchval("SELECT to_regclass('guest')") == "guest"


@pytest.mark.parametrize("name", ["2_extra.sql", "0001_again.sql", "0002 extra.sql"])
async def test_a_file_needs_a_number_of_its_own(
    urls: DatabaseUrls, package: Package, name: str
) -> None:
    package.write(name, SECOND)
    with pytest.raises(MigrationError, match="a number of its own"):
        await migrate(urls.owner_url, package.name, APP)


async def test_behind_names_the_missing_file_and_ahead_is_fine(
    urls: DatabaseUrls, package: Package, watcher: asyncpg.Connection
) -> None:
    behind = await schema_behind(watcher, package.name)
    assert behind == (f"The schema lacks 0001_guest.sql; run `python -m {package.name} migrate`.")
    package.write("0002_extra.sql", SECOND)
    await migrate(urls.owner_url, package.name, APP)
    assert await schema_behind(watcher, package.name) is None
    (package.folder / "0002_extra.sql").unlink()
    assert await schema_behind(watcher, package.name) is None


async def test_the_app_uses_everything_but_the_history(
    urls: DatabaseUrls, package: Package, watcher: asyncpg.Connection
) -> None:
    await migrate(urls.owner_url, package.name, APP)
    await watcher.execute("CREATE TABLE made_later (id bigint GENERATED ALWAYS AS IDENTITY, x int)")
    app = await asyncpg.connect(urls.app_url)
    await app.execute("INSERT INTO made_later (x) VALUES (1)")
    await app.execute("UPDATE guest SET note = 'x'")
    assert await schema_behind(app, package.name) is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("DELETE FROM schema_migration")
    await app.close()
