"""SQL of the outbox: messages on their way to guests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Sending:
    """A message that is SENDING: ours for this attempt. `body` lacks the recipient.

    `window_open`: as far as is known the guest may be written to freely.
    `stands_for` is the message that WhatsApp failed as too late, if it goes instead.
    """

    tenant_id: str
    outbox_id: UUID
    mailbox_id: int
    phone_number_id: str
    kind: str
    body: bytes
    attempt_count: int
    create_time: datetime
    traceparent: str
    whatsapp_id: bytes | None
    user_id: bytes | None
    window_open: bool
    stands_for: UUID | None


# The head of each guest's line: nothing under way to that guest, nothing
# before it that may still go, and a number that does not rest. The unique
# index on SENDING is the second wall against two at once. `last_order_time` knows
# of what a replica of the release before took in. What one step wrote has one
# `create_time`: the parts of an answer, of which each may have to wait for the
# delivery of the one before. Hotels take turns, and
# none gets more than its share of what one process has under way. (With
# EXISTS the planner would read all that a hotel has open for each guest.)
CLAIM = """
WITH RECURSIVE tenant AS (
    (SELECT o.tenant_id FROM outbox o WHERE o.state = 'PENDING' ORDER BY o.tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT o.tenant_id FROM outbox o
            WHERE o.state = 'PENDING' AND o.tenant_id > tenant.tenant_id
            ORDER BY o.tenant_id LIMIT 1)
    FROM tenant WHERE tenant.tenant_id IS NOT NULL
), head AS (
    SELECT share.tenant_id, share.outbox_id, row_number() OVER (
        PARTITION BY share.tenant_id ORDER BY share.due_time) AS turn
    FROM tenant CROSS JOIN LATERAL (
        SELECT o.tenant_id, o.outbox_id, o.due_time FROM outbox o
        WHERE o.tenant_id = tenant.tenant_id AND o.state = 'PENDING' AND o.due_time <= now()
          AND NOT EXISTS (SELECT FROM number_pause p WHERE p.phone_number_id = o.phone_number_id
                          AND p.pause_until > now())
          AND NOT coalesce((
              SELECT true FROM outbox other
              WHERE other.tenant_id = o.tenant_id AND other.mailbox_id = o.mailbox_id
                AND other.state IN ('PENDING', 'SENDING', 'UNKNOWN')
                AND (other.state = 'SENDING'
                     OR other.outbox_number < o.outbox_number
                        AND (other.state = 'PENDING' OR other.block_until > now()))
              LIMIT 1), false)
          AND ($6::float8 = 0 OR NOT coalesce((
              SELECT part.create_time = o.create_time AND part.state = 'SENT' AND part.delivery < 2
                 AND part.accept_time > now() - $6::float8 * interval '1 second'
              FROM outbox part
              WHERE part.tenant_id = o.tenant_id AND part.mailbox_id = o.mailbox_id
                AND part.outbox_number < o.outbox_number
              ORDER BY part.outbox_number DESC LIMIT 1), false))
        ORDER BY o.due_time
        LIMIT least(
            greatest(0, $3 - coalesce((
                SELECT held.count FROM unnest($4::text[], $5::integer[]) AS held(tenant_id, count)
                WHERE held.tenant_id = tenant.tenant_id), 0)),
            greatest(4, $1 / (SELECT count(*) FROM tenant)))) AS share
), chosen AS MATERIALIZED (
    SELECT o.tenant_id, o.outbox_id
    FROM outbox o JOIN head ON head.tenant_id = o.tenant_id AND head.outbox_id = o.outbox_id
    WHERE o.state = 'PENDING' AND o.due_time <= now()
    ORDER BY head.turn, o.due_time LIMIT $1::bigint FOR NO KEY UPDATE OF o SKIP LOCKED
)
UPDATE outbox o SET
    state = 'SENDING', attempt_count = o.attempt_count + 1, send_time = clock_timestamp(),
    lease_until = now() + $2::float8 * interval '1 second', sent_as = NULL
FROM chosen, mailbox m
WHERE o.tenant_id = chosen.tenant_id AND o.outbox_id = chosen.outbox_id
  AND m.mailbox_id = o.mailbox_id
RETURNING o.tenant_id, o.outbox_id, o.mailbox_id, o.phone_number_id, o.kind, o.body,
          o.attempt_count, o.create_time, o.traceparent, m.whatsapp_id, m.user_id, o.stands_for,
          (m.inbound_time IS NULL
           OR greatest(m.inbound_time, m.last_order_time) > now() - interval '24 hours')
              AND m.window_refused_time IS NULL
              AND (o.refused_time IS NULL OR coalesce(m.inbound_time > o.refused_time, false))
              AS window_open
"""

# Also when a status has made it SENT before, or its lease has run out: it was
# accepted, and a second send that is planned is called off.
ACCEPTED = """
UPDATE outbox SET state = 'SENT', wamid = coalesce(wamid, $4), lease_until = NULL,
    accept_time = coalesce(accept_time, clock_timestamp())
WHERE tenant_id = $1 AND outbox_id = $2 AND attempt_count = $3
  AND state IN ('PENDING', 'SENDING', 'UNKNOWN', 'SENT')
"""

REJECTED = """
UPDATE outbox SET state = 'REJECTED', error_code = $4, error_detail = $5, lease_until = NULL
WHERE tenant_id = $1 AND outbox_id = $2 AND attempt_count = $3 AND state IN ('SENDING', 'UNKNOWN')
"""

# Nothing was accepted, that is certain: it may go again.
AGAIN = """
UPDATE outbox SET state = 'PENDING', lease_until = NULL, error_code = $5, error_detail = $6,
    due_time = now() + $4::float8 * interval '1 second'
WHERE tenant_id = $1 AND outbox_id = $2 AND attempt_count = $3 AND state IN ('SENDING', 'UNKNOWN')
"""

# WhatsApp has said that the window is shut. It is, unless the guest has written
# since the request left. The same message goes at once, in another form.
TOO_LATE = """
WITH again AS (
    UPDATE outbox SET state = 'PENDING', lease_until = NULL, due_time = now(),
        refused_time = send_time, error_code = $4, error_detail = $5
    WHERE tenant_id = $1 AND outbox_id = $2 AND attempt_count = $3
      AND state IN ('SENDING', 'UNKNOWN')
    RETURNING mailbox_id, send_time
)
UPDATE mailbox m SET window_refused_time = again.send_time FROM again
WHERE m.mailbox_id = again.mailbox_id
  AND (m.inbound_time IS NULL OR m.inbound_time <= again.send_time)
"""

SHUT = """
UPDATE mailbox m SET window_refused_time = o.refused_time FROM outbox o
WHERE o.tenant_id = $1 AND o.outbox_id = $2 AND o.refused_time IS NOT NULL
  AND m.mailbox_id = o.mailbox_id AND m.window_refused_time IS NULL
  AND (m.inbound_time IS NULL OR m.inbound_time <= o.refused_time)
"""

HOLD = """
UPDATE outbox SET state = 'HELD', lease_until = NULL, sent_as = NULL,
    error_code = $4, error_detail = $5
WHERE tenant_id = $1 AND outbox_id = $2 AND attempt_count = $3 AND state IN ('SENDING', 'UNKNOWN')
"""

SEND_AS = """
UPDATE outbox SET sent_as = $4
WHERE tenant_id = $1 AND outbox_id = $2 AND attempt_count = $3 AND state = 'SENDING'
"""

# It has not left: the attempt is taken back, also when nobody knew of it meanwhile.
PUT_OFF = """
UPDATE outbox o SET state = 'PENDING', lease_until = NULL, attempt_count = o.attempt_count - 1,
    due_time = now() + late.seconds * interval '1 second'
FROM unnest($1::text[], $2::uuid[], $3::integer[], $4::float8[])
     AS late(tenant_id, outbox_id, attempt_count, seconds)
WHERE o.tenant_id = late.tenant_id AND o.outbox_id = late.outbox_id
  AND o.attempt_count = late.attempt_count AND o.state IN ('SENDING', 'UNKNOWN')
"""

# What tells a code, and what was sent a second time already, waits for a person.
UNKNOWN = """
UPDATE outbox SET state = 'UNKNOWN', lease_until = NULL, error_detail = $6,
    block_until = now() + $4::float8 * interval '1 second',
    settle_time = CASE WHEN hold_for_person OR resend_count > 0 THEN NULL
                  ELSE greatest(now(), send_time + $5::float8 * interval '1 second') END
WHERE tenant_id = $1 AND outbox_id = $2 AND attempt_count = $3 AND state = 'SENDING'
"""

EXPIRE = """
UPDATE outbox SET state = 'UNKNOWN', lease_until = NULL, error_detail = 'LEASE_EXPIRED',
    block_until = now() + $1::float8 * interval '1 second',
    settle_time = CASE WHEN hold_for_person OR resend_count > 0 THEN NULL
                  ELSE greatest(now(), send_time + $2::float8 * interval '1 second') END
WHERE state = 'SENDING' AND lease_until < now()
RETURNING outbox_id
"""

# It may go once more when ours would have come too: other statuses of the number
# came a settling time ago and come still (or, where few do, came four ago), and
# none that comes is from longer ago. For after an outage of ours each is
# delivered again in its own time, and the first to come says nothing of the rest.
SETTLE = """
WITH number AS (
    SELECT o.phone_number_id,
           count(d.*) > 0 AS heard_lately,
           coalesce(bool_or(d.order_time < d.arrive_time - span.settle), false) AS catching_up
    FROM (SELECT DISTINCT phone_number_id FROM outbox
          WHERE state = 'UNKNOWN' AND settle_time <= now()) AS o
    CROSS JOIN (SELECT $1::float8 * interval '1 second' AS settle) AS span
    LEFT JOIN delivery_status d
        ON d.phone_number_id = o.phone_number_id AND d.arrive_time > now() - span.settle
    GROUP BY o.phone_number_id
), due AS (
    SELECT o.tenant_id, o.outbox_id, NOT number.catching_up AND EXISTS (
        SELECT FROM delivery_status d
        WHERE d.phone_number_id = o.phone_number_id
          AND d.arrive_time > o.send_time
          AND d.arrive_time <= now() - $1::float8 * interval '1 second'
              * CASE WHEN number.heard_lately THEN 1 ELSE 4 END
          AND d.outbox_id IS DISTINCT FROM o.outbox_id) AS heard
    FROM outbox o JOIN number USING (phone_number_id)
    WHERE o.state = 'UNKNOWN' AND o.settle_time <= now()
    ORDER BY o.settle_time LIMIT 100
)
UPDATE outbox o SET
    state = CASE WHEN due.heard THEN 'PENDING' ELSE o.state END,
    due_time = CASE WHEN due.heard THEN now() ELSE o.due_time END,
    resend_count = o.resend_count + CASE WHEN due.heard THEN 1 ELSE 0 END,
    settle_time = CASE WHEN due.heard THEN NULL
                  ELSE now() + $1::float8 / 4 * interval '1 second' END
FROM due
WHERE o.tenant_id = due.tenant_id AND o.outbox_id = due.outbox_id
  AND o.state = 'UNKNOWN' AND o.settle_time <= now()
RETURNING o.state = 'PENDING' AS again
"""

# What waits for Meta to approve the hotel's template, and it has.
RELEASE_APPROVED = """
UPDATE outbox o SET state = 'PENDING', due_time = now()
WHERE o.state = 'HELD' AND o.error_detail = 'TEMPLATE_NOT_APPROVED' AND EXISTS (
    SELECT FROM window_template w JOIN template t USING (tenant_id, name, language_code)
    WHERE w.tenant_id = o.tenant_id AND t.status = 'APPROVED')
RETURNING o.outbox_id
"""

PAUSE = """
INSERT INTO number_pause (phone_number_id, pause_until, error_code)
VALUES ($1, now() + $2::float8 * interval '1 second', $3)
ON CONFLICT (phone_number_id) DO UPDATE SET
    pause_until = excluded.pause_until, error_code = excluded.error_code
"""

# The numbers that rest for a token have a message that was refused for it.
RESUME = """
WITH waiting AS (
    UPDATE outbox SET due_time = now()
    WHERE tenant_id = $1 AND state = 'PENDING' AND error_code = ANY ($2::integer[])
    RETURNING phone_number_id
), ended AS (
    DELETE FROM number_pause p USING (SELECT DISTINCT phone_number_id FROM waiting) w
    WHERE p.phone_number_id = w.phone_number_id AND p.error_code = ANY ($2::integer[])
)
SELECT count(*) FROM waiting
"""

PAUSED = "SELECT count(*) FROM number_pause WHERE pause_until > now()"


class OutboxStore:
    """Messages of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def claim(
        self,
        *,
        limit: int,
        share: int,
        seconds: float,
        held: Mapping[str, int],
        delivered_wait: float = 0.0,
    ) -> list[Sending]:
        """Make up to `limit` messages SENDING, of all hotels in turn; commits.

        Of a hotel at most `share`, together with those that are `held` already. A
        part of an answer waits up to `delivered_wait` seconds for the delivery of
        the part before.
        """
        try:
            rows = await self._postgres.fetch(
                CLAIM, limit, seconds, share, list(held), list(held.values()), delivered_wait
            )
        except asyncpg.UniqueViolationError:
            # Another replica was faster with a message to the same guest.
            return []
        return [Sending(**dict(row)) for row in rows]

    async def accepted(self, message: Sending, wamid: bytes | None) -> None:
        """The Graph API took it."""
        await self._postgres.execute(ACCEPTED, *_key(message), wamid)

    async def rejected(self, message: Sending, code: int, detail: str) -> None:
        """The Graph API will never take it."""
        await self._postgres.execute(REJECTED, *_key(message), code, detail)

    async def again(self, message: Sending, seconds: float, code: int | None, detail: str) -> None:
        """It was certainly not taken; it may go again after `seconds`."""
        await self._postgres.execute(AGAIN, *_key(message), seconds, code, detail)

    async def too_late(self, message: Sending, code: int, detail: str) -> None:
        """WhatsApp refused it because the guest's window is shut: it goes in another form."""
        await self._postgres.execute(TOO_LATE, *_key(message), code, detail)

    async def shut(self, message: Sending) -> None:
        """Remember for its guest what WhatsApp said of the message that it stands for."""
        await self._postgres.execute(SHUT, message.tenant_id, message.outbox_id)

    async def hold(self, message: Sending, code: int, detail: str) -> None:
        """It can only go when its guest has written, or when there is a template for it."""
        await self._postgres.execute(HOLD, *_key(message), code, detail)

    async def send_as(self, message: Sending, kind: str) -> None:
        """It leaves in another form than its own."""
        await self._postgres.execute(SEND_AS, *_key(message), kind)

    async def put_off(self, later: Sequence[tuple[Sending, float]]) -> None:
        """They have not left; each may be claimed again after its seconds."""
        if later:
            keys = zip(*(_key(message) for message, _ in later), strict=True)
            columns = [list(column) for column in keys]
            await self._postgres.execute(PUT_OFF, *columns, [seconds for _, seconds in later])

    async def unknown(self, message: Sending, *, block: float, settle: float, detail: str) -> None:
        """Nobody knows whether it was taken."""
        await self._postgres.execute(UNKNOWN, *_key(message), block, settle, detail)

    async def expire(self, *, block: float, settle: float) -> int:
        """Sends whose lease ran out become unknown; how many."""
        return len(await self._postgres.fetch(EXPIRE, block, settle))

    async def settle(self, *, settle: float) -> int:
        """Decide on unknown ones whose time has come; how many go once more."""
        rows = await self._postgres.fetch(SETTLE, settle)
        return sum(row["again"] for row in rows)

    async def release_approved(self) -> int:
        """What waited for a template that Meta has approved by now goes; how many."""
        return len(await self._postgres.fetch(RELEASE_APPROVED))

    async def pause(self, phone_number_id: str, seconds: float, code: int) -> None:
        """Let a number rest."""
        await self._postgres.execute(PAUSE, phone_number_id, seconds, code)

    async def resume(self, tenant_id: str, codes: Sequence[int]) -> int:
        """What a hotel was refused with these codes may go now; how many messages that are."""
        count: int = await self._postgres.fetchval(RESUME, tenant_id, list(codes))
        return count

    async def paused_count(self) -> int:
        """How many numbers rest at the moment."""
        count: int = await self._postgres.fetchval(PAUSED)
        return count


def _key(message: Sending) -> tuple[str, UUID, int]:
    return message.tenant_id, message.outbox_id, message.attempt_count
