"""Numbered SQL files, applied once each, by any number of migrators at a time.

A service keeps them in `migrations/NNNN_name.sql`. Each is one transaction,
together with the row that says it was applied, so that a migrator killed
half-way leaves nothing. A file whose first line is the marker below runs
outside of a transaction, as concurrent indexes must: it has to be repeatable,
and each of its statements ends with a semicolon at the end of a line.

Needs a direct connection behind PgBouncer.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg
import structlog

from meshkit import operators, tenancy

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    AnyConnection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

NON_TRANSACTIONAL = "-- conserje: non-transactional"
FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
STATEMENT_END = re.compile(r";[ \t]*(?:\n|$)")

# Longer than a big table takes to be rewritten by another migrator.
PATIENCE_SECONDS = 600.0
PAUSE_SECONDS = 0.2
# A migrator in the queue for a table makes everyone behind it wait, so it
# leaves the queue soon and comes back.
LIMITS = "SET {scope} lock_timeout = '3s'; SET {scope} statement_timeout = 0"

# Migrators exclude each other by asking again and again rather than by
# waiting: who waits holds a snapshot, and a concurrent index waits for that.
LOCK_KEY = 0x6D696772
TRY_LOCK_TRANSACTION = f"SELECT pg_try_advisory_xact_lock({LOCK_KEY})"
TRY_LOCK_SESSION = f"SELECT pg_try_advisory_lock({LOCK_KEY})"
UNLOCK_SESSION = f"SELECT pg_advisory_unlock({LOCK_KEY})"

CREATE_HISTORY = """
CREATE TABLE IF NOT EXISTS schema_migration (
  version integer CONSTRAINT schema_migration_version PRIMARY KEY,
  file_name text NOT NULL,
  checksum text NOT NULL,
  apply_time timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
SELECT_CHECKSUM = "SELECT checksum FROM schema_migration WHERE version = $1"
INSERT_APPLIED = """
INSERT INTO schema_migration (version, file_name, checksum) VALUES ($1, $2, $3)
"""
SELECT_VERSIONS = "SELECT version FROM schema_migration"

# Also what the owner creates later, such as a partition, is the app's to use.
GRANTS = """
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO {role};
REVOKE INSERT, UPDATE, DELETE ON schema_migration FROM {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON ROUTINES TO {role}
"""
QUOTED = "SELECT quote_ident($1)"

log = structlog.get_logger()


class MigrationError(Exception):
    """Why the schema could not be brought up to date, as a sentence."""


class _LockTakenError(Exception):
    """Another migrator is at work."""


AGAIN = (
    _LockTakenError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)


@dataclass(frozen=True)
class Migration:
    """One file."""

    version: int
    file_name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What the history remembers of the content."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def transactional(self) -> bool:
        """Whether the file runs in one transaction."""
        return not self.sql.startswith(NON_TRANSACTIONAL)

    @property
    def statements(self) -> list[str]:
        """The statements of a non-transactional file, to be sent one by one."""
        return [part for part in STATEMENT_END.split(self.sql) if part.strip()]


def migrations_of(package: str) -> list[Migration]:
    """The files of `package`, in order; empty without a folder `migrations`."""
    folder = resources.files(package) / "migrations"
    if not folder.is_dir():
        return []
    found: dict[int, Migration] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        match = FILE_NAME.fullmatch(file.name)
        if match is None or int(match[1]) in found:
            raise MigrationError(
                f"{file.name} of {package} needs a name like 0001_what_it_does.sql, "
                "with a number of its own."
            )
        version = int(match[1])
        found[version] = Migration(version, file.name, file.read_text())
    return list(found.values())


async def migrate(owner_url: str, package: str, app_role: str) -> list[str]:
    """Apply what is missing and let `app_role` use it; return the names of the applied files.

    Safe to run twice and from several places at once. Raises `MigrationError`
    when a file fails, has changed since it was applied, or needs what stays
    locked.
    """
    migrations = migrations_of(package)
    try:
        connection = await asyncpg.connect(owner_url)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"The database refuses its owner: {error}") from error
    try:
        await _persist(lambda: _create_history(connection), "the history of the schema")
        applied = [one.file_name for one in migrations if await _apply(connection, one)]
        await _persist(lambda: _grant(connection, app_role), f"the rights of {app_role}")
    finally:
        await connection.close(timeout=5)
    return applied


async def schema_behind(connection: AnyConnection, package: str) -> str | None:
    """What the database lacks of the files of `package`, as a sentence; None when it is ahead."""
    return await schema_check(package)(connection)


def schema_check(package: str) -> Callable[[AnyConnection], Awaitable[str | None]]:
    """`schema_behind` for repeated use: the files are listed once."""
    wanted = {one.version: one.file_name for one in migrations_of(package)}

    async def check(connection: AnyConnection) -> str | None:
        try:
            rows = await connection.fetch(SELECT_VERSIONS)
        except asyncpg.UndefinedTableError:
            rows = []
        missing = sorted(set(wanted) - {row["version"] for row in rows})
        if not missing:
            return None
        return f"The schema lacks {wanted[missing[0]]}; run `python -m {package} migrate`."

    return check


async def _persist(step: Callable[[], Awaitable[bool]], what: str) -> bool:
    """Run `step` until nobody stands in its way."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await step()
        except AGAIN as error:
            if time.monotonic() > deadline:
                raise MigrationError(f"Gave up on {what}: what it needs stayed locked.") from error
            log.debug("migration waits", what=what, reason=type(error).__name__)
        await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))


async def _apply(connection: AnyConnection, migration: Migration) -> bool:
    """Apply one file unless it was; True when it was applied here."""
    run = _apply_transactional if migration.transactional else _apply_in_steps
    try:
        applied = await _persist(lambda: run(connection, migration), migration.file_name)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.file_name} failed: {error}") from error
    if applied:
        log.info("migration applied", file=migration.file_name)
    return applied


@asynccontextmanager
async def _transaction(connection: AnyConnection) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute(LIMITS.format(scope="LOCAL"))
        if not await connection.fetchval(TRY_LOCK_TRANSACTION):
            raise _LockTakenError
        yield


@asynccontextmanager
async def _session(connection: AnyConnection) -> AsyncIterator[None]:
    if not await connection.fetchval(TRY_LOCK_SESSION):
        raise _LockTakenError
    try:
        await connection.execute(LIMITS.format(scope="SESSION"))
        yield
    finally:
        await connection.fetchval(UNLOCK_SESSION)


async def _create_history(connection: AnyConnection) -> bool:
    async with _transaction(connection):
        await connection.execute(CREATE_HISTORY)
        await connection.execute(operators.SCHEMA)
        await connection.execute(tenancy.SCHEMA)
    return True


async def _grant(connection: AnyConnection, app_role: str) -> bool:
    async with _transaction(connection):
        if await connection.fetchval(tenancy.FINDER_MISSING, app_role):
            raise MigrationError(_without_finder(app_role))
        role = await connection.fetchval(QUOTED, app_role)
        finder = await connection.fetchval(QUOTED, tenancy.finder_of(app_role))
        await connection.execute(GRANTS.format(role=role))
        await connection.execute(operators.GRANTS.format(role=role))
        await connection.execute(tenancy.GRANTS.format(role=role, finder=finder))
    return True


def _without_finder(app_role: str) -> str:
    finder = tenancy.finder_of(app_role)
    return (
        f"{app_role} may not act as {finder}, which finds its work; as an administrator say "
        f"`ALTER ROLE {app_role} NOINHERIT; CREATE ROLE {finder}; GRANT {finder} TO {app_role}`."
    )


async def _apply_transactional(connection: AnyConnection, migration: Migration) -> bool:
    async with _transaction(connection):
        if await _was_applied(connection, migration):
            return False
        await connection.execute(migration.sql)
        await _remember(connection, migration)
    return True


async def _apply_in_steps(connection: AnyConnection, migration: Migration) -> bool:
    async with _session(connection):
        if await _was_applied(connection, migration):
            return False
        for statement in migration.statements:
            await connection.execute(statement)
        await _remember(connection, migration)
    return True


async def _remember(connection: AnyConnection, migration: Migration) -> None:
    await connection.execute(
        INSERT_APPLIED, migration.version, migration.file_name, migration.checksum
    )


async def _was_applied(connection: AnyConnection, migration: Migration) -> bool:
    checksum = await connection.fetchval(SELECT_CHECKSUM, migration.version)
    if checksum is not None and checksum != migration.checksum:
        raise MigrationError(
            f"{migration.file_name} has changed since it was applied; "
            "put it back and write the change into a new file."
        )
    return checksum is not None
