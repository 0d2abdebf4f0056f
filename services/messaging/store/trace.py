"""SQL of the trace: one message's way, from the rows it left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from meshkit.tenancy import UNRESOLVED

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Subject:
    """What is traced: the messages of one guest that were answered together."""

    tenant_id: str
    mailbox_id: int
    inbox_ids: tuple[int, ...]
    traceparent: str


@dataclass(frozen=True, slots=True)
class HopRow:
    """One thing that happened."""

    name: str
    time: datetime
    detail: str


BY_WAMID = """
SELECT tenant_id, mailbox_id, inbox_ids, traceparent FROM finder.trace_by_wamid($1, $2)
"""

BY_CODE = """
SELECT tenant_id, mailbox_id, inbox_ids, traceparent FROM finder.trace_by_code($1)
"""

# What belongs to the subject names its items, or carries its trace.
HOPS = """
WITH item AS (
    SELECT i.kind, i.receive_time, i.arrive_time, i.step_time, i.done_time, i.state
    FROM inbox i WHERE i.inbox_id = ANY($3::bigint[])
), command AS (
    SELECT e.method, e.create_time, e.send_time, e.attempt_count, e.answer_time, e.answer_ok,
           e.step_time, e.done_time, e.state
    FROM effect e WHERE e.tenant_id = $1 AND e.mailbox_id = $2
      AND (e.inbox_ids && $3::bigint[] OR substr(e.traceparent, 4, 32) = $4)
), message AS (
    SELECT o.tenant_id, o.outbox_id, o.kind, o.create_time, o.send_time, o.accept_time,
           o.attempt_count, o.state, o.error_code, o.error_detail, o.sent_as
    FROM outbox o WHERE o.tenant_id = $1 AND o.mailbox_id = $2
      AND (o.answers && $3::bigint[] OR substr(o.traceparent, 4, 32) = $4)
), status AS (
    SELECT d.arrive_time, d.delivery FROM message m JOIN delivery_status d
        ON d.tenant_id = m.tenant_id AND d.outbox_id = m.outbox_id
), settlement AS (
    SELECT s.settle_time, s.received, s.actor_id FROM message m JOIN send_settlement s
        ON s.tenant_id = m.tenant_id AND s.outbox_id = m.outbox_id
)
SELECT hop.name, hop.time, hop.detail FROM (
    SELECT 1 AS rank, 'gateway.receive' AS name, receive_time AS time, kind AS detail FROM item
    UNION ALL SELECT 2, 'inbox.commit', arrive_time, kind FROM item
    UNION ALL SELECT 3, 'step.start', step_time, '' FROM item
    UNION ALL SELECT 4, 'step.commit', done_time, state FROM item
    UNION ALL SELECT 5, 'effect.sent', send_time, method FROM command
    UNION ALL SELECT 6, 'effect.answered', answer_time,
        method || CASE WHEN answer_ok THEN '' ELSE ' refused' END FROM command
    UNION ALL SELECT 7, 'step.start', step_time, 'answer of ' || method FROM command
    UNION ALL SELECT 8, 'step.commit', done_time, 'answer of ' || method FROM command
    UNION ALL SELECT 9, 'outbox.sending', send_time, kind || ', attempt ' || attempt_count
        FROM message
    UNION ALL SELECT 10, 'graph.accepted', accept_time,
        kind || coalesce(' as ' || sent_as, '') FROM message
    UNION ALL SELECT 11, 'outbox.' || lower(state), coalesce(send_time, create_time),
        coalesce('code ' || error_code, '')
            || CASE state WHEN 'HELD' THEN ', ' || error_detail ELSE '' END
        FROM message WHERE state <> 'SENT'
    UNION ALL SELECT 12, 'status.' || CASE delivery WHEN 1 THEN 'sent' WHEN 2 THEN 'delivered'
        WHEN 3 THEN 'read' WHEN 4 THEN 'played' WHEN 9 THEN 'failed' ELSE 'other' END,
        arrive_time, '' FROM status
    UNION ALL SELECT 13, 'outbox.settled', settle_time,
        CASE WHEN received THEN 'received' ELSE 'not received' END || ', says ' || actor_id
        FROM settlement
) AS hop
WHERE hop.time IS NOT NULL ORDER BY hop.time, hop.rank
"""


class TraceStore:
    """Reads what the other parts have written."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def by_wamid(self, item_keys: Sequence[bytes], wamid: bytes) -> Subject | None:
        """The message, ours or a guest's, of that wamid."""
        return _subject(await self._postgres.finder.fetchrow(BY_WAMID, item_keys, wamid))

    async def by_code(self, code: str) -> Subject | None:
        """The message that led to the reservation of that code."""
        return _subject(await self._postgres.finder.fetchrow(BY_CODE, code))

    async def hops(self, subject: Subject, trace_id: str) -> list[HopRow]:
        """What happened to it, in order of time."""
        rows = await self._postgres.of(subject.tenant_id, UNRESOLVED).fetch(
            HOPS, subject.tenant_id, subject.mailbox_id, subject.inbox_ids, trace_id
        )
        return [HopRow(row["name"], row["time"], row["detail"]) for row in rows]


def _subject(row: asyncpg.Record | None) -> Subject | None:
    if row is None:
        return None
    return Subject(row["tenant_id"], row["mailbox_id"], tuple(row["inbox_ids"]), row["traceparent"])
