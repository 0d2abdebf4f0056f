"""SQL of the outbox: messages on their way to guests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

if TYPE_CHECKING:
    from meshkit.postgres import Named, Postgres


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


DUE = "SELECT tenant_id, outbox_id, attempt_count FROM finder.due_sends($1, $2, $3, $4, $5)"

CLAIM = """
SELECT tenant_id, outbox_id, mailbox_id, phone_number_id, kind, body, attempt_count, create_time,
       traceparent, whatsapp_id, user_id, window_open, stands_for
FROM claim_sends($1, $2, $3, $4)
"""

ACCEPTED = "SELECT accept_send($1, $2, $3, $4)"

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

EXPIRE = "SELECT finder.expire_sends($1, $2)"

SETTLE = "SELECT outbox_id, again FROM finder.settle_sends($1)"

RELEASE_APPROVED = "SELECT finder.release_approved()"

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
        due = await self._postgres.finder.fetch(
            DUE, limit, share, list(held), list(held.values()), delivered_wait
        )
        if not due:
            return []
        columns = [list(column) for column in zip(*due, strict=True)]
        try:
            rows = await self._postgres.fetch(CLAIM, *columns, seconds)
        except asyncpg.UniqueViolationError:
            # Another replica was faster with a message to the same guest.
            return []
        return [Sending(**dict(row)) for row in rows]

    async def accepted(self, message: Sending, wamid: bytes | None) -> None:
        """The Graph API took it."""
        await self._postgres.execute(ACCEPTED, *_key(message), wamid)

    async def rejected(self, message: Sending, code: int, detail: str) -> None:
        """The Graph API will never take it."""
        await self._of(message).execute(REJECTED, *_key(message), code, detail)

    async def again(self, message: Sending, seconds: float, code: int | None, detail: str) -> None:
        """It was certainly not taken; it may go again after `seconds`."""
        await self._of(message).execute(AGAIN, *_key(message), seconds, code, detail)

    async def too_late(self, message: Sending, code: int, detail: str) -> None:
        """WhatsApp refused it because the guest's window is shut: it goes in another form."""
        await self._of(message).execute(TOO_LATE, *_key(message), code, detail)

    async def shut(self, message: Sending) -> None:
        """Remember for its guest what WhatsApp said of the message that it stands for."""
        await self._of(message).execute(SHUT, message.tenant_id, message.outbox_id)

    async def hold(self, message: Sending, code: int, detail: str) -> None:
        """It can only go when its guest has written, or when there is a template for it."""
        await self._of(message).execute(HOLD, *_key(message), code, detail)

    async def send_as(self, message: Sending, kind: str) -> None:
        """It leaves in another form than its own."""
        await self._of(message).execute(SEND_AS, *_key(message), kind)

    async def put_off(self, later: Sequence[tuple[Sending, float]]) -> None:
        """They have not left; each may be claimed again after its seconds."""
        if later:
            keys = zip(*(_key(message) for message, _ in later), strict=True)
            tenants, *others = [list(column) for column in keys]
            hotels = self._postgres.of(*(message.tenant_id for message, _ in later))
            await hotels.execute(PUT_OFF, tenants, *others, [seconds for _, seconds in later])

    async def unknown(self, message: Sending, *, block: float, settle: float, detail: str) -> None:
        """Nobody knows whether it was taken."""
        await self._of(message).execute(UNKNOWN, *_key(message), block, settle, detail)

    async def expire(self, *, block: float, settle: float) -> int:
        """Sends whose lease ran out become unknown; how many."""
        return len(await self._postgres.finder.fetch(EXPIRE, block, settle))

    async def settle(self, *, settle: float) -> int:
        """Decide on unknown ones whose time has come; how many go once more."""
        rows = await self._postgres.finder.fetch(SETTLE, settle)
        return sum(row["again"] for row in rows)

    async def release_approved(self) -> int:
        """What waited for a template that Meta has approved by now goes; how many."""
        return len(await self._postgres.finder.fetch(RELEASE_APPROVED))

    async def pause(self, phone_number_id: str, seconds: float, code: int) -> None:
        """Let a number rest."""
        await self._postgres.execute(PAUSE, phone_number_id, seconds, code)

    async def resume(self, tenant_id: str, codes: Sequence[int]) -> int:
        """What a hotel was refused with these codes may go now; how many messages that are."""
        count: int = await self._postgres.of(tenant_id).fetchval(RESUME, tenant_id, list(codes))
        return count

    def _of(self, message: Sending) -> Named:
        return self._postgres.of(message.tenant_id)

    async def paused_count(self) -> int:
        """How many numbers rest at the moment."""
        count: int = await self._postgres.fetchval(PAUSED)
        return count


def _key(message: Sending) -> tuple[str, UUID, int]:
    return message.tenant_id, message.outbox_id, message.attempt_count
