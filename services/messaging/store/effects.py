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


DUE = "SELECT tenant_id, request_id, attempt_count FROM finder.due_effects($1)"

CLAIM = """
SELECT tenant_id, request_id, method, request, attempt_count, traceparent
FROM claim_effects($1, $2, $3, $4)
"""

ANSWER = "SELECT answer_effect($1, $2, $3, $4, $5)"

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
        due = await self._postgres.finder.fetch(DUE, limit)
        if not due:
            return []
        columns = [list(column) for column in zip(*due, strict=True)]
        rows = await self._postgres.fetch(CLAIM, *columns, seconds)
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
        await self._postgres.of(effect.tenant_id).execute(
            RETRY, effect.tenant_id, effect.request_id, seconds, reason
        )
