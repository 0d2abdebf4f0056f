"""A whole gateway on real sockets, in front of a messaging service that only remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
from conserje.messaging.v1.event_pb2 import InboundEvent
from conserje.messaging.v1.messaging_service_pb2 import (
    BatchIngestEventsRequest,
    BatchIngestEventsResponse,
    IngestEventRequest,
)
from conserje.messaging.v1.messaging_service_pb2_grpc import (
    MessagingServiceServicer,
    add_MessagingServiceServicer_to_server,
)
from google.rpc.status_pb2 import Status
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.app import build
from gateway.settings import GatewaySettings
from gateway.webhook import PATH
from meshkit.kit import Kit
from meshkit.telemetry import Tracing
from meshkit.transport import MAX_MESSAGE_BYTES
from tests import bodies

SECRET = "the-secret-of-the-app"
OLD_SECRET = "the-secret-before"
TOKEN = "the-verify-token"

Key = tuple[int, str, bytes]


def key_of(event: InboundEvent) -> Key:
    """What the messaging service deduplicates by."""
    day = event.event_time.seconds // 86400 if event.HasField("event_time") else -1
    return day, event.phone_number_id, event.item_key


class Messaging(MessagingServiceServicer):
    """Remembers each item once, and fails as told."""

    def __init__(self) -> None:
        self.stored: dict[Key, IngestEventRequest] = {}
        self.arrived = 0
        self.batches: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.busy = asyncio.Event()
        """Set once a batch has come."""
        self.error_of: Callable[[InboundEvent], Status | None] = lambda event: None

    async def BatchIngestEvents(
        self, request: BatchIngestEventsRequest, context: Any
    ) -> BatchIngestEventsResponse:
        """Store the items when the door is open."""
        self.busy.set()
        await self.open.wait()
        self.batches.append(len(request.items))
        response = BatchIngestEventsResponse()
        for item in request.items:
            self._ingest(item, response.results.add())
        return response

    def _ingest(self, item: IngestEventRequest, result: Any) -> None:
        self.arrived += 1
        error = self.error_of(item.event)
        if error is not None:
            result.error.CopyFrom(error)
            return
        key = key_of(item.event)
        result.value.duplicate = key in self.stored
        if key not in self.stored:
            self.stored[key] = IngestEventRequest()
            self.stored[key].CopyFrom(item)

    async def IngestEvent(self, request: Any, context: Any) -> Any:
        """The gateway sends batches only."""
        raise NotImplementedError

    async def TraceMessage(self, request: Any, context: Any) -> Any:
        """The gateway does not ask."""
        raise NotImplementedError

    @property
    def events(self) -> list[InboundEvent]:
        """What is stored."""
        return [item.event for item in self.stored.values()]


class MessagingServer:
    """The messaging service's process: it can be stopped and started on its port."""

    def __init__(self, messaging: Messaging) -> None:
        self._messaging = messaging
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen, again on the same port."""
        server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
            )
        )
        add_MessagingServiceServicer_to_server(self._messaging, server)
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Cut every connection."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None


@dataclass
class Gateway:
    """A running gateway and the ways to it."""

    kit: Kit
    session: aiohttp.ClientSession
    messaging: Messaging
    server: MessagingServer
    spans: InMemorySpanExporter

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.kit.ports['http']}"

    async def get(self, path: str = PATH, **query: str) -> tuple[int, str, str]:
        """The handshake: status, content type, body."""
        params = {f"hub.{name}": value for name, value in query.items()}
        async with self.session.get(self.address + path, params=params) as response:
            return response.status, response.content_type, await response.text()

    async def post(
        self, data: Any, signature: str | None = None, path: str = PATH, **headers: str
    ) -> tuple[int, Mapping[str, str], Any]:
        """A webhook: status, headers, JSON body of a problem."""
        if signature is not None:
            headers["X-Hub-Signature-256"] = signature
        async with self.session.post(self.address + path, data=data, headers=headers) as response:
            raw = await response.read()
            problem = await response.json(content_type=None) if raw else None
            if problem is not None:
                assert response.content_type == "application/problem+json"
                assert problem["status"] == response.status
            return response.status, response.headers, problem

    async def post_signed(self, data: bytes) -> int:
        """An authentic webhook's status."""
        return (await self.post(data, bodies.sign(data, SECRET)))[0]

    def count(self, name: str, **labels: str) -> float:
        """The value of a metric."""
        return self.kit.registry.get_sample_value(name, labels) or 0.0


MakeGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def make_gateway() -> AsyncIterator[MakeGateway]:
    """Starts gateways with settings of the test's choice."""
    async with AsyncExitStack() as stack:

        async def make(**settings: Any) -> Gateway:
            messaging = Messaging()
            server = MessagingServer(messaging)
            await server.start()
            stack.push_async_callback(server.stop)
            spans = InMemorySpanExporter()
            defaults: dict[str, Any] = {
                "app_secrets": (OLD_SECRET, SECRET),
                "verify_token": TOKEN,
                "http_listen": "127.0.0.1:0",
                "target_messaging": f"127.0.0.1:{server.port}",
                "target_tenant": "127.0.0.1:1",
                "target_booking": "127.0.0.1:1",
            }
            chosen = GatewaySettings(**(defaults | settings))
            tracing = Tracing("gateway", ratio=1.0, exporter=spans)
            kit = Kit("gateway", chosen, tracing=tracing)
            await build(kit, chosen)
            await kit.start_ops()
            await kit.start()
            stack.push_async_callback(kit.drain)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Gateway(kit, session, messaging, server, spans)

        yield make


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> Gateway:
    """One gateway, set up as it should be."""
    return await make_gateway()
