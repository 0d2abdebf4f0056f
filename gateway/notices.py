"""Where hotels' own systems tell that something has changed there.

Nothing is decided here: the headers and the raw bytes of the body go to the booking
service, which knows the hotel's secrets and says whether a notice is authentic. What it
took in is answered with 200; what it has not, or what nobody knows, with 503, and the
system sends it again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web
from conserje.booking.v1.pms_service_pb2 import ReceivePmsNoticeRequest

from gateway import problems
from gateway.metrics import GatewayMetrics
from meshkit.errors import InvalidArgument, MeshError, ResourceExhausted, Unauthenticated
from meshkit.telemetry import Tracing

if TYPE_CHECKING:
    from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceAsyncStub

PATH = "/webhooks/pms/{tenant_id}"
MAX_BODY = 64 * 1024
"""Bytes. A notice says that something has changed, not what."""
BODY_SECONDS = 5.0
CONFIRM_SECONDS = 2.0
"""How long a notice waits to be taken in."""
MOST_AT_ONCE = 32
"""Anybody may send here; so much of that reaches the booking service at a time."""

ID, TIMESTAMP, SIGNATURE = HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class NoticeEntrance:
    """Receives the notices of all hotels' systems."""

    def __init__(
        self, stub: PmsServiceAsyncStub, *, tracing: Tracing, metrics: GatewayMetrics
    ) -> None:
        self._stub = stub
        self._tracing = tracing
        self._metrics = metrics
        self._places = MOST_AT_ONCE

    async def handle(self, request: web.Request) -> web.Response:
        """One request to a hotel's address."""
        outcome, response = await self._receive(request)
        self._metrics.noticed(outcome)
        return response

    async def _receive(self, request: web.Request) -> tuple[str, web.Response]:
        if request.method != "POST":
            return "method_not_allowed", problems.notices_are_posted()
        if not all(request.headers.get(name) for name in HEADERS):
            return "not_authentic", problems.notice_not_authentic()
        try:
            body = await _body(request)
        except (web.RequestPayloadError, ConnectionError, TimeoutError):
            return "not_received", problems.unreadable_body()
        if body is None:
            return "too_large", problems.too_large(MAX_BODY)
        return await self._pass_on(request, body)

    async def _pass_on(self, request: web.Request, body: bytes) -> tuple[str, web.Response]:
        try:
            notice = ReceivePmsNoticeRequest(
                tenant_id=request.match_info["tenant_id"],
                notice_id=request.headers[ID],
                timestamp=request.headers[TIMESTAMP],
                signature=request.headers[SIGNATURE],
                body=body,
            )
        except UnicodeEncodeError:
            # Bytes that are no UTF-8, which a message cannot hold.
            return "not_authentic", problems.notice_not_authentic()
        # A trace of its own: nobody outside the mesh decides what is sampled in it.
        with self._tracing.start_span("gateway notice", kind="server", traceparent="") as span:
            outcome, response = await self._answer(notice)
            span.set("http.response.status_code", response.status)
            if response.status >= 500:
                span.fail(outcome)
            return outcome, response

    async def _answer(self, notice: ReceivePmsNoticeRequest) -> tuple[str, web.Response]:
        if self._places == 0:
            return "not_taken", problems.notice_not_taken()
        self._places -= 1
        try:
            answer = await self._stub.ReceivePmsNotice(notice, timeout=CONFIRM_SECONDS)
        except (Unauthenticated, InvalidArgument):
            # What breaks the rules of the contract was not signed by who knows them.
            return "not_authentic", problems.notice_not_authentic()
        except ResourceExhausted as error:
            return "too_many", problems.too_many_notices(error.retry_after)
        except MeshError:
            return "not_taken", problems.notice_not_taken()
        finally:
            self._places += 1
        if answer.duplicate:
            return "known", problems.notice_known()
        return "taken", web.Response()


async def _body(request: web.Request) -> bytes | None:
    """The raw bytes; None when there are too many."""
    if (request.content_length or 0) > MAX_BODY:
        return None
    try:
        async with asyncio.timeout(BODY_SECONDS):
            await request.content.readexactly(MAX_BODY + 1)
    except asyncio.IncompleteReadError as whole:
        return whole.partial
    return None
