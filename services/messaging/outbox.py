"""The worker that sends messages: SENDING is committed before a request leaves.

What the Graph API certainly did not take goes again; what it certainly took is
SENT; and what nobody knows about is UNKNOWN, which a status with our id
resolves, or the settling after a while, or a person.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import assert_never

import structlog

from copies.credentials import AGAIN_SECONDS
from copies.directory import Directory
from meshkit.clock import Clock
from meshkit.errors import Unavailable
from meshkit.telemetry import Span, Tracing
from services.messaging import rounds
from services.messaging.backoff import backoff
from services.messaging.directory import Holder, holder_of
from services.messaging.metrics import MessagingMetrics
from services.messaging.rates import SendRates
from services.messaging.settings import MessagingSettings
from services.messaging.slots import Slots
from services.messaging.store.outbox import OutboxStore, Sending
from services.messaging.tokens import Tokens
from services.messaging.wake import Wake
from services.messaging.whatsapp.build import addressed
from services.messaging.whatsapp.client import (
    Accepted,
    GraphClient,
    Outcome,
    Refused,
    Unknown,
    Unsent,
)
from services.messaging.whatsapp.codes import NUMBER_CODE, TOKEN_CODES, Reaction
from services.messaging.windows.forms import Window

FIRST_RETRY, LONGEST_RETRY = 0.5, 60.0
# Meta: after 131056 wait 4^X seconds.
PAIR_BASE, PAIR_TRIES = 4.0, 4
# What goes out again as it is would be refused again.
FINAL = (Reaction.NEVER, Reaction.LATER, Reaction.CHANGE_FORM)
# After 130429 the whole number takes a breath, on all replicas.
NUMBER_HOLD_SECONDS = 1.0
# A template that somebody sends is about its day. What a conversation has said is never too old:
# once the guest's window is shut it leaves as a template, or is held.
GIVE_UP_AFTER = timedelta(hours=24)
TOO_LATE = -1
STORE_ATTEMPTS = 5

log = structlog.get_logger()


class OutboxWorker:
    """Sends what conversations have written."""

    def __init__(
        self,
        *,
        store: OutboxStore,
        window: Window,
        graph: GraphClient,
        tokens: Tokens,
        directory: Directory,
        rates: SendRates,
        clock: Clock,
        tracing: Tracing,
        metrics: MessagingMetrics,
        settings: MessagingSettings,
        messages: Wake,
    ) -> None:
        self._store = store
        self._window = window
        self._graph = graph
        self._tokens = tokens
        self._directory = directory
        self._rates = rates
        self._clock = clock
        self._tracing = tracing
        self._metrics = metrics
        self._settings = settings
        self._messages = messages
        self._paused_count = 0
        self._slots = Slots(settings.send_concurrency)
        self._under_way: Counter[str] = Counter()

    def problem(self) -> str | None:
        """Why messages wait that could go, as a sentence."""
        if not self._paused_count:
            return None
        return f"{self._paused_count} number(s) rest: the Graph API refused them."

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop, then wait for the requests under way."""
        while not stopping.is_set():
            messages = await self._claim(await self._slots.free())
            for message in await self._may_leave(messages):
                self._under_way[message.tenant_id] += 1
                self._slots.start(self._send(message), partial(self._done, message.tenant_id))
            if not messages:
                await self._messages.wait(self._settings.poll_seconds)
        await self._slots.drain()

    def _done(self, tenant_id: str) -> None:
        """The next message to that guest may go, and the hotel has room for one more."""
        self._under_way[tenant_id] -= 1
        if not self._under_way[tenant_id]:
            del self._under_way[tenant_id]
        self._messages.set()

    async def settle(self, stopping: asyncio.Event) -> None:
        """Look after what is unknown."""
        seconds = min(1.0, self._settings.settle_after_seconds / 4)
        await rounds.repeat(self._settle_once, stopping, self._metrics, seconds=seconds)

    async def _settle_once(self) -> None:
        settle = self._settings.settle_after_seconds
        expired = await self._store.expire(block=self._settings.settle_block_seconds, settle=settle)
        again = await self._store.settle(settle=settle)
        released = await self._store.release_approved()
        self._paused_count = await self._store.paused_count()
        self._metrics.expired.inc(expired)
        self._metrics.resent.inc(again)
        if again or released:
            self._messages.set()

    async def _claim(self, limit: int) -> list[Sending]:
        try:
            messages = await self._store.claim(
                limit=limit,
                share=self._settings.send_share,
                seconds=self._settings.send_lease_seconds,
                held=self._under_way,
                delivered_wait=self._settings.delivered_wait_seconds,
            )
        except Unavailable:
            self._metrics.dependency_away.labels("postgres").inc()
            return []
        self._slots.claimed(len(messages), min(limit, self._settings.send_share))
        return messages

    async def _may_leave(self, messages: list[Sending]) -> list[Sending]:
        """Those that Meta's limits let through; the others are put back until they may."""
        if not messages:
            return []
        waits = await self._rates.waits(messages)
        later = [(message, wait) for message, wait in zip(messages, waits, strict=True) if wait]
        self._metrics.sends.labels("put_off").inc(len(later))
        try:
            await self._store.put_off(later)
        except Unavailable:
            # They look unknown when their lease ends, although they never left.
            self._metrics.dependency_away.labels("postgres").inc()
        return [message for message, wait in zip(messages, waits, strict=True) if not wait]

    async def _send(self, message: Sending) -> None:
        try:
            token = await self._token(message)
            if token is None:
                return
            with self._tracing.start_span(
                "messaging.send",
                kind="client",
                traceparent=message.traceparent,
                attributes={"tenant_id": message.tenant_id, "attempt": message.attempt_count},
            ) as span:
                body = await self._window.form(message)
                if body is not None:
                    outcome = await self._request(message, body, token, span)
                    await self._store_outcome(message, outcome, span)
        except Unavailable:
            # Without a stored outcome the lease runs out, and it is unknown: as it should be.
            self._metrics.dependency_away.labels("postgres").inc()
        except Exception:
            log.exception("send failed", outbox_id=str(message.outbox_id))

    async def _token(self, message: Sending) -> str | None:
        """What to send it with; None when that cannot be told now, and it is put back."""
        try:
            return await self._tokens.of(self._holder(message).tenant_id, message.phone_number_id)
        except Unavailable:
            self._metrics.dependency_away.labels("tenant").inc()
            self._metrics.sends.labels("put_off").inc()
            await self._store.put_off([(message, AGAIN_SECONDS)])
            return None

    def _holder(self, message: Sending) -> Holder:
        return holder_of(self._directory, message.phone_number_id, message.tenant_id)

    async def _request(self, message: Sending, body: bytes, token: str, span: Span) -> Outcome:
        started = self._clock.monotonic()
        whole = addressed(body, message.whatsapp_id, message.user_id)
        outcome = await self._graph.send(
            message.phone_number_id,
            whole,
            token=token,
            traceparent=span.traceparent,
            version=self._holder(message).graph_version,
        )
        self._metrics.send_seconds.observe(self._clock.monotonic() - started)
        return outcome

    async def _store_outcome(self, message: Sending, outcome: Outcome, span: Span) -> None:
        """Tried a few times: without it a message that was taken looks unknown."""
        for attempt in range(1, STORE_ATTEMPTS + 1):
            try:
                await self._conclude(message, outcome, span)
                return
            except Unavailable:
                if attempt == STORE_ATTEMPTS:
                    raise
                await asyncio.sleep(backoff(attempt, first=0.1, longest=2.0))

    async def _conclude(self, message: Sending, outcome: Outcome, span: Span) -> None:
        match outcome:
            case Accepted():
                await self._store.accepted(message, outcome.wamid.encode() or None)
                self._metrics.sends.labels("sent").inc()
            case Refused():
                span.fail(f"code {outcome.code}")
                await self._refused(message, outcome)
            case Unsent():
                span.fail(outcome.detail)
                await self._again(message, None, outcome.detail, "unsent")
            case Unknown():
                span.fail(outcome.detail)
                await self._unknown(message, outcome.detail)
            case _:
                assert_never(outcome)

    async def _unknown(self, message: Sending, detail: str) -> None:
        await self._store.unknown(
            message,
            block=self._settings.settle_block_seconds,
            settle=self._settings.settle_after_seconds,
            detail=detail,
        )
        self._metrics.sends.labels("unknown").inc()

    async def _refused(self, message: Sending, refusal: Refused) -> None:
        if await self._window.took(message, refusal):
            self._messages.set()
            return
        if refusal.reaction in FINAL:
            await self._store.rejected(message, refusal.code, refusal.detail)
            self._metrics.sends.labels("rejected").inc()
            log.warning("message rejected", code=refusal.code, outbox_id=str(message.outbox_id))
            return
        if refusal.code in TOKEN_CODES:
            self._tokens.refused(self._holder(message).tenant_id, message.phone_number_id)
        if refusal.reaction in (Reaction.STOP, Reaction.SLOW_NUMBER):
            await self._store.pause(
                message.phone_number_id, self._settings.pause_seconds, refusal.code
            )
            log.error(
                "number rests",
                code=refusal.code,
                tenant_id=message.tenant_id,
                phone_number_id=message.phone_number_id,
            )
            await self._again(message, refusal.code, refusal.detail, "paused")
            return
        pair = refusal.reaction is Reaction.WAIT_FOR_PAIR
        if refusal.code == NUMBER_CODE:
            await self._rates.slow_number(message, NUMBER_HOLD_SECONDS)
        await self._again(message, refusal.code, refusal.detail, "retry", pair=pair)

    async def _again(
        self, message: Sending, code: int | None, detail: str, outcome: str, *, pair: bool = False
    ) -> None:
        """It goes again after a pause, unless it is a template that is too old to be of use."""
        self._metrics.sends.labels(outcome).inc()
        age = self._clock.now() - message.create_time
        if message.kind == "template" and age > GIVE_UP_AFTER:
            await self._store.rejected(message, TOO_LATE if code is None else code, detail)
            return
        seconds = backoff(message.attempt_count, first=FIRST_RETRY, longest=LONGEST_RETRY)
        if pair:
            # A message that has waited for hours has been tried more often than a float can tell.
            tries = min(message.attempt_count - 1, PAIR_TRIES)
            seconds = PAIR_BASE**tries
            await self._rates.slow_pair(message, seconds)
        await self._store.again(message, seconds, code, detail)
