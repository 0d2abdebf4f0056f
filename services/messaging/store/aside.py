"""SQL of what is set aside: the quarantine and the dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from meshkit.tenancy import UNRESOLVED

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """An item that is kept aside; `event` is empty unless asked for."""

    quarantine_id: int
    reason: str
    phone_number_id: str
    account_id: str
    arrive_time: datetime
    size_bytes: int
    releasable: bool
    event: bytes


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A message whose step was given up."""

    inbox_id: int
    mailbox_id: int
    arrive_time: datetime
    attempt_count: int
    failure: str


_QUARANTINE_COLUMNS = """
SELECT quarantine_id, reason, phone_number_id, account_id, arrive_time,
       length(event)::bigint AS size_bytes, mailbox_id IS NOT NULL AS releasable,
       CASE WHEN $2 THEN event ELSE '' END AS event
FROM quarantine
"""

# Two statements, for one with "number or all" would walk the whole table for one number.
QUARANTINE_OF_ALL = _QUARANTINE_COLUMNS + "WHERE quarantine_id > $1 ORDER BY quarantine_id LIMIT $3"
QUARANTINE_OF_NUMBER = (
    _QUARANTINE_COLUMNS
    + "WHERE phone_number_id = $4 AND quarantine_id > $1 ORDER BY quarantine_id LIMIT $3"
)

# The mailbox hears of it as of new messages: who holds it notices at its end.
RELEASE_QUARANTINE = """
WITH chosen AS (
    SELECT quarantine_id FROM quarantine
    WHERE phone_number_id = $1 AND mailbox_id IS NOT NULL
    ORDER BY quarantine_id LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM quarantine q USING chosen WHERE q.quarantine_id = chosen.quarantine_id
    RETURNING q.inbox_id, q.mailbox_id, q.phone_number_id, q.account_id, q.order_time,
              q.receive_time, q.arrive_time, q.traceparent, q.event
), back AS (
    INSERT INTO inbox (inbox_id, mailbox_id, phone_number_id, account_id, kind, order_time,
                       receive_time, arrive_time, traceparent, event, state)
    SELECT inbox_id, mailbox_id, phone_number_id, account_id, 'message', order_time,
           receive_time, arrive_time, traceparent, event, 'PENDING' FROM gone
), told AS (
    UPDATE mailbox m SET arrivals = m.arrivals + box.count,
        due_time = least(m.due_time, greatest(now(), m.lease_until))
    FROM (SELECT mailbox_id, count(*) FROM gone GROUP BY mailbox_id ORDER BY mailbox_id) AS box
    WHERE m.mailbox_id = box.mailbox_id
)
SELECT count(*) FROM gone
"""

DEAD_LETTERS = """
SELECT inbox_id, mailbox_id, arrive_time, attempt_count, coalesce(failure, '') AS failure
FROM inbox
WHERE tenant_id = $1 AND state = 'DEAD' AND drop_time IS NULL AND inbox_id > $2
ORDER BY inbox_id LIMIT $3
"""

# What waits for its step belongs to no hotel yet: the step finds out again.
RETRY_DEAD_LETTER = """
WITH letter AS (
    UPDATE inbox SET state = 'PENDING', attempt_count = 0, tenant_id = NULL
    WHERE tenant_id = $1 AND inbox_id = $2 AND state = 'DEAD' AND drop_time IS NULL
    RETURNING mailbox_id
)
UPDATE mailbox m SET arrivals = m.arrivals + 1,
    due_time = least(m.due_time, greatest(now(), m.lease_until))
FROM letter WHERE m.mailbox_id = letter.mailbox_id
RETURNING m.mailbox_id
"""

DROP_DEAD_LETTER = """
UPDATE inbox SET drop_time = now(), event = ''
WHERE tenant_id = $1 AND inbox_id = $2 AND state = 'DEAD' AND drop_time IS NULL
RETURNING inbox_id
"""


class AsideStore:
    """What waits for a person."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def quarantine(
        self, *, number: str, after: int, limit: int, with_events: bool
    ) -> list[QuarantineRow]:
        """A page of the quarantine, of one number or, with an empty one, of all."""
        if number:
            rows = await self._postgres.fetch(
                QUARANTINE_OF_NUMBER, after, with_events, limit, number
            )
        else:
            rows = await self._postgres.fetch(QUARANTINE_OF_ALL, after, with_events, limit)
        return [QuarantineRow(**dict(row)) for row in rows]

    async def release(self, number: str, limit: int) -> int:
        """Put up to `limit` messages of a number back into the inbox; how many."""
        count: int = await self._postgres.of(UNRESOLVED).fetchval(RELEASE_QUARANTINE, number, limit)
        return count

    async def dead_letters(self, tenant_id: str, *, after: int, limit: int) -> list[DeadLetterRow]:
        """A page of a hotel's dead letters."""
        rows = await self._postgres.of(tenant_id).fetch(DEAD_LETTERS, tenant_id, after, limit)
        return [DeadLetterRow(**dict(row)) for row in rows]

    async def retry(self, tenant_id: str, inbox_id: int) -> bool:
        """Make a dead letter pending again; False when the hotel has none such."""
        found = await self._postgres.of(tenant_id, UNRESOLVED).fetchval(
            RETRY_DEAD_LETTER, tenant_id, inbox_id
        )
        return found is not None

    async def drop(self, tenant_id: str, inbox_id: int) -> bool:
        """Give a dead letter up; False when the hotel has none such."""
        found = await self._postgres.of(tenant_id).fetchval(DROP_DEAD_LETTER, tenant_id, inbox_id)
        return found is not None
