"""SQL of what is known here of a number: when Meta last called, which templates."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from meshkit.tenancy import UNRESOLVED

if TYPE_CHECKING:
    from meshkit.postgres import Postgres

# Of guests, a thousand are enough to tell that Meta calls.
LAST_HEARD = """
SELECT greatest(
    (SELECT max(d.arrive_time) FROM delivery_status d WHERE d.phone_number_id = $1),
    (SELECT max(m.inbound_time) FROM (
        SELECT m.inbound_time FROM mailbox_alias a JOIN mailbox m ON m.mailbox_id = a.mailbox_id
        WHERE a.phone_number_id = $1 AND m.inbound_time > '-infinity' LIMIT 1000) AS m))
"""

TEMPLATES = """
SELECT name, language_code, status FROM template WHERE tenant_id = $1 AND account_id = $2
"""

WINDOW_TEMPLATE = "SELECT name, language_code FROM window_template WHERE tenant_id = $1"


class NumberStore:
    """What was heard of numbers."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def last_heard(self, tenant_id: str, phone_number_id: str) -> datetime | None:
        """When Meta last told something of a hotel's number."""
        hotel = self._postgres.of(tenant_id, UNRESOLVED)
        time: datetime | None = await hotel.fetchval(LAST_HEARD, phone_number_id)
        return time

    async def templates(self, tenant_id: str, account_id: str) -> dict[tuple[str, str], str]:
        """The catalogue's templates of an account: name and language, and how they stand."""
        rows = await self._postgres.of(tenant_id).fetch(TEMPLATES, tenant_id, account_id)
        return {(row["name"], row["language_code"]): row["status"] for row in rows}

    async def window_template(self, tenant_id: str) -> tuple[str, str] | None:
        """Name and language of what is sent once a window is shut."""
        row = await self._postgres.of(tenant_id).fetchrow(WINDOW_TEMPLATE, tenant_id)
        return (row["name"], row["language_code"]) if row is not None else None
