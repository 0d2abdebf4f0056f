"""SQL of what conversations are led over with again; it only reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from meshkit.tenancy import UNRESOLVED
from services.messaging.store.steps import EffectRow, Read

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class LoggedStep:
    """A step as it was taken; `snapshot` is the state before it, where that was kept.

    `complete` says that all its items are still archived, and its command's answer is there.
    """

    inbox_ids: tuple[int, ...]
    effect: EffectRow | None
    merged: bytes | None
    merged_is_older: bool
    hotel: bytes
    reads: tuple[Read, ...]
    snapshot: bytes | None
    state_hash: bytes
    commit_time: datetime
    complete: bool


@dataclass(frozen=True, slots=True)
class Log:
    """The newest steps of a conversation, in order, and the state that they have led to."""

    state: bytes
    steps: tuple[LoggedStep, ...]


# One statement, so that the state is the one that the last of the steps has led to.
LOG = """
SELECT c.state, s.step_id, s.inbox_ids, s.merged, s.merged_is_older, s.hotel, s.reads, s.reads_ok,
       s.snapshot, s.state_hash, s.commit_time, s.request_id, e.command_number, e.method,
       e.answer_ok, e.answer,
       (s.request_id IS NULL OR e.answer IS NOT NULL) AND cardinality(s.inbox_ids) = (
           SELECT count(*) FROM archive a WHERE a.inbox_id = ANY (s.inbox_ids)) AS complete
FROM conversation c
LEFT JOIN LATERAL (
    SELECT step_id, inbox_ids, merged, merged_is_older, hotel, reads, reads_ok, snapshot,
           state_hash, commit_time, request_id
    FROM conversation_step WHERE tenant_id = c.tenant_id AND mailbox_id = c.mailbox_id
    ORDER BY step_id DESC LIMIT $3) AS s ON true
LEFT JOIN effect e ON e.tenant_id = c.tenant_id AND e.request_id = s.request_id
WHERE c.tenant_id = $1 AND c.mailbox_id = $2
ORDER BY s.step_id
"""


class ReplayStore:
    """Steps that were taken, and what they went by."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def log(self, tenant_id: str, mailbox_id: int, *, limit: int) -> Log | None:
        """A conversation's newest `limit` steps; None when the hotel has no such conversation."""
        rows = await self._postgres.of(tenant_id, UNRESOLVED).fetch(
            LOG, tenant_id, mailbox_id, limit
        )
        if not rows:
            return None
        taken = tuple(_step(row) for row in rows if row["step_id"] is not None)
        return Log(rows[0]["state"], taken)


def _step(row: asyncpg.Record) -> LoggedStep:
    return LoggedStep(
        inbox_ids=tuple(row["inbox_ids"]),
        effect=_effect(row) if row["answer"] is not None else None,
        merged=row["merged"],
        merged_is_older=bool(row["merged_is_older"]),
        hotel=row["hotel"],
        reads=tuple(map(Read, row["reads_ok"], row["reads"])),
        snapshot=row["snapshot"],
        state_hash=row["state_hash"],
        commit_time=row["commit_time"],
        complete=row["complete"],
    )


def _effect(row: asyncpg.Record) -> EffectRow:
    return EffectRow(
        *(row["request_id"], row["command_number"], row["method"], True),
        *(row["answer_ok"], row["answer"], (), ""),
    )
