"""The second wall between hotels, from the catalogue of each service's database.

Tables are found by their `tenant_id`, so that one to come is held to the same.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from meshkit import tenancy
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from tests.conftest import PostgresServer

ServiceDatabase = Callable[[str], Awaitable[DatabaseUrls]]

SERVICES = ("booking", "messaging", "tenant")
OWNERS_WORK = {"keep_partitions", "erase_guest"}
"""What a service does with its owner's rights; all else of that kind is the finder's."""
TELLS_MORE = {"directory_after", "pms_pending"}
"""What every service holds a copy of: whose number is which, and the hotel's name and languages;
and for a gauge, how many reservations wait and for how long, of all hotels together."""

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relrowsecurity AS walled,
       c.relforcerowsecurity AS forced, pg_get_userbyid(c.relowner) AS owner,
       NOT a.attnotnull AS unresolved,
       (SELECT json_object_agg(p.polname, ARRAY(SELECT pg_get_userbyid(r) FROM unnest(p.polroles) r
                                                WHERE r <> 0) ORDER BY p.polname)::text
        FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1
"""
NEEDED_COLUMNS = """
SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND attnotnull AND NOT attisdropped
  AND attname <> 'tenant_id' AND attidentity = '' AND attgenerated = ''
"""
CONSTRAINTS = """
SELECT conname FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('c', 'f')
"""
VALUES = {
    "bigint": "{n}",
    "integer": "{n}",
    "smallint": "{n}",
    "numeric": "{n}",
    "xid8": "{n}",
    "double precision": "{n}",
    "boolean": "true",
    "bytea": "v{n}",
    "date": "2026-01-0{n}",
    "timestamp with time zone": "2026-01-0{n}",
    "time without time zone": "12:00",
    "daterange": "empty",
    "uuid": "00000000-0000-0000-0000-00000000000{n}",
    "jsonb": "{{}}",
}
FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, n.nspname AS schema, p.proname AS plain,
       p.prosecdef AS definer,
       coalesce(p.proconfig, '{}') && ARRAY['search_path=public, pg_temp'] AS pinned,
       has_function_privilege($1, p.oid, 'EXECUTE') AS app_may,
       coalesce(p.proargnames[1 + p.pronargs:], '{}') AS tells,
       (SELECT array_agg(format_type(t, NULL)) FROM unnest(
           coalesce(p.proallargtypes[1 + p.pronargs:], ARRAY[p.prorettype])) AS t) AS types
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('public', 'finder')
"""
IDS_AND_VERSIONS = re.compile(
    r"(.*_)?(id|ids|key|number|version|attempt|count|time|seconds|into|name|place)$"
    r"|arrivals|merging|again|traceparent|newest"
    # What identifies a hotel elsewhere.
    r"|kind|value"
)
PLAIN = {"text", "uuid", "bigint", "integer", "smallint", "boolean", "timestamp with time zone"}
PLAIN |= {"double precision", "void", "bigint[]", "uuid[]", "date"}


@dataclass(frozen=True)
class Database:
    """A service's database with two hotels' rows in every table that has hotels' rows."""

    app_role: str
    urls: DatabaseUrls
    tables: list[asyncpg.Record]
    admin: asyncpg.Connection[asyncpg.Record]


@pytest.fixture(params=SERVICES)
async def database(
    request: pytest.FixtureRequest,
    service_database: ServiceDatabase,
    postgres_server: PostgresServer,
) -> AsyncIterator[Database]:
    """Of each service in turn."""
    service: str = request.param
    urls = await service_database(service)
    admin = await asyncpg.connect(postgres_server.admin_url(urls.app_url.rpartition("/")[2]))
    tables = await admin.fetch(TABLES)
    assert tables
    yield Database(f"conserje_{service}", urls, tables, admin)
    await admin.close()


@asynccontextmanager
async def one_connection(urls: DatabaseUrls) -> AsyncIterator[Postgres]:
    """A pool that lends the same connection again and again."""
    pool = Postgres(urls.app_url, kept=1, overflow=1)
    await pool.start()
    yield pool
    await pool.close()


async def fill(database: Database) -> None:
    """A row of ana's and one of ben's in every table, and one of nobody's where that can be."""
    # Rules for values have nothing to do with whose a row is.
    await database.admin.execute("SET session_replication_role = replica")
    for table in database.tables:
        for constraint in await database.admin.fetch(CONSTRAINTS, table["name"]):
            await database.admin.execute(
                f'ALTER TABLE {table["name"]} DROP CONSTRAINT "{constraint["conname"]}"'
            )
        hotels = ["ana", "ben", None] if table["unresolved"] else ["ana", "ben"]
        columns = await database.admin.fetch(NEEDED_COLUMNS, table["name"])
        for n, hotel in enumerate(hotels, 1):
            values = [f"'{_value(column['type'], n)}'::{column['type']}" for column in columns]
            await database.admin.execute(
                f"INSERT INTO {table['name']} ({', '.join(['tenant_id', *_names(columns)])})"
                f" VALUES ({', '.join(['$1', *values])})",
                hotel,
            )


def _names(columns: list[asyncpg.Record]) -> list[str]:
    return [f'"{column["name"]}"' for column in columns]


def _value(kind: str, n: int) -> str:
    if kind.endswith("[]"):
        return "{}"
    return VALUES.get(kind, "v{n}").format(n=n)


async def seen(pool: Postgres, database: Database, *named: str) -> dict[str, list[str | None]]:
    """Whose rows a plain SELECT of every table shows with these named."""
    rows = {}
    async with pool.of(*named).acquire() as connection:
        for table in database.tables:
            found = await connection.fetch(f"SELECT tenant_id FROM {table['name']} ORDER BY 1")
            rows[table["name"]] = [row["tenant_id"] for row in found]
    return rows


async def test_every_table_with_hotels_rows_has_the_wall(database: Database) -> None:
    for table in database.tables:
        owner = f"{database.app_role}_owner"
        assert (table["name"], table["walled"], table["forced"]) == (table["name"], True, True)
        assert (table["name"], table["owner"]) == (table["name"], owner)
        expected = f'{{ "owner" : ["{owner}"], "tenants" : [] }}'
        assert (table["name"], table["policies"]) == (table["name"], expected)


async def test_a_plain_select_shows_the_rows_of_who_is_named(database: Database) -> None:
    await fill(database)
    async with one_connection(database.urls) as pool:
        for hotel in ("ana", "ben"):
            for name, rows in (await seen(pool, database, hotel)).items():
                assert (name, rows) == (name, [hotel])
        nobodys = await seen(pool, database, tenancy.UNRESOLVED)
        for table in database.tables:
            assert nobodys[table["name"]] == ([None] if table["unresolved"] else [])
        for name, rows in (await seen(pool, database)).items():
            assert (name, rows) == (name, [])
        # And afterwards, on the connection that all of it was asked on.
        for table in database.tables:
            assert await pool.fetch(f"SELECT FROM {table['name']}") == []


async def test_a_hotel_changes_no_row_of_another(database: Database) -> None:
    await fill(database)
    async with one_connection(database.urls) as pool:
        for table in database.tables:
            name = table["name"]
            if name.startswith("public."):
                taken = f"UPDATE {name} SET tenant_id = 'ana' WHERE tenant_id = 'ben'"
                assert await pool.of("ana").execute(taken) == "UPDATE 0"
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pool.of("ana").execute(f"UPDATE {name} SET tenant_id = 'ben'")
                assert await pool.of("ana").execute(f"DELETE FROM {name}") == "DELETE 1"


async def test_the_finder_has_its_functions_which_tell_ids_and_versions(database: Database) -> None:
    finder = tenancy.finder_of(database.app_role)
    functions = await database.admin.fetch(FUNCTIONS, database.app_role)
    for function in functions:
        name = function["name"]
        if function["schema"] == "finder":
            assert (name, function["definer"], function["pinned"]) == (name, True, True)
            assert (name, function["app_may"]) == (name, False)
            if function["plain"] in TELLS_MORE:
                continue
            assert (name, set(function["types"]) - PLAIN) == (name, set())
            odd = [told for told in function["tells"] if not IDS_AND_VERSIONS.fullmatch(told)]
            assert (name, odd) == (name, [])
        elif function["definer"]:
            assert function["plain"] in OWNERS_WORK
    rights = "SELECT, INSERT, UPDATE, DELETE"
    for table in await database.admin.fetch(
        "SELECT oid::regclass::text FROM pg_class c"
        " WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text"
        " NOT IN ('pg_catalog', 'information_schema')"
    ):
        may = "SELECT has_table_privilege($1, $2, $3)"
        assert not await database.admin.fetchval(may, finder, table[0], rights)


HOT = (
    """SELECT ingest('{n,n}', '{a,a}', '{k,l}', '{1,1}', '{1,1}', '{1,1}', '{status,status}',
                     '{e,e}', '{t,t}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}',
                     '{NULL,NULL}', '{f,f}', '{ana,ben}',
                     ARRAY[gen_random_uuid(), gen_random_uuid()], '{w,x}', '{1,1}',
                     '{NULL,NULL}')""",
    "SELECT standing('ana', 1)",
    "SELECT pending_of('{1}', 1)",
    "SELECT claim_sends('{ana,ben}', ARRAY[gen_random_uuid(), gen_random_uuid()], '{0,0}', 1)",
    "SELECT claim_effects('{ana,ben}', ARRAY[gen_random_uuid(), gen_random_uuid()], '{0,0}', 1)",
    "SELECT accept_send('ana', gen_random_uuid(), 1, NULL)",
    "SELECT answer_effect('ana', gen_random_uuid(), true, '', NULL)",
)


@pytest.mark.parametrize("statement", HOT)
async def test_after_a_batch_the_connection_shows_nothing(
    service_database: ServiceDatabase, statement: str
) -> None:
    async with one_connection(await service_database("messaging")) as pool:
        await pool.fetch(statement)
        assert not await pool.fetchval("SELECT current_setting('app.tenants', true)")
