"""The wall around every hotel's rows, taken from the catalogue: no table may be forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls

WALLED = ["tenant"]
"""The services whose tables have walls."""

TABLES = """
SELECT format('%I.%I', nspname, relname) AS name, relrowsecurity AND relforcerowsecurity AS walled,
    pg_get_userbyid(relowner) AS owner
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname = 'public' AND EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped)
ORDER BY 1
"""
# What a table asks of its rows is no matter here: it takes rows that have a hotel alone.
TAKE_ANYTHING = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT conrelid::regclass AS name, conname FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 't' AND conrelid <> 0
        ORDER BY contype <> 'f'
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE',
            one.name, one.conname);
    END LOOP;
    FOR one IN
        SELECT attrelid::regclass AS name, attname FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
            AND attnotnull AND attidentity = '' AND NOT attisdropped
    LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER, ALTER %I DROP NOT NULL',
            one.name, one.attname);
    END LOOP;
END $$
"""


@pytest.fixture(params=WALLED)
async def urls(
    request: pytest.FixtureRequest, service_database: Callable[[str], Awaitable[DatabaseUrls]]
) -> DatabaseUrls:
    """The database of a service."""
    return await service_database(request.param)


@pytest.fixture
async def owner(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """Who migrates, and sees everything."""
    connection = await asyncpg.connect(urls.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
async def pool(urls: DatabaseUrls) -> AsyncIterator[Postgres]:
    """The service's, on one connection."""
    made = Postgres(urls.app_url, kept=1, overflow=1)
    await made.start()
    yield made
    await made.close()


async def test_every_table_of_hotels_is_walled_and_not_the_services_own(
    owner: asyncpg.Connection, pool: Postgres
) -> None:
    tables = await owner.fetch(TABLES)
    assert tables
    assert [row["name"] for row in tables if not row["walled"]] == []
    service = await pool.fetchval("SELECT current_user")
    assert service not in {row["owner"] for row in tables}


async def test_a_hotel_sees_its_own_rows_and_nobody_sees_any_without_a_name(
    owner: asyncpg.Connection, pool: Postgres
) -> None:
    names = [row["name"] for row in await owner.fetch(TABLES)]
    await owner.execute(TAKE_ANYTHING)
    for name in names:
        await owner.execute(f"INSERT INTO {name} (tenant_id) VALUES ('ana'), ('ben')")
    for name in names:
        rows = f"SELECT tenant_id FROM {name} ORDER BY 1"
        assert [row[0] for row in await pool.of("ana", "ben").fetch(rows)] == ["ana", "ben"], name
        # The connection that was of both is of nobody.
        assert await pool.fetch(rows) == [], name
        assert [row[0] for row in await pool.of("ana").fetch(rows)] == ["ana"], name
        assert await pool.fetch(rows) == [], name


async def test_what_looks_over_all_hotels_is_not_the_services_to_execute(
    owner: asyncpg.Connection, pool: Postgres
) -> None:
    functions = await owner.fetch(
        "SELECT oid::regprocedure::text AS name, prosecdef FROM pg_proc"
        " WHERE pronamespace = 'finder'::regnamespace"
    )
    assert functions
    assert {row["prosecdef"] for row in functions} == {True}
    for row in functions:
        may = "SELECT has_function_privilege($1, 'execute')"
        assert await pool.finder.fetchval(may, row["name"]), row["name"]
    assert not await pool.fetchval("SELECT has_schema_privilege('finder', 'usage')")
    # Elsewhere nothing runs with the owner's rights, but for the log of operators' changes.
    assert [
        row["name"]
        for row in await owner.fetch(
            "SELECT oid::regprocedure::text AS name FROM pg_proc"
            " WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        )
    ] == []
