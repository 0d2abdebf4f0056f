"""Leads a conversation over what came in once more, and looks whether it ends where it stands.

It starts at a snapshot of the state and goes by what is stored: the items from the archive, the
answers that commands had, what steps were told while they thought, and the hotel as it was. It
can send nothing and call nobody, for it knows neither Meta nor any service; what it read goes
nowhere but into the state machine.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import structlog

from meshkit.errors import FailedPrecondition, Internal
from services.messaging import burst, talk
from services.messaging.archive import hotel_json
from services.messaging.archive.metrics import ArchiveMetrics
from services.messaging.archive.sealing import Sealer
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.events import Event
from services.messaging.conversation.state import State
from services.messaging.conversation.state_json import from_json, to_json
from services.messaging.refusals import conversation_unknown
from services.messaging.store.archive import Archived, ArchiveStore
from services.messaging.store.replay import Log, LoggedStep, ReplayStore

MOST_STEPS = 256
"""Of one conversation in one call: some hundred milliseconds of work."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the replay left what was stored.

    `step` counts the steps from 1 and is 0 where all were alike and only the state that is stored
    now is another: then `fields` are its parts that differ. `error` is the kind of error that the
    step ended with, empty when it ended with another state.
    """

    step: int = 0
    commit_time: datetime | None = None
    error: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it; hashes are SHA-256 of a state as it is stored."""

    step_count: int
    first_step_time: datetime
    replayed_hash: bytes
    live_hash: bytes
    difference: Difference | None


class Replay:
    """Replays conversations."""

    def __init__(
        self,
        advance: talk.Advance,
        store: ReplayStore,
        archive: ArchiveStore,
        sealer: Sealer,
        metrics: ArchiveMetrics,
    ) -> None:
        self._advance = advance
        self._store = store
        self._archive = archive
        self._sealer = sealer
        self._metrics = metrics

    async def run(self, tenant_id: str, mailbox_id: int) -> Replayed:
        """Lead a conversation from its oldest snapshot to its newest step.

        Raises `NotFound` CONVERSATION_UNKNOWN, `FailedPrecondition` NOTHING_TO_REPLAY when there
        is no snapshot after which everything is there, ITEM_ALTERED when an item is not what was
        archived, and what `Sealer.open` raises of keys.
        """
        known = await self._store.log(tenant_id, mailbox_id, limit=MOST_STEPS)
        if known is None:
            raise conversation_unknown()
        steps = _from_snapshot(known.steps)
        state, difference, count = steps[0].snapshot or b"", None, 0
        for count, step in enumerate(steps, start=1):
            state, difference = await self._lead(tenant_id, state, step, count)
            if difference is not None:
                break
        difference = difference or _from_live(state, known)
        self._metrics.replays.labels("differs" if difference else "same").inc()
        return Replayed(
            step_count=count,
            first_step_time=steps[0].commit_time,
            replayed_hash=_hash(state),
            live_hash=_hash(known.state),
            difference=difference,
        )

    async def _lead(
        self, tenant_id: str, state: bytes, step: LoggedStep, number: int
    ) -> tuple[bytes, Difference | None]:
        items = await self._archive.items(tenant_id, step.inbox_ids)
        events = [self._open(item) for item in items]
        await asyncio.sleep(0)
        if step.snapshot not in (None, state):
            return state, Difference(number, step.commit_time)
        try:
            state = self._after(state, step, events)
        except Exception as error:
            # Whatever a step of another release stumbles over is an answer here.
            log.warning("step not replayed", step=number, error=type(error).__name__)
            return state, Difference(number, step.commit_time, type(error).__name__)
        if _hash(state) != step.state_hash:
            return state, Difference(number, step.commit_time)
        return state, None

    def _open(self, item: Archived) -> bytes:
        try:
            return self._sealer.open(item)
        except Internal:
            raise FailedPrecondition(
                "ITEM_ALTERED",
                "An archived item is not what was archived, so that nothing can be said.",
                inbox_id=str(item.inbox_id),
            ) from None

    def _after(self, state: bytes, step: LoggedStep, events: Sequence[bytes]) -> bytes:
        if step.merged is not None:
            return _merged(state, step.merged, other_is_older=step.merged_is_older)
        event = burst.as_one(events) if events else _heard(step)
        before = from_json(state.decode()) if state else State()
        return to_json(self._decide(before, event, step).state).encode()

    def _decide(self, state: State, event: Event, step: LoggedStep) -> Decision:
        hotel = hotel_json.from_bytes(step.hotel)
        steps = self._advance(talk.going_on(state, event), event, hotel)
        told = 0
        try:
            query = next(steps)
            while True:
                told += 1
                query = steps.send(talk.answer_of(query, step.reads[told - 1], hotel))
        except StopIteration as end:
            decision: Decision = end.value
            return decision


def _heard(step: LoggedStep) -> Event:
    assert step.effect is not None, "a step that is complete is about something"
    return talk.heard(step.effect)


def _from_snapshot(steps: Sequence[LoggedStep]) -> Sequence[LoggedStep]:
    """The steps from the oldest snapshot on after which none lacks anything."""
    first = 1 + max((at for at, step in enumerate(steps) if not step.complete), default=-1)
    for at in range(first, len(steps)):
        if steps[at].snapshot is not None:
            return steps[at:]
    raise FailedPrecondition(
        "NOTHING_TO_REPLAY", "No snapshot is left after which everything that came is archived."
    )


def _merged(state: bytes, other: bytes, *, other_is_older: bool) -> bytes:
    if not state:
        return other
    return talk.as_one(other, state) if other_is_older else talk.as_one(state, other)


def _from_live(state: bytes, known: Log) -> Difference | None:
    if state == known.state:
        return None
    one, other = from_json(state.decode()), from_json(known.state.decode())
    names = [field.name for field in fields(State)]
    differ = (name for name in names if getattr(one, name) != getattr(other, name))
    return Difference(fields=tuple(differ))


def _hash(state: bytes) -> bytes:
    return hashlib.sha256(state).digest()
