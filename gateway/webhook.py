"""WhatsApp's webhook.

Only 200 stops Meta from delivering again, so 200 means: every item of the body
is committed. Refused are bodies that are not authentic (401) and bigger than
any of Meta's (413). All else that goes wrong is 503, and Meta's repetition
finds what was stored already by its keys.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

import structlog
from aiohttp import web
from conserje.messaging.v1.event_pb2 import UNREADABLE_REASON_SHAPE, InboundEvent
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest, IngestEventResponse
from google.protobuf.timestamp_pb2 import Timestamp

from gateway import problems, signature
from gateway.metrics import GatewayMetrics
from gateway.payload import translate
from meshkit.clock import Clock
from meshkit.errors import InvalidArgument, MeshError
from meshkit.telemetry import Tracing

PATH = "/webhooks/whatsapp"
MAX_BODY = 3 * 1024 * 1024
"""Bytes. Meta's page on webhooks: payloads can be up to 3 MB."""
CONFIRM_SECONDS = 2.0
"""How long a webhook waits for its commit. Meta wants less than 1 % over 1 s."""
BODY_SECONDS = 15.0
"""How long a body may take to arrive; who is slower holds a connection for nothing."""

Ingest = Callable[
    [Sequence[IngestEventRequest], float], Awaitable[Sequence[IngestEventResponse | MeshError]]
]
"""Stores items within so many seconds: the answer or the error of each, in order."""

_log = structlog.get_logger("gateway")


class Webhook:
    """Receives webhooks of one Meta app."""

    def __init__(
        self,
        *,
        secrets: Sequence[bytes],
        verify_token: str,
        may_bring: Callable[[str], bool],
        ingest: Ingest,
        tracing: Tracing,
        metrics: GatewayMetrics,
        clock: Clock,
    ) -> None:
        """Without secrets, or without a token, it refuses what they would prove.

        `may_bring` says whether what is of a business account may come by this app.
        """
        self._secrets = secrets
        self._verify_token = verify_token.encode()
        self._may_bring = may_bring
        self._ingest = ingest
        self._tracing = tracing
        self._metrics = metrics
        self._clock = clock

    async def handle(self, request: web.Request) -> web.Response:
        """One request to the webhook's address."""
        if request.method == "POST":
            outcome, response = await self._receive(request)
        elif request.method == "GET":
            outcome, response = self._register(request)
        else:
            outcome, response = "method_not_allowed", problems.method_not_allowed()
        self._metrics.answered(outcome)
        return response

    def _register(self, request: web.Request) -> tuple[str, web.Response]:
        """Meta's handshake: the challenge comes back as plain text."""
        if not self._verify_token:
            return "not_configured", problems.not_configured()
        token = request.query.get("hub.verify_token", "").encode("utf-8", "surrogateescape")
        known = hmac.compare_digest(token, self._verify_token)
        challenge = request.query.get("hub.challenge", "")
        if not (known and challenge and request.query.get("hub.mode") == "subscribe"):
            return "registration_refused", problems.forbidden()
        headers = {"X-Content-Type-Options": "nosniff"}
        return "registered", web.Response(text=challenge, headers=headers)

    async def _receive(self, request: web.Request) -> tuple[str, web.Response]:
        started = self._clock.monotonic()
        if not self._secrets:
            return "not_configured", problems.not_configured()
        if (request.content_length or 0) > MAX_BODY:
            return "too_large", problems.too_large(MAX_BODY)
        try:
            body = await _body(request)
        except web.HTTPRequestEntityTooLarge:
            return "too_large", problems.too_large(MAX_BODY)
        except (web.RequestPayloadError, ConnectionError, TimeoutError):
            return "not_received", problems.unreadable_body()
        if not signature.is_authentic(body, request.headers.get(signature.HEADER), self._secrets):
            return "not_authentic", problems.unauthenticated()
        self._metrics.body_bytes.observe(len(body))
        answer = await self._store(body)
        self._metrics.ack_seconds.observe(self._clock.monotonic() - started)
        return answer

    async def _store(self, body: bytes) -> tuple[str, web.Response]:
        # A trace of its own: nobody outside the mesh decides what is sampled in it.
        with self._tracing.start_span("gateway webhook", kind="server", traceparent="") as span:
            now = self._clock.now()
            events = translate(body, now.timestamp())
            span.set("conserje.items", len(events))
            self._tell(events)
            places = [place for place, event in enumerate(events) if self._is_ours(event)]
            error = await self._ingest_all(body, events, places, now)
            outcome, response = self._answer(error, foreign=len(events) - len(places))
            span.set("http.response.status_code", response.status)
            if response.status != 200:
                span.fail(outcome if error is None else error.reason)
            return outcome, response

    def _answer(self, error: MeshError | None, foreign: int) -> tuple[str, web.Response]:
        if error is not None:
            _log.warning("webhook_not_stored", reason=error.reason)
            return "not_stored", problems.unavailable()
        if foreign:
            # They may be forged, so they are not kept. Nor are they lost: Meta comes again.
            _log.error("items_of_other_apps_accounts", count=foreign)
            return "foreign_account", problems.foreign_account()
        return "stored", web.Response()

    def _is_ours(self, event: InboundEvent) -> bool:
        """What cannot be read reaches nobody but a person."""
        return event.HasField("unreadable") or self._may_bring(event.whatsapp_business_account_id)

    def _tell(self, events: Sequence[InboundEvent]) -> None:
        unreadable = self._metrics.translated(events)
        if unreadable:
            _log.warning("items_not_readable", **unreadable)

    async def _ingest_all(
        self,
        body: bytes,
        events: Sequence[InboundEvent],
        places: Sequence[int],
        now: datetime,
    ) -> MeshError | None:
        """Store the items at these places of a body; the answer is why one is not stored."""
        deadline = self._clock.monotonic() + CONFIRM_SECONDS
        if not places:
            return None
        chosen = [events[place] for place in places]
        results = await self._ingest(_requests(chosen, now), CONFIRM_SECONDS)
        refused = [
            place
            for place, result in zip(places, results, strict=True)
            if isinstance(result, InvalidArgument)
        ]
        error = _first_error(
            result for result in results if not isinstance(result, InvalidArgument)
        )
        if error is None and refused:
            _log.error("items_refused", count=len(refused))
            kept = _as_unreadable(body, now, refused)
            left = deadline - self._clock.monotonic()
            error = _first_error(await self._ingest(_requests(kept, now), left))
        return error


def _first_error(results: Iterable[IngestEventResponse | MeshError]) -> MeshError | None:
    return next((result for result in results if isinstance(result, MeshError)), None)


async def _body(request: web.Request) -> bytes:
    if request.content.is_eof():
        return await request.read()
    async with asyncio.timeout(BODY_SECONDS):
        return await request.read()


def _requests(events: Sequence[InboundEvent], now: datetime) -> list[IngestEventRequest]:
    received = Timestamp(seconds=int(now.timestamp()), nanos=now.microsecond * 1000)
    return [IngestEventRequest(event=event, receive_time=received) for event in events]


def _as_unreadable(body: bytes, now: datetime, indexes: Iterable[int]) -> list[InboundEvent]:
    """The items that were refused for good as events, as they came: they wait for a person."""
    events = translate(body, now.timestamp(), keep_raw=True)
    kept = [events[index] for index in indexes]
    for event in kept:
        event.unreadable.reason = UNREADABLE_REASON_SHAPE
        event.unreadable.detail = "the messaging service refused the event"
    return kept
