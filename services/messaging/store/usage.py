"""SQL of what Meta bills: prices in statuses, counted by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from services.messaging.usage.model import Count

if TYPE_CHECKING:
    from meshkit.postgres import Connection, Postgres


@dataclass(frozen=True, slots=True)
class PricedRow:
    """A status of one of our messages that may hold a price."""

    tenant_id: str
    outbox_id: UUID
    phone_number_id: str
    order_time: datetime
    event: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What a hotel expects, and where Meta's month begins."""

    cap_count: int | None
    time_zone: str
    passed_month: date | None


WAITING = "SELECT inbox_id, tenant_id FROM finder.priced_statuses($1)"

TAKE = """
WITH gone AS (
    DELETE FROM usage_work WHERE inbox_id IN (
        SELECT inbox_id FROM usage_work WHERE inbox_id = ANY($1::bigint[])
        ORDER BY inbox_id FOR UPDATE SKIP LOCKED)
    RETURNING inbox_id
)
SELECT d.tenant_id, d.outbox_id, d.phone_number_id, d.order_time, d.event
FROM gone JOIN delivery_status d ON d.inbox_id = gone.inbox_id ORDER BY d.inbox_id
"""

PLANS = """
SELECT tenant_id, cap_count, time_zone, passed_month FROM usage_plan
WHERE tenant_id = ANY($1::text[])
"""

# A price comes with `delivered` or with `read`, and may come with both.
ONCE = """
UPDATE outbox o SET priced_time = now()
FROM (SELECT o.tenant_id, o.outbox_id FROM outbox o
      JOIN unnest($1::text[], $2::uuid[]) AS told(tenant_id, outbox_id)
          ON told.tenant_id = o.tenant_id AND told.outbox_id = o.outbox_id
      ORDER BY o.tenant_id, o.outbox_id FOR NO KEY UPDATE OF o) AS told
WHERE o.tenant_id = told.tenant_id AND o.outbox_id = told.outbox_id AND o.priced_time IS NULL
RETURNING o.outbox_id
"""

COUNT = """
INSERT INTO usage_month AS u
    (tenant_id, month, phone_number_id, category, pricing_type, message_count)
SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    AS one(tenant_id, month, phone_number_id, category, pricing_type, message_count)
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT ON CONSTRAINT usage_month_key DO UPDATE SET
    message_count = u.message_count + excluded.message_count
"""

MONTH = """
SELECT phone_number_id, category, pricing_type, message_count FROM usage_month
WHERE tenant_id = $1 AND month = $2 ORDER BY phone_number_id, category, pricing_type
"""

ABOVE_CAP = """
UPDATE usage_plan SET passed_month = $2
WHERE tenant_id = $1 AND passed_month IS DISTINCT FROM $2 RETURNING true
"""

PASSED = "SELECT finder.caps_passed()"

SET_PLAN = """
INSERT INTO usage_plan (tenant_id, cap_count, time_zone) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id) DO UPDATE SET cap_count = excluded.cap_count,
    time_zone = excluded.time_zone, passed_month = NULL
"""


class UsageStore:
    """Usage of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres

    async def waiting(self, limit: int) -> dict[int, str | None]:
        """Up to `limit` statuses that nobody has looked at, and whose they are."""
        rows = await self.postgres.finder.fetch(WAITING, limit)
        return {row["inbox_id"]: row["tenant_id"] for row in rows}

    async def take(self, connection: Connection, inbox_ids: Sequence[int]) -> list[PricedRow]:
        """Those that nobody else takes; they are done with when the transaction commits."""
        return [PricedRow(**dict(row)) for row in await connection.fetch(TAKE, inbox_ids)]

    async def plans(self, connection: Connection, tenants: Sequence[str]) -> dict[str, Plan]:
        """The plans of hotels that have one."""
        rows = await connection.fetch(PLANS, tenants)
        return {
            row["tenant_id"]: Plan(row["cap_count"], row["time_zone"], row["passed_month"])
            for row in rows
        }

    async def once(
        self, connection: Connection, tenants: Sequence[str], outbox_ids: Sequence[UUID]
    ) -> set[UUID]:
        """Which of these messages were not counted yet; from now on they are."""
        rows = await connection.fetch(ONCE, tenants, outbox_ids)
        return {row["outbox_id"] for row in rows}

    async def count(
        self, connection: Connection, counts: Mapping[tuple[str, date, str, str, str], int]
    ) -> None:
        """Add to tenant, month, number, category and type."""
        columns = [list(column) for column in zip(*counts, strict=True)]
        await connection.execute(COUNT, *columns, list(counts.values()))

    async def passed(self, connection: Connection, tenant_id: str, month: date) -> bool:
        """A hotel's cap is passed in that month; False when that was known."""
        return bool(await connection.fetchval(ABOVE_CAP, tenant_id, month))

    async def month(
        self, tenant_id: str, month: date, connection: Connection | None = None
    ) -> list[Count]:
        """What a hotel's numbers have sent in a month."""
        rows = await (connection or self.postgres.of(tenant_id)).fetch(MONTH, tenant_id, month)
        return [Count(**dict(row)) for row in rows]

    async def plan(self, tenant_id: str) -> Plan | None:
        """The plan of a hotel."""
        rows = await self.postgres.of(tenant_id).fetch(PLANS, [tenant_id])
        return Plan(*(rows[0][name] for name in Plan.__slots__)) if rows else None

    async def set_plan(self, tenant_id: str, cap_count: int | None, time_zone: str) -> None:
        """What a hotel expects from now on."""
        await self.postgres.of(tenant_id).execute(SET_PLAN, tenant_id, cap_count, time_zone)

    async def passed_count(self) -> int:
        """How many hotels are above their caps in the month that is."""
        count: int = await self.postgres.finder.fetchval(PASSED)
        return count
