"""SQL of the steps: where a conversation stands, and the commit of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from services.messaging.store.inbox import Lease, PendingItem

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class EffectRow:
    """The oldest command of a conversation that it has not heard the end of."""

    request_id: UUID
    command_number: int
    method: str
    answered: bool
    answer_ok: bool
    answer: bytes
    inbox_ids: tuple[int, ...]
    traceparent: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a conversation stands: its state (empty at first) and what waits for an answer."""

    state: bytes
    unanswered: tuple[int, ...]
    effect: EffectRow | None


@dataclass(frozen=True, slots=True)
class Read:
    """What a step was told when it asked: the response, or the status of the error."""

    ok: bool
    answer: bytes


@dataclass(frozen=True, slots=True)
class OutboxDraft:
    """A message to a guest, as the step decided it."""

    outbox_id: UUID
    kind: str
    body: bytes
    hold_for_person: bool


@dataclass(frozen=True, slots=True)
class EffectDraft:
    """A command for another service, as the step decided it."""

    request_id: UUID
    command_number: int
    method: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """All that a step commits, together or not at all.

    It is about `items` or about `effect`, never both, and leads from the state `before`,
    empty at first, to `state`. `answers` are the inbox
    items that the first message answers, `unanswered` those that go on waiting,
    `sources` all that led here. `hotel` and `reads` are what it went by. `lets_go`
    ends the lease, and `more` says that something still waits then.
    """

    tenant_id: str
    items: Sequence[PendingItem]
    effect: EffectRow | None
    before: bytes
    state: bytes
    unanswered: Sequence[int]
    answers: Sequence[int]
    sources: Sequence[int]
    messages: Sequence[OutboxDraft]
    commands: Sequence[EffectDraft]
    hotel: bytes
    reads: Sequence[Read]
    traceparent: str
    start_time: datetime
    late: int
    lets_go: bool
    more: bool


STANDING = """
SELECT state, unanswered, request_id, command_number, method, effect_state, answer_ok, answer,
       inbox_ids, traceparent
FROM standing($1, $2)
"""

COMMIT = """
SELECT log_step(
    commit_step($1, $2, $3, $4, $5, $6, NULL, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                $18, $19, $20, $21, $22, $23, $24),
    $3, $11, $12, $25, $26, $27, $28, $4)
"""

FAIL_EFFECT = """
WITH held AS (
    SELECT m.mailbox_id FROM mailbox m
    WHERE m.mailbox_id = $1 AND m.lease_number = $2 FOR NO KEY UPDATE
)
UPDATE effect e SET step_count = e.step_count + 1, failure = $5,
    state = CASE WHEN e.step_count + 1 >= $6 THEN 'DEAD' ELSE e.state END
FROM held WHERE e.tenant_id = $3 AND e.request_id = $4 AND e.state = 'ANSWERED'
RETURNING e.step_count
"""


class StepStore:
    """Conversations, and the commit of their steps."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def standing(self, tenant_id: str, mailbox_id: int) -> Standing:
        """Where the conversation stands."""
        row = await self._postgres.fetchrow(STANDING, tenant_id, mailbox_id)
        assert row is not None
        effect = None
        if row["request_id"] is not None:
            effect = EffectRow(
                *(row["request_id"], row["command_number"], row["method"]),
                row["effect_state"] == "ANSWERED",
                bool(row["answer_ok"]),
                row["answer"] or b"",
                tuple(row["inbox_ids"]),
                row["traceparent"],
            )
        return Standing(row["state"] or b"", tuple(row["unanswered"] or ()), effect)

    async def commit(self, lease: Lease, step: Step) -> bool:
        """Commit a step; False when the lease is lost, and then nothing is written."""
        held = await self._postgres.fetchval(COMMIT, *_arguments(lease, step))
        return held is not None

    async def fail_effect(
        self, lease: Lease, tenant_id: str, request_id: UUID, reason: str, limit: int
    ) -> int:
        """Count a failed step about an answer, dead at the `limit`; the failures so far."""
        count: int | None = await self._postgres.of(tenant_id).fetchval(
            FAIL_EFFECT,
            *(lease.mailbox_id, lease.lease_number, tenant_id, request_id, reason, limit),
        )
        return count or 0


def _arguments(lease: Lease, step: Step) -> tuple[object, ...]:
    return (
        *(lease.mailbox_id, lease.lease_number, step.tenant_id, step.state, step.unanswered),
        *(step.start_time, step.lets_go, lease.arrivals),
        max((item.order_time for item in step.items), default=lease.last_order_time),
        lease.last_order_time,
        [item.inbox_id for item in step.items],
        step.effect.request_id if step.effect else None,
        *(step.answers, step.traceparent),
        [message.outbox_id for message in step.messages],
        [message.kind for message in step.messages],
        [message.body for message in step.messages],
        [message.hold_for_person for message in step.messages],
        [command.request_id for command in step.commands],
        [command.command_number for command in step.commands],
        [command.method for command in step.commands],
        [command.request for command in step.commands],
        *(step.sources, step.more, step.hotel),
        [read.answer for read in step.reads],
        [read.ok for read in step.reads],
        step.before,
    )
