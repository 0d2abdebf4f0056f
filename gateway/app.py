"""Puts the gateway together."""

from __future__ import annotations

from aiohttp import web
from conserje.messaging.v1.messaging_service_pb2 import (
    BatchIngestEventsRequest,
    IngestEventRequest,
)
from conserje.messaging.v1.messaging_service_pb2_grpc import MessagingServiceStub

from gateway import problems
from gateway.metrics import GatewayMetrics
from gateway.settings import GatewaySettings
from gateway.webhook import MAX_BODY, PATH, Webhook
from meshkit.coalesce import CoalescerMetrics, rpc_coalescer
from meshkit.kit import Kit
from meshkit.telemetry import current_traceparent


async def build(kit: Kit, settings: GatewaySettings) -> None:
    """The webhook over HTTP, in front of one coalescer for the messaging service."""
    stub = kit.channel("messaging", settings.target_messaging, retries=True).stub(
        MessagingServiceStub
    )
    coalescer = rpc_coalescer(
        stub.BatchIngestEvents,
        BatchIngestEventsRequest,
        name="ingest",
        tenant_of=_number_of,
        metrics=CoalescerMetrics(kit.registry),
        traceparent=current_traceparent,
    )
    kit.stack.push_async_callback(coalescer.aclose)
    webhook = Webhook(
        secrets=settings.secrets(),
        verify_token=settings.verify_token.get_secret_value(),
        ingest=coalescer.submit_all,
        tracing=kit.telemetry,
        metrics=GatewayMetrics(kit.registry),
        clock=kit.clock,
    )
    kit.ready("app_secrets", lambda: _missing(settings.app_secrets, "APP_SECRETS"))
    kit.degraded("verify_token", lambda: _missing(settings.verify_token, "VERIFY_TOKEN"))
    kit.http(application(webhook), settings.http_listen)


def application(webhook: Webhook) -> web.Application:
    """The HTTP application: the webhook's address and nothing else."""
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", PATH, webhook.handle)
    app.router.add_route("*", "/{rest:.*}", _nothing)
    return app


async def _nothing(_request: web.Request) -> web.Response:
    return problems.not_found()


def _number_of(item: IngestEventRequest) -> str:
    """No hotel is resolved here, so the number stands for it: none may fill the queue alone."""
    return item.event.phone_number_id


def _missing(secret: object, field: str) -> str | None:
    return None if secret else f"CONSERJE_GATEWAY_{field} is not set."
