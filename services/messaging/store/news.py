"""SQL of what reservations become without a guest's doing: heard once, told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class News:
    """A change of a reservation that its conversation is to hear of."""

    tenant_id: str
    request_id: UUID
    """The same for the same change, whoever hears it."""
    mailbox_id: int
    method: str
    answer: bytes


HEARD = "SELECT version FROM reservation_news"

# Like the answer of a command, which makes its conversation due and waits for its turn behind
# those that came before it: numbered in the order in which it happened. Several replicas may hear
# the same: the first one writes it. Mailboxes that are just becoming one are waited for.
TAKE_IN = """
WITH box AS MATERIALIZED (
    SELECT m.mailbox_id, coalesce(m.merged_into, m.mailbox_id) AS led_in
    FROM mailbox m WHERE m.mailbox_id = ANY ($4::bigint[])
    ORDER BY m.mailbox_id FOR NO KEY UPDATE
), told AS (
    INSERT INTO effect (tenant_id, request_id, mailbox_id, command_number, method, request,
                        inbox_ids, traceparent, state, answer_ok, answer, answer_time)
    SELECT n.tenant_id, n.request_id, b.led_in, 0, n.method, '', '{}',
           '', 'ANSWERED', true, n.answer, clock_timestamp()
    FROM unnest($2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::bytea[]) WITH ORDINALITY
         AS n(tenant_id, request_id, mailbox_id, method, answer, place)
    JOIN box b ON b.mailbox_id = n.mailbox_id
    ORDER BY n.place
    ON CONFLICT DO NOTHING
    RETURNING mailbox_id
), due AS (
    UPDATE mailbox m SET due_time = least(m.due_time, now()), arrivals = m.arrivals + 1
    WHERE m.mailbox_id IN (SELECT mailbox_id FROM told)
)
INSERT INTO reservation_news AS r (version) VALUES ($1)
ON CONFLICT (one) DO UPDATE SET version = greatest(r.version, excluded.version)
"""


class NewsStore:
    """What was heard of reservations."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def heard(self) -> int:
        """The version up to which everything was taken in; 0 at first."""
        return await self._postgres.fetchval(HEARD) or 0

    async def take_in(self, version: int, news: Sequence[News]) -> None:
        """Keep what conversations are to hear, and that it was heard."""
        await self._postgres.of(*(one.tenant_id for one in news)).execute(
            TAKE_IN,
            version,
            [one.tenant_id for one in news],
            [one.request_id for one in news],
            [one.mailbox_id for one in news],
            [one.method for one in news],
            [one.answer for one in news],
        )
