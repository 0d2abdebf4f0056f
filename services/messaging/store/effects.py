"""SQL of the effects: commands on their way to other services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class OpenEffect:
    """A command to send; `request` goes out byte for byte, whatever the attempt."""

    tenant_id: str
    request_id: UUID
    method: str
    request: bytes
    attempt_count: int
    traceparent: str


# Hotels take turns, so that none waits behind another's crowd. The claim moves `due_time`, which is
# lease and pause in one: the command is sent again when nothing is heard.
CLAIM = """
WITH RECURSIVE tenant AS (
    (SELECT e.tenant_id FROM effect e WHERE e.state = 'OPEN' ORDER BY e.tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT e.tenant_id FROM effect e
            WHERE e.state = 'OPEN' AND e.tenant_id > tenant.tenant_id
            ORDER BY e.tenant_id LIMIT 1)
    FROM tenant WHERE tenant.tenant_id IS NOT NULL
), due AS (
    SELECT share.tenant_id, share.request_id, row_number() OVER (
        PARTITION BY share.tenant_id ORDER BY share.due_time) AS turn
    FROM tenant CROSS JOIN LATERAL (
        SELECT e.tenant_id, e.request_id, e.due_time FROM effect e
        WHERE e.tenant_id = tenant.tenant_id AND e.state = 'OPEN' AND e.due_time <= now()
        ORDER BY e.due_time LIMIT greatest(4, $1 / (SELECT count(*) FROM tenant))) AS share
), chosen AS MATERIALIZED (
    SELECT e.tenant_id, e.request_id
    FROM effect e JOIN due ON due.tenant_id = e.tenant_id AND due.request_id = e.request_id
    WHERE e.state = 'OPEN' AND e.due_time <= now()
    ORDER BY due.turn, e.due_time LIMIT $1::bigint FOR NO KEY UPDATE OF e SKIP LOCKED
)
UPDATE effect e SET
    due_time = now() + $2::float8 * interval '1 second',
    attempt_count = e.attempt_count + 1,
    send_time = coalesce(e.send_time, now())
FROM chosen WHERE e.tenant_id = chosen.tenant_id AND e.request_id = chosen.request_id
RETURNING e.tenant_id, e.request_id, e.method, e.request, e.attempt_count, e.traceparent
"""

# The first final answer stands; the same command has the same answer anyway.
# It makes its conversation due: the answer is that conversation's next event.
ANSWER = """
WITH answered AS (
    UPDATE effect SET state = 'ANSWERED', answer_ok = $3, answer = $4,
        answer_time = clock_timestamp(), confirmation_code = $5
    WHERE tenant_id = $1 AND request_id = $2 AND state = 'OPEN'
    RETURNING mailbox_id
)
UPDATE mailbox m SET due_time = least(m.due_time, now()), arrivals = m.arrivals + 1
FROM answered WHERE m.mailbox_id = answered.mailbox_id
"""

RETRY = """
UPDATE effect SET due_time = now() + $3::float8 * interval '1 second', failure = $4
WHERE tenant_id = $1 AND request_id = $2 AND state = 'OPEN'
"""


class EffectStore:
    """Commands of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def claim(self, *, limit: int, seconds: float) -> list[OpenEffect]:
        """Take up to `limit` commands that are due, of all hotels in turn."""
        rows = await self._postgres.fetch(CLAIM, limit, seconds)
        return [OpenEffect(**dict(row)) for row in rows]

    async def answer(
        self, effect: OpenEffect, *, ok: bool, answer: bytes, confirmation_code: str | None
    ) -> None:
        """Store the final answer: the response, or the status of the refusal."""
        await self._postgres.execute(
            ANSWER, effect.tenant_id, effect.request_id, ok, answer, confirmation_code
        )

    async def retry(self, effect: OpenEffect, seconds: float, reason: str) -> None:
        """Have the command sent again after `seconds`."""
        await self._postgres.execute(RETRY, effect.tenant_id, effect.request_id, seconds, reason)
