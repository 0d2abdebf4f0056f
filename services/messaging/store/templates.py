"""SQL of the catalogue of templates, of the accounts it is read from, and of sends of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Account:
    """A hotel's business account, and one of the numbers under it."""

    tenant_id: str
    account_id: str
    phone_number_id: str


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as Meta describes it; `components` are JSON."""

    name: str
    language_code: str
    template_id: str
    category: str
    status: str
    reason: str
    quality: str
    parameter_format: str
    components: bytes


@dataclass(frozen=True, slots=True)
class KnownTemplate:
    """A template of the catalogue."""

    row: TemplateRow
    account_id: str
    update_time: datetime


@dataclass(frozen=True, slots=True)
class Guest:
    """Who gets a template: by the conversation, or by a name and where to write."""

    mailbox_id: int | None = None
    alias: bytes | None = None
    whatsapp_id: bytes | None = None
    user_id: bytes | None = None


ENROL = "SELECT finder.enrol_accounts($1, $2, $3)"

DUE = "SELECT tenant_id, account_id, phone_number_id FROM finder.due_account($1)"

SYNCED = """
UPDATE template_account SET sync_time = $3, failure_count = 0, failure = NULL,
    due_time = now() + $4::float8 * interval '1 second'
WHERE tenant_id = $1 AND account_id = $2
"""

FAILED = """
UPDATE template_account SET failure_count = failure_count + 1, failure = $3,
    due_time = now() + least($4::float8 * 2 ^ least(failure_count, 16), $5::float8)
        * interval '1 second'
WHERE tenant_id = $1 AND account_id = $2
"""

KEEP = """
INSERT INTO template AS t (tenant_id, account_id, sync_time, name, language_code, template_id,
                           category, status, reason, quality, parameter_format, components)
SELECT $1, $2, $3, one.*
FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
            $11::text[], $12::bytea[])
    AS one(name, language_code, template_id, category, status, reason, quality, format, components)
ORDER BY one.name, one.language_code
ON CONFLICT (tenant_id, name, language_code, account_id) DO UPDATE SET
    sync_time = excluded.sync_time, template_id = excluded.template_id,
    category = excluded.category, status = excluded.status, reason = excluded.reason,
    quality = excluded.quality, parameter_format = excluded.parameter_format,
    components = excluded.components,
    update_time = CASE WHEN (t.template_id, t.category, t.status, t.reason, t.quality,
                             t.parameter_format, t.components)
        IS DISTINCT FROM (excluded.template_id, excluded.category, excluded.status,
                          excluded.reason, excluded.quality, excluded.parameter_format,
                          excluded.components) THEN now() ELSE t.update_time END
"""

REMOVE = """
WITH gone AS (
    DELETE FROM template WHERE tenant_id = $1 AND account_id = $2 AND sync_time < $3 RETURNING 1
)
SELECT count(*) FROM gone
"""

_COLUMNS = """
SELECT name, language_code, template_id, category, status, reason, quality, parameter_format,
       components, account_id, update_time
FROM template
"""

PAGE = (
    _COLUMNS
    + """
WHERE tenant_id = $1 AND (name, language_code, account_id) > ($2, $3, $4)
ORDER BY name, language_code, account_id LIMIT $5
"""
)

FIND = (
    _COLUMNS
    + """
WHERE tenant_id = $1 AND name = $2 AND language_code = $3 AND ($4 = '' OR account_id = $4)
ORDER BY status = 'APPROVED' DESC LIMIT 1
"""
)

SEND = "SELECT mailbox_id, same FROM send_template($1, $2, $3, $4, $5, $6, $7, $8, $9)"


class TemplateStore:
    """The catalogue of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def enrol(self, accounts: Sequence[Account]) -> None:
        """These are all accounts that hotels have."""
        columns = [list(column) for column in zip(*map(astuple, accounts), strict=True)]
        await self._postgres.finder.execute(ENROL, *(columns or ([], [], [])))

    async def due(self, seconds: float) -> Account | None:
        """An account to be read now; nobody else takes it up for `seconds`."""
        row = await self._postgres.finder.fetchrow(DUE, seconds)
        return Account(**dict(row)) if row is not None else None

    async def now(self) -> datetime:
        """The database's time: what a reading begins with."""
        time: datetime = await self._postgres.fetchval("SELECT now()")
        return time

    async def keep(self, account: Account, rows: Sequence[TemplateRow], begin: datetime) -> None:
        """Templates that a reading which began then has found."""
        if rows:
            columns = [list(column) for column in zip(*map(astuple, rows), strict=True)]
            key = (account.tenant_id, account.account_id)
            await self._postgres.of(account.tenant_id).execute(KEEP, *key, begin, *columns)

    async def finish(self, account: Account, begin: datetime, again: float) -> int:
        """A reading has found all: what it did not find is no more; how many."""
        key = (account.tenant_id, account.account_id)
        removed: int = await self._postgres.of(account.tenant_id).fetchval(REMOVE, *key, begin)
        await self._postgres.of(account.tenant_id).execute(SYNCED, *key, begin, again)
        return removed

    async def failed(self, account: Account, why: str, *, first: float, longest: float) -> None:
        """A reading was not possible; the next one comes later and later."""
        key = (account.tenant_id, account.account_id)
        await self._postgres.of(account.tenant_id).execute(FAILED, *key, why, first, longest)

    async def page(
        self, tenant_id: str, after: tuple[str, str, str], limit: int
    ) -> list[KnownTemplate]:
        """A page of a hotel's templates; `after` are name, language and account of the last."""
        rows = await self._postgres.of(tenant_id).fetch(PAGE, tenant_id, *after, limit)
        return [_known(dict(row)) for row in rows]

    async def find(
        self, tenant_id: str, name: str, language: str, account_id: str = ""
    ) -> KnownTemplate | None:
        """A hotel's template, of one account or, with an empty one, of any."""
        row = await self._postgres.of(tenant_id).fetchrow(
            FIND, tenant_id, name, language, account_id
        )
        return _known(dict(row)) if row is not None else None

    async def send(
        self, tenant_id: str, request_id: UUID, number: str, guest: Guest, body: bytes
    ) -> tuple[int, bool] | None:
        """Store a send; its mailbox, and whether the request id has this very message.

        None when the hotel has no such conversation.
        """
        who = (guest.mailbox_id, guest.alias, guest.whatsapp_id, guest.user_id)
        row = await self._postgres.of(tenant_id).fetchrow(
            SEND, tenant_id, request_id, number, *who, body, ""
        )
        if row is None or row["mailbox_id"] is None:
            return None
        return row["mailbox_id"], row["same"]


def _known(row: dict[str, object]) -> KnownTemplate:
    account_id, update_time = row.pop("account_id"), row.pop("update_time")
    assert isinstance(account_id, str)
    assert isinstance(update_time, datetime)
    return KnownTemplate(TemplateRow(**row), account_id, update_time)  # type: ignore[arg-type]
