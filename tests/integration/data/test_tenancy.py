"""Naming hotels: nobody is named by himself, a name ends with its transaction, and the finder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from meshkit import tenancy
from meshkit.migrate import MigrationError, migrate
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from tests.conftest import PostgresServer

ROOMS = """
CREATE TABLE room (tenant_id text NOT NULL, room_id int NOT NULL);
CREATE TABLE guest (tenant_id text, guest_id int NOT NULL);
INSERT INTO room VALUES ('ana', 1), ('ben', 2), ('ana,ben', 3);
INSERT INTO guest VALUES ('ana', 1), ('ben', 2), (NULL, 3);
SELECT tenancy.wall('room'), tenancy.wall('guest');
CREATE FUNCTION rooms_of(p_tenant text) RETURNS SETOF int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tenancy.act_for(ARRAY[p_tenant]);
    RETURN QUERY SELECT room_id FROM room;
END $$;
CREATE FUNCTION finder.rooms() RETURNS SETOF int
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS 'SELECT room_id FROM room';
"""
NAMED = "SELECT coalesce(current_setting('app.tenants', true), '')"
ROOM_IDS = "SELECT coalesce(array_agg(room_id ORDER BY room_id), '{}') FROM room"
GUEST_IDS = "SELECT coalesce(array_agg(guest_id ORDER BY guest_id), '{}') FROM guest"


@pytest.fixture
async def pool(urls: DatabaseUrls) -> AsyncIterator[Postgres]:
    await migrate(urls.owner_url, "services.audit", "conserje_plain")
    owner = await asyncpg.connect(urls.owner_url)
    await owner.execute(ROOMS)
    await owner.close()
    await migrate(urls.owner_url, "services.audit", "conserje_plain")
    made = Postgres(urls.app_url, kept=1, overflow=1)
    await made.start()
    assert made.problem() is None
    yield made
    await made.close()


async def test_with_nobody_named_there_is_nothing(pool: Postgres) -> None:
    assert await pool.fetchval(ROOM_IDS) == []
    assert await pool.fetchval(GUEST_IDS) == []


@pytest.mark.parametrize(
    ("named", "rooms", "guests"),
    [
        (("ana",), [1], [1]),
        (("ana", "ben"), [1, 2], [1, 2]),
        (("ana", tenancy.UNRESOLVED), [1], [1, 3]),
        (("ana,ben",), [], []),
        ((tenancy.EVERYONE,), [], []),
        ((), [], []),
    ],
)
async def test_named_hotels_show_and_no_other(
    pool: Postgres, named: tuple[str, ...], rooms: list[int], guests: list[int]
) -> None:
    hotels = pool.of(*named)
    assert await hotels.fetchval(ROOM_IDS) == rooms
    assert await hotels.fetchval(GUEST_IDS) == guests


async def test_nothing_is_written_for_a_hotel_that_is_not_named(pool: Postgres) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.of("ana").execute("INSERT INTO room VALUES ('ben', 9)")
    assert await pool.of("ana").execute("DELETE FROM room WHERE room_id = 2") == "DELETE 0"


async def test_a_name_ends_with_its_transaction(pool: Postgres) -> None:
    assert await pool.of("ana").fetchval(NAMED) == "ana"
    assert await pool.fetchval(NAMED) == ""
    with pytest.raises(asyncpg.DivisionByZeroError):
        await pool.of("ana").execute("SELECT 1 / 0")
    assert await pool.fetchval(NAMED) == ""
    async with pool.transaction() as connection:
        await tenancy.act_for(connection, "ana")
        await tenancy.act_for(connection, "ben")
        assert await connection.fetchval(ROOM_IDS) == [2]
    assert await pool.fetchval(NAMED) == ""


@pytest.mark.parametrize(
    "query",
    [
        "SELECT room_id FROM room WHERE room_id >= $1 ORDER BY room_id DESC LIMIT 2",
        "WITH known AS (SELECT room_id FROM room) SELECT room_id FROM known WHERE room_id >= $1",
        "SELECT a.room_id FROM room a JOIN room b USING (tenant_id, room_id) WHERE room_id >= $1",
        "SELECT rooms_of('ben') WHERE $1::int > 0",
    ],
)
async def test_a_query_names_its_hotels_in_its_one_statement(pool: Postgres, query: str) -> None:
    for _ in range(10):  # Also once the plan is a generic one.
        before = pool.statements
        assert [row[0] for row in await pool.of("ben").fetch(query, 1)] == [2]
        assert pool.statements - before == 1
        assert await pool.fetchval(NAMED) == ""


async def test_what_changes_rows_names_its_hotels_as_its_transaction_begins(pool: Postgres) -> None:
    before = pool.statements
    changed = "UPDATE room SET room_id = room_id + 10 WHERE room_id < $1 RETURNING room_id"
    assert [row[0] for row in await pool.of("ana", "o'hara").fetch(changed, 9)] == [11]
    assert pool.statements - before == 3  # BEGIN, the one, COMMIT
    async with pool.of("ana").acquire() as connection, connection.transaction():
        assert await connection.fetchval(ROOM_IDS) == [11]
    assert await pool.fetchval(NAMED) == ""


async def test_a_hot_function_names_its_hotels_itself(pool: Postgres) -> None:
    before = pool.statements
    assert [row[0] for row in await pool.fetch("SELECT rooms_of('ben')")] == [2]
    assert pool.statements - before == 1
    assert await pool.fetchval(ROOM_IDS) == []


async def test_the_finder_executes_its_functions_and_nothing_else(pool: Postgres) -> None:
    assert len(await pool.finder.fetch("SELECT finder.rooms()")) == 3
    tables = ("public.room", "public.rooms_of('ana')", "audit.operator_change")
    for forbidden in (f"SELECT FROM {table}" for table in tables):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.finder.fetch(forbidden)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.fetch("SELECT finder.rooms()")


async def test_without_the_finder_the_process_is_not_ready_and_migrating_says_what_to_do(
    pool: Postgres, urls: DatabaseUrls, postgres_server: PostgresServer
) -> None:
    admin = await asyncpg.connect(postgres_server.admin_url())
    await admin.execute("REVOKE conserje_plain_finder FROM conserje_plain")
    try:
        other = Postgres(urls.app_url)
        await other.start()
        assert other.problem() is not None
        await other.close()
        with pytest.raises(MigrationError, match="GRANT conserje_plain_finder TO conserje_plain"):
            await migrate(urls.owner_url, "services.audit", "conserje_plain")
    finally:
        await admin.execute("GRANT conserje_plain_finder TO conserje_plain")
        await admin.close()
