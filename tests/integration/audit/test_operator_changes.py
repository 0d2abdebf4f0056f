"""What people change by hand is in the log of the database; nobody can alter it there."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from meshkit import operators
from meshkit.operators import Operator
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.audit.store import NEWEST, AuditStore

Database = Callable[[str], Awaitable[DatabaseUrls]]
MARIA = Operator("maria", "conserje.tenant.v1.TenantService/UpdateTenant")

UNWATCHED = {
    "tenant": {"schema_migration", "directory", "credential_version", "past_number"},
    "booking": {
        *("schema_migration", "reservation_transition", "request_answer"),
        *("lock_audit", "reservation_event"),  # logs themselves
        *("pms_elsewhere", "pms_notice"),  # what a hotel's own system tells
    },
    "messaging": {
        *("schema_migration", "seen", "mailbox", "mailbox_alias"),
        *("conversation", "effect", "delivery_status", "number_pause"),
        *("template_account", "field_work", "reservation_news"),  # written by programs alone
        *("usage_work", "usage_month", "archive", "conversation_step"),
        "media_upload",
    },
}
TABLES = """
SELECT relname, EXISTS (
  SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname = 'operator_change'
) AS watched
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  AND NOT relispartition
"""
HOTEL = """
INSERT INTO tenant (tenant_id, display_name, time_zone, default_language_code, language_codes,
                    currency_code)
VALUES ($1, 'Casa', 'UTC', 'es', '{es}', 'EUR')
"""


@pytest.mark.parametrize("service", ["tenant", "booking", "messaging"])
async def test_every_table_that_people_change_is_watched(
    service_database: Database, service: str
) -> None:
    urls = await service_database(service)
    connection = await asyncpg.connect(urls.owner_url)
    try:
        rows = await connection.fetch(TABLES)
    finally:
        await connection.close()
    assert {row["relname"] for row in rows if not row["watched"]} == UNWATCHED[service]


@pytest.fixture
async def postgres(service_database: Database) -> Any:
    pool = Postgres((await service_database("tenant")).app_url)
    await pool.start()
    yield pool
    operators.note(None)
    await pool.close()


async def test_a_change_tells_who_and_how_and_the_row_before_and_after(postgres: Postgres) -> None:
    operators.note(MARIA)
    await postgres.of("casa").execute(HOTEL, "casa")
    await postgres.of("casa").execute(
        "UPDATE tenant SET display_name = 'Otra' WHERE tenant_id = 'casa'"
    )
    changed, made = await AuditStore(postgres).changes("casa", NEWEST, 10)
    assert (made.actor, made.method, made.table_name, made.before) == (
        *(MARIA.actor, MARIA.method),
        *("tenant", None),
    )
    assert changed.before is not None
    assert changed.after is not None
    assert json.loads(changed.before)["display_name"] == "Casa"
    assert json.loads(changed.after)["display_name"] == "Otra"
    assert not await AuditStore(postgres).changes("other", NEWEST, 10)


async def test_what_is_rolled_back_was_never_changed(postgres: Postgres) -> None:
    operators.note(MARIA)

    async def change() -> None:
        async with postgres.of("casa").acquire() as connection:
            await connection.execute(HOTEL, "casa")
            await connection.execute("UPDATE tenant SET display_name = ''")

    with pytest.raises(asyncpg.CheckViolationError):
        await change()
    operators.note(None)
    assert await postgres.of("casa").fetchval("SELECT count(*) FROM tenant") == 0
    assert not await AuditStore(postgres).changes("", NEWEST, 10)


async def test_programs_and_the_next_user_of_the_connection_leave_nothing(
    postgres: Postgres,
) -> None:
    operators.note(MARIA)
    await postgres.of("casa").execute(HOTEL, "casa")
    operators.note(None)
    await postgres.of("casa").execute("UPDATE tenant SET display_name = 'Otra'")
    assert len(await AuditStore(postgres).changes("", NEWEST, 10)) == 1


async def test_a_secret_is_not_in_the_log(postgres: Postgres) -> None:
    operators.note(MARIA)
    await postgres.of("casa").execute(HOTEL, "casa")
    await postgres.of("casa").execute(
        "INSERT INTO credential (tenant_id, kind, name, key_id, ciphertext)"
        " VALUES ('casa', 'ACCESS_TOKEN', '', 'k', 'canary')"
    )
    (change, _) = await AuditStore(postgres).changes("", NEWEST, 10)
    assert change.after is not None
    assert "ciphertext" not in json.loads(change.after)
    assert json.loads(change.after)["key_id"] == "k"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit.operator_change (actor, method, tenant_id, table_name)"
        " VALUES ('x', 'x', 'x', 'x')",
        "UPDATE audit.operator_change SET actor = 'x'",
        "DELETE FROM audit.operator_change",
        "TRUNCATE audit.operator_change",
        "ALTER TABLE tenant DISABLE TRIGGER operator_change",
        "SELECT audit.watch('directory')",
    ],
)
async def test_the_services_role_can_only_read_it(postgres: Postgres, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await postgres.execute(statement)
