"""One statement reads it all; every change raises the version, in the order of the commits."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import asyncpg
import pytest

from meshkit.postgres import Postgres
from services.tenant.domain import TenantState
from services.tenant.store import TenantStore
from tests.waiting import eventually

ADD_HOTELS = """
INSERT INTO tenant
  (tenant_id, display_name, time_zone, default_language_code, language_codes, currency_code)
SELECT 'hotel-' || n, 'Hotel ' || n, 'UTC', 'es', ARRAY['es'], 'EUR'
FROM generate_series(1, $1::int) AS n
"""
ADD_NUMBERS = """
INSERT INTO whatsapp_number (tenant_id, phone_number_id, whatsapp_business_account_id)
SELECT 'hotel-' || n, '9' || n, '8' || n FROM generate_series(1, $1::int) AS n
"""
VERSIONS = """
SELECT (SELECT version FROM directory) AS directory,
       max(version) FILTER (WHERE tenant_id = 'hotel-mirador') AS mirador,
       max(version) FILTER (WHERE tenant_id = 'posada-luna') AS luna
FROM tenant
"""
RENAME = "UPDATE tenant SET display_name = display_name || '!' WHERE tenant_id = $1"
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"


@pytest.fixture
def store(postgres: Postgres) -> TenantStore:
    return TenantStore(postgres)


@pytest.mark.parametrize("count", [0, 1, 700])
async def test_one_statement_whatever_the_number_of_hotels(
    store: TenantStore, postgres: Postgres, admin: asyncpg.Connection, count: int
) -> None:
    await admin.execute(ADD_HOTELS, count)
    await admin.execute(ADD_NUMBERS, count)
    before = postgres.finder.statements
    snapshot = await store.read_directory()
    # BEGIN, the one, COMMIT.
    assert postgres.finder.statements - before == 3
    assert len(snapshot.numbers) == count + 2
    assert snapshot.active_tenant_count == count + 2
    assert snapshot.version == await store.read_version()


async def test_the_memory_told_is_the_memory_taken(
    store: TenantStore, admin: asyncpg.Connection
) -> None:
    await admin.execute(ADD_HOTELS, 3000)
    await admin.execute(ADD_NUMBERS, 3000)
    await store.read_version()
    tracemalloc.start()
    snapshot = await store.read_directory()
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert snapshot.memory == pytest.approx(taken, rel=0.1)
    # Shared with the one before, and counted all the same.
    assert (await store.read_directory(snapshot)).memory == snapshot.memory


async def test_what_is_read_is_what_is_stored(store: TenantStore) -> None:
    mirador = (await store.read_directory()).numbers["100000000000001"]
    assert mirador.tenant_id == "hotel-mirador"
    assert mirador.whatsapp_business_account_id == "200000000000001"
    assert mirador.state is TenantState.ACTIVE
    assert mirador.display_name == "Hotel Mirador"
    assert mirador.time_zone == "Europe/Madrid"
    assert mirador.default_language_code == "es"
    assert mirador.language_codes == ("es", "en")
    assert mirador.currency_code == "EUR"
    assert mirador.version > 0


async def test_an_empty_directory_is_a_directory(
    store: TenantStore, admin: asyncpg.Connection
) -> None:
    await admin.execute("DELETE FROM whatsapp_number")
    without_numbers = await store.read_directory()
    assert (len(without_numbers.numbers), without_numbers.active_tenant_count) == (0, 2)
    await admin.execute("DELETE FROM tenant")
    empty = await store.read_directory()
    assert (len(empty.numbers), empty.active_tenant_count) == (0, 0)
    assert empty.version > without_numbers.version


@pytest.mark.parametrize(
    ("change", "mirador", "luna"),
    [
        ("UPDATE tenant SET state = 'SUSPENDED' WHERE tenant_id = 'hotel-mirador'", True, False),
        (
            "INSERT INTO whatsapp_number VALUES ('hotel-mirador', '31', '41', '', now())",
            True,
            False,
        ),
        ("UPDATE whatsapp_number SET whatsapp_business_account_id = '5'", True, True),
        (
            "UPDATE whatsapp_number SET tenant_id = 'posada-luna' WHERE tenant_id <> 'posada-luna'",
            True,
            True,
        ),
        ("DELETE FROM whatsapp_number WHERE tenant_id = 'posada-luna'", False, True),
        (
            "WITH gone AS (DELETE FROM whatsapp_number WHERE tenant_id = 'posada-luna')"
            " UPDATE tenant SET state = 'DELETED' WHERE tenant_id = 'posada-luna'",
            False,
            True,
        ),
        (
            "INSERT INTO tenant VALUES"
            " ('new', 'ACTIVE', 'New', 'UTC', 'es', '{es}', 'EUR', 0, now(), now())",
            False,
            False,
        ),
    ],
)
async def test_every_change_raises_the_versions_it_concerns(
    admin: asyncpg.Connection, change: str, mirador: bool, luna: bool
) -> None:
    before = await admin.fetchrow(VERSIONS)
    await admin.execute(change)
    after = await admin.fetchrow(VERSIONS)
    assert before is not None
    assert after is not None
    assert after["directory"] > before["directory"]
    assert (after["mirador"] > before["mirador"]) is mirador
    assert (after["luna"] > before["luna"]) is luna


async def test_versions_become_visible_in_their_order(
    urls_owner: str, admin: asyncpg.Connection, store: TenantStore
) -> None:
    first, second = await asyncpg.connect(urls_owner), await asyncpg.connect(urls_owner)
    before = await store.read_version()
    begun = first.transaction()
    await begun.start()
    await first.execute(RENAME, "hotel-mirador")
    later = asyncio.create_task(second.execute(RENAME, "posada-luna"))
    await eventually(lambda: admin.fetchval(BLOCKED))
    assert await store.read_version() == before
    assert not later.done()
    await begun.commit()
    await later
    snapshot = await store.read_directory()
    assert snapshot.version == before + 2
    assert snapshot.numbers["100000000000001"].version == before + 1
    assert snapshot.numbers["100000000000002"].version == before + 2
    await first.close()
    await second.close()


async def test_a_number_has_one_owner(admin: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await admin.execute(
            "INSERT INTO whatsapp_number (tenant_id, phone_number_id, whatsapp_business_account_id)"
            " VALUES ('posada-luna', '100000000000001', '1')"
        )
    assert caught.value.constraint_name == "whatsapp_number_has_one_owner"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("UPDATE tenant SET state = 'ASLEEP'", "tenant_state"),
        ("UPDATE tenant SET currency_code = 'eur'", "tenant_currency_code"),
        ("UPDATE tenant SET default_language_code = 'fr'", "tenant_language_codes"),
        ("UPDATE whatsapp_number SET phone_number_id = '1x'", "whatsapp_number_id_format"),
        ("INSERT INTO directory (singleton) VALUES (false)", "directory_is_one_row"),
    ],
)
async def test_the_database_keeps_the_bounds_of_the_contract(
    admin: asyncpg.Connection, change: str, constraint: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await admin.execute(change)
    assert caught.value.constraint_name == constraint
