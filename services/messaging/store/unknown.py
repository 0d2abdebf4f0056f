"""SQL of the sends whose outcome nobody knows, and of what people say of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """A send that may have been taken or not."""

    outbox_id: UUID
    outbox_number: int
    mailbox_id: int
    kind: str
    attempt_count: int
    send_time: datetime
    detail: str
    waits_for_person: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a message stands, and what was said of one of its attempts."""

    state: str
    received: bool | None


UNKNOWN_SENDS = """
SELECT outbox_id, outbox_number, mailbox_id, kind, attempt_count, send_time,
       coalesce(error_detail, '') AS detail, settle_time IS NULL AS waits_for_person
FROM outbox
WHERE tenant_id = $1 AND state = 'UNKNOWN' AND outbox_number > $2
ORDER BY outbox_number LIMIT $3
"""

# Only the attempt that was looked at: when it went again meanwhile and was lost
# again, that is another question. What goes again by a person's word and is lost
# once more waits for a person.
SETTLE_SEND = """
WITH settled AS (
    UPDATE outbox SET
        state = CASE WHEN $4 THEN 'SENT' ELSE 'PENDING' END,
        due_time = CASE WHEN $4 THEN due_time ELSE now() END,
        resend_count = resend_count + CASE WHEN $4 THEN 0 ELSE 1 END,
        settle_time = NULL
    WHERE tenant_id = $1 AND outbox_id = $2 AND attempt_count = $3 AND state = 'UNKNOWN'
    RETURNING tenant_id, outbox_id, attempt_count
)
INSERT INTO send_settlement (tenant_id, outbox_id, attempt_count, received, actor_id)
SELECT tenant_id, outbox_id, attempt_count, $4, $5 FROM settled
RETURNING true
"""

STANDING = """
SELECT o.state, s.received
FROM outbox o LEFT JOIN send_settlement s
    ON s.tenant_id = o.tenant_id AND s.outbox_id = o.outbox_id AND s.attempt_count = $3
WHERE o.tenant_id = $1 AND o.outbox_id = $2
"""


class UnknownStore:
    """What waits for a status, or for a person who knows."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def page(self, tenant_id: str, *, after: int, limit: int) -> list[UnknownRow]:
        """A page of a hotel's unknown sends, the oldest first."""
        rows = await self._postgres.of(tenant_id).fetch(UNKNOWN_SENDS, tenant_id, after, limit)
        return [UnknownRow(**dict(row)) for row in rows]

    async def settle(
        self, tenant_id: str, outbox_id: UUID, attempt: int, *, received: bool, actor_id: str
    ) -> bool:
        """Take a person's word for an attempt; False when it is not unknown any more."""
        key = (tenant_id, outbox_id, attempt)
        return bool(
            await self._postgres.of(tenant_id).fetchval(SETTLE_SEND, *key, received, actor_id)
        )

    async def standing(self, tenant_id: str, outbox_id: UUID, attempt: int) -> Standing | None:
        """Where it stands; None when the hotel has no such message."""
        row = await self._postgres.of(tenant_id).fetchrow(STANDING, tenant_id, outbox_id, attempt)
        return Standing(row["state"], row["received"]) if row is not None else None
