"""The log of changes by hand that `meshkit.operators` puts into every database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from meshkit.tenancy import EVERYONE

if TYPE_CHECKING:
    from meshkit.postgres import Postgres

NEWEST = 2**63 - 1
"""The place before the first page."""

SELECT_CHANGES = """
SELECT change_number, change_time, actor, method, tenant_id, table_name,
       before::text AS before, after::text AS after
FROM audit.operator_change
WHERE change_number < $1 AND ($2 = '' OR tenant_id = $2)
ORDER BY change_number DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One row before and after, as JSON; None for a row that was not there."""

    change_number: int
    change_time: datetime
    actor: str
    method: str
    tenant_id: str
    table_name: str
    before: str | None
    after: str | None


class AuditStore:
    """Reads; only triggers write."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def changes(self, tenant_id: str, before: int, limit: int) -> list[Change]:
        """Up to `limit` changes older than number `before`, the latest first."""
        named = self._postgres.of(tenant_id or EVERYONE)
        rows = await named.fetch(SELECT_CHANGES, before, tenant_id, limit)
        return [Change(**dict(row)) for row in rows]
