"""The worker that sends commands: the stored bytes, until there is a final answer.

Only the lack of an answer is tried again (away, too slow, too busy); every
other answer is final, good or bad, and becomes the conversation's next event.
The booking service knows a command by its `request_id`, so a second copy gets
the answer of the first.
"""

from __future__ import annotations

import asyncio

import structlog

from meshkit.errors import DeadlineExceeded, MeshError, ResourceExhausted, Unavailable
from meshkit.status import to_status
from meshkit.telemetry import Tracing
from services.messaging.backoff import backoff
from services.messaging.clients import DOMAIN, Booking, code_in
from services.messaging.metrics import MessagingMetrics
from services.messaging.settings import MessagingSettings
from services.messaging.slots import Slots
from services.messaging.store.effects import EffectStore, OpenEffect
from services.messaging.wake import Wake

NO_ANSWER = (Unavailable, DeadlineExceeded, ResourceExhausted)
FIRST_RETRY, LONGEST_RETRY = 0.2, 10.0
# Longer than a call, so that two workers rarely send the same command at once.
LEASE_MARGIN = 5.0

log = structlog.get_logger()


class EffectWorker:
    """Sends the commands that conversations have decided."""

    def __init__(
        self,
        *,
        store: EffectStore,
        booking: Booking,
        tracing: Tracing,
        metrics: MessagingMetrics,
        settings: MessagingSettings,
        commands: Wake,
        answered: Wake,
    ) -> None:
        self._store = store
        self._booking = booking
        self._tracing = tracing
        self._metrics = metrics
        self._settings = settings
        self._commands = commands
        self._answered = answered
        self._slots = Slots(settings.effect_concurrency)

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop, then wait for the answers under way."""
        while not stopping.is_set():
            effects = await self._claim(await self._slots.free())
            for effect in effects:
                self._slots.start(self._carry_out(effect))
            if not effects:
                await self._commands.wait(self._settings.poll_seconds)
        await self._slots.drain()

    async def _claim(self, limit: int) -> list[OpenEffect]:
        seconds = self._settings.effect_timeout_seconds + LEASE_MARGIN
        try:
            effects = await self._store.claim(limit=limit, seconds=seconds)
        except Unavailable:
            self._metrics.dependency_away.labels("postgres").inc()
            return []
        self._slots.claimed(len(effects), limit)
        return effects

    async def _carry_out(self, effect: OpenEffect) -> None:
        try:
            await self._send(effect)
        except Unavailable:
            # The answer could not be stored: the same command gets it again.
            self._metrics.dependency_away.labels("postgres").inc()
        except Exception:
            log.exception("command failed", method=effect.method)

    async def _send(self, effect: OpenEffect) -> None:
        with self._tracing.start_span(
            "messaging.effect",
            kind="producer",
            traceparent=effect.traceparent,
            attributes={"tenant_id": effect.tenant_id, "attempt": effect.attempt_count},
        ):
            timeout = self._settings.effect_timeout_seconds
            try:
                answer = await self._booking.send(effect.method, effect.request, timeout)
            except NO_ANSWER as error:
                await self._later(effect, error)
                return
            except MeshError as error:
                self._count(effect, error.reason)
                status = to_status(error, DOMAIN).SerializeToString()
                await self._store.answer(effect, ok=False, answer=status, confirmation_code=None)
            else:
                self._count(effect, "OK")
                code = code_in(effect.method, answer)
                await self._store.answer(effect, ok=True, answer=answer, confirmation_code=code)
        self._answered.set()

    async def _later(self, effect: OpenEffect, error: MeshError) -> None:
        self._count(effect, error.reason)
        self._metrics.dependency_away.labels("booking").inc()
        seconds = backoff(effect.attempt_count, first=FIRST_RETRY, longest=LONGEST_RETRY)
        await self._store.retry(effect, max(seconds, error.retry_after or 0.0), error.reason)

    def _count(self, effect: OpenEffect, outcome: str) -> None:
        self._metrics.effects.labels(effect.method.rpartition("/")[2], outcome).inc()
