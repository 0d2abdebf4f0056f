"""SQL of mailboxes that turn out to be one guest's: one of them takes all that the other has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from meshkit.tenancy import UNRESOLVED
from services.messaging.store.inbox import Lease

if TYPE_CHECKING:
    from meshkit.postgres import Connection, Postgres

Combine = Callable[[bytes, bytes], bytes]
"""Two states of conversations, the older one first, as one."""


class Merging(Enum):
    """What became of a wish to merge."""

    DONE = "done"
    BUSY = "busy"
    """A command is open in one of them, whose answer belongs to its conversation."""
    LOST = "lost"
    """Somebody else leads the mailbox by now."""


@dataclass(frozen=True, slots=True)
class MergeRow:
    """A conversation that became part of another."""

    merge_id: int
    from_mailbox_id: int
    into_mailbox_id: int
    reason: str
    done_time: datetime


WISHES = """
SELECT merge_id, from_mailbox_id FROM mailbox_merge
WHERE into_mailbox_id = $1 AND done_time IS NULL ORDER BY merge_id FOR UPDATE
"""

# In the order of ids, as everyone locks them.
LOCK = """
SELECT mailbox_id, lease_number FROM mailbox WHERE mailbox_id = ANY($1::bigint[])
ORDER BY mailbox_id FOR UPDATE
"""

BUSY = """
SELECT EXISTS (SELECT FROM effect WHERE tenant_id = $1 AND mailbox_id = ANY($2::bigint[])
               AND state IN ('OPEN', 'ANSWERED'))
"""

# Whoever leads it finds the lease gone at the commit, and throws the step away.
LAY_DOWN = """
WITH old AS (
    UPDATE mailbox SET lease_number = lease_number + 1, lease_until = '-infinity', due_time = NULL,
        merging = false, merged_into = $2
    WHERE mailbox_id = $1
    RETURNING whatsapp_id, user_id, named_time, inbound_time, window_refused_time, last_order_time
)
UPDATE mailbox m SET
    whatsapp_id = CASE WHEN old.named_time > coalesce(m.named_time, '-infinity')
        THEN coalesce(old.whatsapp_id, m.whatsapp_id)
        ELSE coalesce(m.whatsapp_id, old.whatsapp_id) END,
    user_id = CASE WHEN old.named_time > coalesce(m.named_time, '-infinity')
        THEN coalesce(old.user_id, m.user_id) ELSE coalesce(m.user_id, old.user_id) END,
    named_time = greatest(m.named_time, old.named_time),
    window_refused_time = CASE
        WHEN old.inbound_time > coalesce(m.inbound_time, '-infinity') THEN old.window_refused_time
        ELSE m.window_refused_time END,
    inbound_time = greatest(m.inbound_time, old.inbound_time),
    last_order_time = greatest(m.last_order_time, old.last_order_time),
    arrivals = m.arrivals + 1
FROM old WHERE m.mailbox_id = $2
"""

LOCK_SENDS = """
SELECT outbox_id FROM outbox
WHERE tenant_id = $1 AND mailbox_id = ANY($2::bigint[])
  AND state IN ('PENDING', 'SENDING', 'UNKNOWN')
ORDER BY outbox_number FOR UPDATE
"""

# One under way to a guest, not two: of the other nobody knows until its answer.
ONE_UNDER_WAY = """
UPDATE outbox o SET state = 'UNKNOWN', lease_until = NULL, error_detail = 'MERGED',
    block_until = now() + $4::float8 * interval '1 second',
    settle_time = CASE WHEN hold_for_person OR resend_count > 0 THEN NULL
                  ELSE greatest(now(), send_time + $5::float8 * interval '1 second') END
WHERE o.tenant_id = $1 AND o.mailbox_id = $2 AND o.state = 'SENDING' AND EXISTS (
    SELECT FROM outbox other WHERE other.tenant_id = $1 AND other.mailbox_id = $3
      AND other.state = 'SENDING')
"""

MOVE = (
    "UPDATE outbox SET mailbox_id = $3 WHERE tenant_id = $1 AND mailbox_id = $2",
    "UPDATE effect SET mailbox_id = $3 WHERE tenant_id = $1 AND mailbox_id = $2",
    """
    UPDATE inbox SET mailbox_id = $3
    WHERE tenant_id = $1 AND mailbox_id = $2 AND state = 'DEAD' AND drop_time IS NULL
    """,
)

MOVE_NAMES = (
    "UPDATE inbox SET mailbox_id = $2 WHERE mailbox_id = $1 AND state = 'PENDING'",
    "UPDATE mailbox_alias SET mailbox_id = $2 WHERE mailbox_id = $1",
    "UPDATE mailbox SET merged_into = $2 WHERE merged_into = $1",
    """
    UPDATE mailbox_merge SET into_mailbox_id = $2
    WHERE into_mailbox_id = $1 AND done_time IS NULL AND from_mailbox_id <> $2
    """,
    """
    UPDATE quarantine q SET mailbox_id = $2 FROM mailbox m
    WHERE m.mailbox_id = $1 AND q.phone_number_id = m.phone_number_id AND q.mailbox_id = $1
    """,
)

TALKS = """
SELECT mailbox_id, state, unanswered FROM conversation
WHERE tenant_id = $1 AND mailbox_id = ANY($2::bigint[]) ORDER BY update_time, mailbox_id
"""

END_TALK = "DELETE FROM conversation WHERE tenant_id = $1 AND mailbox_id = $2"

SAVE_TALK = """
INSERT INTO conversation (tenant_id, mailbox_id, state, unanswered) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, mailbox_id) DO UPDATE SET
    state = excluded.state, unanswered = excluded.unanswered, update_time = now()
"""

LOG_MERGE = """
INSERT INTO conversation_step (tenant_id, mailbox_id, merged, merged_is_older, snapshot, state_hash)
VALUES ($1, $2, $3, $4, $5, sha256($6))
"""

DONE = """
UPDATE mailbox_merge SET done_time = clock_timestamp(), tenant_id = $2 WHERE merge_id = $1
"""

# A wish may have been made twice at once: then it was done, and nothing is left to do.
SETTLED = """
UPDATE mailbox SET merging = EXISTS (
    SELECT FROM mailbox_merge WHERE into_mailbox_id = $1 AND done_time IS NULL)
WHERE mailbox_id = $1
"""

FORWARD = "SELECT finder.forward_mailbox($1, $2, $3, $4)"

PAGE = """
SELECT merge_id, from_mailbox_id, into_mailbox_id, reason, done_time FROM mailbox_merge
WHERE tenant_id = $1 AND merge_id > $2 ORDER BY merge_id LIMIT $3
"""


class MergeStore:
    """Mailboxes that become one."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def merge(
        self, lease: Lease, tenant_id: str, combine: Combine, *, block: float, settle: float
    ) -> Merging:
        """Take into a leased mailbox all that are to be merged into it."""
        async with self._postgres.of(tenant_id, UNRESOLVED).acquire() as connection:
            into = lease.mailbox_id
            wishes = await connection.fetch(WISHES, into)
            boxes = [into, *(wish["from_mailbox_id"] for wish in wishes)]
            locked = await connection.fetch(LOCK, boxes)
            leases = {row["mailbox_id"]: row["lease_number"] for row in locked}
            if leases[into] != lease.lease_number:
                return Merging.LOST
            if await connection.fetchval(BUSY, tenant_id, boxes):
                return Merging.BUSY
            await connection.fetch(LOCK_SENDS, tenant_id, boxes)
            for wish in wishes:
                old = wish["from_mailbox_id"]
                await connection.execute(ONE_UNDER_WAY, tenant_id, old, into, block, settle)
                await _combine(connection, tenant_id, old, into, combine)
                await connection.execute(DONE, wish["merge_id"], tenant_id)
                await _move(connection, tenant_id, old, into)
            await connection.execute(SETTLED, into)
        return Merging.DONE

    async def forward(self, lease: Lease) -> None:
        """Hand on what came for a mailbox that is part of another."""
        key = (lease.mailbox_id, lease.lease_number, lease.merged_into, lease.arrivals)
        await self._postgres.finder.execute(FORWARD, *key)

    async def page(self, tenant_id: str, *, after: int, limit: int) -> list[MergeRow]:
        """A page of a hotel's merged conversations, the oldest first."""
        rows = await self._postgres.of(tenant_id).fetch(PAGE, tenant_id, after, limit)
        return [MergeRow(**dict(row)) for row in rows]


async def _move(connection: Connection, tenant_id: str, old: int, into: int) -> None:
    for statement in MOVE:
        await connection.execute(statement, tenant_id, old, into)
    for statement in MOVE_NAMES:
        await connection.execute(statement, old, into)
    await connection.execute(LAY_DOWN, old, into)


async def _combine(
    connection: Connection, tenant_id: str, old: int, into: int, combine: Combine
) -> None:
    talks = await connection.fetch(TALKS, tenant_id, [old, into])
    if not any(talk["mailbox_id"] == old for talk in talks):
        return
    state, unanswered = b"", []
    for talk in talks:
        state = combine(state, talk["state"]) if state else talk["state"]
        unanswered += talk["unanswered"]
    states = {talk["mailbox_id"]: talk["state"] for talk in talks}
    is_older = talks[0]["mailbox_id"] == old
    await connection.execute(END_TALK, tenant_id, old)
    await connection.execute(SAVE_TALK, tenant_id, into, state, sorted(unanswered))
    await connection.execute(
        LOG_MERGE, *(tenant_id, into, states[old], is_older, states.get(into, b""), state)
    )
