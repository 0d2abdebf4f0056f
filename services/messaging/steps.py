"""The worker that leads conversations: claims mailboxes, takes steps, commits them.

A mailbox is worked on under a lease, by one worker at a time, item after item.
Nothing in the database is held while a step thinks; a worker that was too slow
finds the lease gone at its commit and throws the step away.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from meshkit.clock import Clock
from meshkit.errors import DeadlineExceeded, MeshError, ResourceExhausted, Unavailable
from meshkit.telemetry import Tracing
from meshkit.waiting import first_of
from services.messaging import burst, leases, talk
from services.messaging.backoff import backoff
from services.messaging.directory import Owner, Standing
from services.messaging.metrics import MessagingMetrics
from services.messaging.read_marks import ReadMarks
from services.messaging.settings import MessagingSettings
from services.messaging.slots import Slots
from services.messaging.store.inbox import InboxStore, Lease
from services.messaging.store.merges import MergeStore, Merging
from services.messaging.store.steps import Standing as Position
from services.messaging.store.steps import Step, StepStore
from services.messaging.talk import Cause, Talk
from services.messaging.turns import Turns
from services.messaging.wake import Wake

ITEMS_AT_ONCE = 64
AWAY = (Unavailable, DeadlineExceeded, ResourceExhausted)
# A dependency that is away is asked again soon; a step that fails, later and later.
AWAY_SECONDS = 1.0
MERGE_AGAIN_SECONDS = 0.3
FAILED_LONGEST = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wakes:
    """Who is told of what."""

    arrived: Wake
    commands: Wake
    messages: Wake


class StepWorker:
    """Leads the conversations that this process has leased."""

    def __init__(
        self,
        *,
        inbox: InboxStore,
        steps: StepStore,
        turns: Turns,
        merges: MergeStore,
        talk: Talk,
        marks: ReadMarks,
        clock: Clock,
        tracing: Tracing,
        metrics: MessagingMetrics,
        settings: MessagingSettings,
        wakes: Wakes,
    ) -> None:
        self._inbox = inbox
        self._steps = steps
        self._turns = turns
        self._merges = merges
        self._talk = talk
        self._marks = marks
        self._clock = clock
        self._tracing = tracing
        self._metrics = metrics
        self._settings = settings
        self._wakes = wakes
        self._held: dict[int, Lease] = {}
        self._slots = Slots(settings.step_concurrency)
        self._pause = settings.burst_pause_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Claim and work until told to stop, then finish what is in hand."""
        # Until it is known whose the numbers are, messages wait where they are.
        await first_of(stopping, self._turns.loaded)
        while not stopping.is_set():
            claimed = await self._claim(await self._slots.free())
            for lease in claimed:
                self._held[lease.mailbox_id] = lease
                self._slots.start(self._work(lease))
            if not claimed:
                await self._wakes.arrived.wait(self._settings.poll_seconds)
        await self._slots.drain()

    async def renew(self, stopping: asyncio.Event) -> None:
        """Hold on to what is being worked on, also in the drain."""
        await leases.hold(stopping, self._leases, self._inbox.renew, self._settings.lease_seconds)

    def _leases(self) -> list[leases.Held]:
        return [(lease.mailbox_id, lease.lease_number) for lease in self._held.values()]

    async def _claim(self, limit: int) -> list[Lease]:
        try:
            claimed = await self._inbox.claim(
                limit=limit,
                share=self._settings.step_share,
                seconds=self._settings.lease_seconds,
                items=ITEMS_AT_ONCE,
                held=Counter(lease.phone_number_id for lease in self._held.values()),
            )
        except Unavailable:
            self._metrics.dependency_away.labels("postgres").inc()
            return []
        self._slots.claimed(len(claimed), min(limit, self._settings.step_share))
        if claimed:
            self._metrics.claimed.observe(len(claimed))
        return claimed

    async def _work(self, lease: Lease) -> None:
        """One claimed mailbox, to the end of what waits in it."""
        try:
            await self._with_owner(lease)
        except Unavailable as error:
            # Ours is the database; a lease that cannot be given back runs out.
            self._metrics.dependency_away.labels("postgres").inc()
            log.warning("step put off", reason=error.reason)
            with suppress(Unavailable):
                await self._inbox.postpone(lease, AWAY_SECONDS)
        except Exception:
            log.exception("conversation failed", mailbox_id=lease.mailbox_id)
            with suppress(Unavailable):
                await self._inbox.postpone(lease, FAILED_LONGEST)
        finally:
            self._let_go(lease)

    def _let_go(self, lease: Lease) -> None:
        """A number that had its share may have more once a quarter of it is free."""
        self._held.pop(lease.mailbox_id, None)
        number, share = lease.phone_number_id, self._settings.step_share
        left = sum(one.phone_number_id == number for one in self._held.values())
        if left == share - max(1, share // 4):
            self._wakes.arrived.set()

    async def _with_owner(self, lease: Lease) -> None:
        if lease.merged_into is not None:
            await self._merges.forward(lease)
            self._wakes.arrived.set()
            return
        try:
            turn = await self._turns.next(lease)
        except MeshError as error:
            await self._postpone(lease, "tenant_away", backoff(2, first=0.5, longest=AWAY_SECONDS))
            self._metrics.dependency_away.labels("tenant").inc()
            log.debug("tenant service away", reason=error.reason, message=error.message)
            return
        owner = turn.owner
        if owner.standing is Standing.ACTIVE:
            await self._lead(turn.lease, owner)
        elif owner.standing is Standing.SUSPENDED:
            await self._by_policy(turn.lease, owner)
        else:
            await self._set_aside(turn.lease, owner.standing.value)

    async def _by_policy(self, lease: Lease, owner: Owner) -> None:
        """A suspended hotel's guests are told what it has left for them, else they wait for it."""
        if await self._talk.answers_while_suspended(owner.hotel(self._clock)):
            await self._lead(lease, owner)
        elif owner.until_time is None:
            await self._postpone(lease, "suspended", self._settings.suspended_seconds)
        else:
            # Who has the number now is not to wait.
            self._metrics.postponed.labels("suspended").inc()
            await self._inbox.await_more(lease, self._settings.suspended_seconds)

    async def _postpone(self, lease: Lease, reason: str, seconds: float) -> None:
        self._metrics.postponed.labels(reason).inc()
        await self._inbox.postpone(lease, seconds)

    async def _set_aside(self, lease: Lease, reason: str) -> None:
        """Items of a number that is no hotel's: kept, and never answered."""
        await self._inbox.set_aside(lease, [item.inbox_id for item in lease.items], reason)
        self._metrics.quarantined.labels(reason).inc(len(lease.items))
        await self._inbox.release(lease, more=lease.more)

    async def _lead(self, lease: Lease, owner: Owner) -> None:
        """Take step after step; the last one lets the mailbox go with its commit."""
        position = await self._steps.standing(owner.tenant_id, lease.mailbox_id)
        if lease.merging and position.effect is None:
            await self._merge(lease, owner)
            return
        self._marks.expect(owner.tenant_id, lease)
        wait = burst.wait(lease.items, self._pause) if position.effect is None else 0.0
        if wait > 0:
            self._metrics.postponed.labels("burst").inc()
            await self._inbox.await_more(lease, wait)
            return
        cause = self._next(lease, position)
        if cause is None:
            await self._inbox.release(lease, more=lease.more and position.effect is None)
        while cause is not None:
            step = await self._step(lease, owner, position, cause)
            if step is None or step.lets_go:
                return
            position = Position(step.state, tuple(step.unanswered), None)
            lease = _after(lease, cause)
            cause = self._next(lease, position)

    async def _merge(self, lease: Lease, owner: Owner) -> None:
        """Take in mailboxes that are this guest's too; what waits there comes with the next claim.

        A command that is open in one of them ends there first.
        """
        done = await self._merges.merge(
            lease,
            owner.tenant_id,
            talk.as_one,
            block=self._settings.settle_block_seconds,
            settle=self._settings.settle_after_seconds,
        )
        self._metrics.merges.labels(done.value).inc()
        if done is Merging.BUSY:
            await self._postpone(lease, "merging", MERGE_AGAIN_SECONDS)
        elif done is Merging.DONE:
            await self._inbox.release(lease, more=True)
            self._wakes.arrived.set()

    def _next(self, lease: Lease, position: Position) -> Cause | None:
        """A command's answer goes before the guest's next message; an open one blocks it."""
        effect = position.effect
        if effect is not None:
            return Cause(effect=effect) if effect.answered else None
        items = burst.leading(lease.items, self._pause)
        return Cause(items=items) if items else None

    async def _step(
        self, lease: Lease, owner: Owner, position: Position, cause: Cause
    ) -> Step | None:
        """Decide and commit what `cause` leads to; None when it failed or the lease is lost."""
        attributes = {"tenant_id": owner.tenant_id, "cause": cause.name}
        with self._tracing.start_span(
            "messaging.step", kind="consumer", traceparent=cause.traceparent, attributes=attributes
        ) as span:
            try:
                hotel = owner.hotel(self._clock)
                step = await self._talk.step(lease, position, cause, hotel, span.traceparent)
                return step if await self._commit(lease, step) else None
            except AWAY:
                raise
            except Exception as error:
                span.fail(type(error).__name__)
                await self._failed(lease, owner, cause, error)
                return None

    async def _commit(self, lease: Lease, step: Step) -> bool:
        committed = await self._steps.commit(lease, step)
        self._metrics.steps.labels("committed" if committed else "fenced").inc()
        if not committed:
            return False
        seconds = (self._clock.now() - step.start_time).total_seconds()
        self._metrics.step_seconds.observe(max(0.0, seconds))
        self._metrics.late.inc(step.late)
        if step.commands:
            self._wakes.commands.set()
        if step.messages:
            self._wakes.messages.set()
            self._marks.answered(lease.mailbox_id)
        return True

    async def _failed(self, lease: Lease, owner: Owner, cause: Cause, error: Exception) -> None:
        """A step that raises is tried again later, and given up after some tries.

        The conversation then goes on without it; a person finds it by its state.
        """
        log.error("step failed", cause=cause.name, exc_info=error)
        limit = self._settings.step_attempts
        tries = await self._count_failure(lease, owner, cause, type(error).__name__)
        if tries < limit:
            self._metrics.steps.labels("failed").inc()
            seconds = backoff(
                tries, first=self._settings.step_retry_seconds, longest=FAILED_LONGEST
            )
            await self._inbox.postpone(lease, seconds)
            return
        self._metrics.steps.labels("dead").inc()
        await self._inbox.release(lease, more=True)

    async def _count_failure(self, lease: Lease, owner: Owner, cause: Cause, reason: str) -> int:
        limit = self._settings.step_attempts
        if cause.items:
            return await self._inbox.fail_item(
                lease, owner.tenant_id, cause.items[0].inbox_id, reason, limit
            )
        assert cause.effect is not None
        return await self._steps.fail_effect(
            lease, owner.tenant_id, cause.effect.request_id, reason, limit
        )


def _after(lease: Lease, cause: Cause) -> Lease:
    """The lease once `cause` is done with."""
    newest = max((lease.last_order_time, *(item.order_time for item in cause.items)))
    return replace(lease, items=lease.items[len(cause.items) :], last_order_time=newest)
