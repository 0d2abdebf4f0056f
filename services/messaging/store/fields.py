"""SQL of webhooks that are about an account or a guest, not about a message."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from meshkit.tenancy import UNRESOLVED, act_for

if TYPE_CHECKING:
    from meshkit.postgres import Connection, Postgres


@dataclass(frozen=True, slots=True)
class FieldUpdateRow:
    """A change of an account, as it came."""

    inbox_id: int
    account_id: str
    phone_number_id: str
    order_time: datetime
    event: bytes


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """What a webhook of Meta says about a template; None for what it does not speak of."""

    template_id: str
    status: str | None = None
    reason: str | None = None
    quality: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Rename:
    """A guest's user id has changed; names as in mailboxes, `phone` where WhatsApp says it."""

    was_user: bytes
    user: bytes
    phone: bytes | None
    time: datetime


TAKE_FIELD_UPDATES = """
WITH gone AS (
    DELETE FROM field_work WHERE inbox_id IN (
        SELECT inbox_id FROM field_work ORDER BY inbox_id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING inbox_id
)
SELECT i.inbox_id, i.account_id, i.phone_number_id, i.order_time, i.event
FROM gone JOIN inbox i ON i.inbox_id = gone.inbox_id ORDER BY i.inbox_id
"""

HOTELS = "SELECT finder.tenants_of_accounts($1)"

CHANGE = """
UPDATE template SET status = coalesce($3, status), reason = coalesce($4, reason),
    quality = coalesce($5, quality), category = coalesce($6, category), update_time = now()
WHERE account_id = $1 AND template_id = $2
"""

# Webhooks may come in any order; what Meta answers shortly after is how it stands.
READ_SOON = """
UPDATE template_account SET due_time = least(due_time, now() + $2::float8 * interval '1 second')
WHERE account_id = $1
"""

# A call of a guest opens the window as a message does.
CALLED = """
UPDATE mailbox m SET inbound_time = greatest(m.inbound_time, $3), window_refused_time = NULL
FROM mailbox_alias a
WHERE a.phone_number_id = $1 AND a.alias = $2 AND m.mailbox_id = a.mailbox_id
  AND coalesce(m.inbound_time, '-infinity') < $3
"""

RENAME = "SELECT rename_guest($1, $2, $3, $4, $5)"


class FieldStore:
    """Changes of accounts that wait to be looked at."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres

    async def take(self, connection: Connection, limit: int) -> list[FieldUpdateRow]:
        """Up to `limit` changes in their order; they are done with when the transaction commits.

        The transaction acts for the hotels of their accounts from then on.
        """
        rows = await connection.fetch(TAKE_FIELD_UPDATES, limit)
        if rows:
            accounts = [row["account_id"] for row in rows]
            found = await self.postgres.finder.fetch(HOTELS, accounts)
            await act_for(connection, UNRESOLVED, *(row[0] for row in found))
        return [FieldUpdateRow(**dict(row)) for row in rows]

    async def change(self, connection: Connection, account_id: str, change: TemplateChange) -> None:
        """Meta tells of a template."""
        await connection.execute(CHANGE, account_id, *astuple(change))

    async def rename(self, connection: Connection, number: str, rename: Rename) -> None:
        """A guest of a number has another user id."""
        await connection.execute(RENAME, number, *astuple(rename))

    async def called(
        self, connection: Connection, number: str, alias: bytes, time: datetime
    ) -> None:
        """A guest has called a number."""
        await connection.execute(CALLED, number, alias, time)

    async def read_soon(self, connection: Connection, account_id: str, seconds: float) -> None:
        """The account is read again before long."""
        await connection.execute(READ_SOON, account_id, seconds)
