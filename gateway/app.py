"""Puts the gateway together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from aiohttp import web
from conserje.messaging.v1.messaging_service_pb2 import (
    BatchIngestEventsRequest,
    IngestEventRequest,
)
from conserje.messaging.v1.messaging_service_pb2_grpc import MessagingServiceStub
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from copies.directory import Directory
from gateway import problems
from gateway.metrics import GatewayMetrics
from gateway.settings import GatewaySettings, as_keys
from gateway.webhook import MAX_BODY, PATH, Webhook
from meshkit.coalesce import CoalescerMetrics, Limits, rpc_coalescer
from meshkit.kit import Kit
from meshkit.telemetry import current_traceparent
from meshkit.watch import WatchMetrics


async def build(kit: Kit, settings: GatewaySettings) -> None:
    """The webhook over HTTP, in front of one coalescer for the messaging service."""
    stub = kit.channel("messaging", settings.target_messaging, retries=True).stub(
        MessagingServiceStub
    )
    directory = Directory(
        kit.channel("tenant", settings.target_tenant).stub(TenantServiceStub),
        clock=kit.clock,
        registry=kit.registry,
        watches=WatchMetrics(kit.registry),
    )
    kit.worker("directory", directory.run)
    kit.degraded("directory", directory.problem)
    coalescer = rpc_coalescer(
        stub.BatchIngestEvents,
        BatchIngestEventsRequest,
        name="ingest",
        tenant_of=partial(owner_of, directory),
        metrics=CoalescerMetrics(kit.registry),
        traceparent=current_traceparent,
        # One is packed while the other commits. With four, batches are half as big, and an item
        # costs messaging and Postgres a fifth to a quarter more.
        limits=Limits(in_flight=2),
    )
    kit.stack.push_async_callback(coalescer.aclose)
    webhook = partial(
        Webhook,
        ingest=coalescer.submit_all,
        tracing=kit.telemetry,
        metrics=GatewayMetrics(kit.registry),
        clock=kit.clock,
    )
    unnamed = webhook(
        secrets=settings.secrets(), verify_token=settings.verify_token.get_secret_value()
    )
    named = {
        app.name: webhook(
            secrets=as_keys(app.app_secrets), verify_token=app.verify_token.get_secret_value()
        )
        for app in settings.apps
    }
    _tell_what_is_missing(kit, settings)
    kit.http(application(unnamed, named), settings.http_listen)


def application(unnamed: Webhook, named: Mapping[str, Webhook]) -> web.Application:
    """The HTTP application: an address for each app and nothing else."""

    async def handle_named(request: web.Request) -> web.Response:
        webhook = named.get(request.match_info["app"])
        return problems.not_found() if webhook is None else await webhook.handle(request)

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", PATH, unnamed.handle)
    app.router.add_route("*", PATH + "/{app}", handle_named)
    app.router.add_route("*", "/{rest:.*}", _nothing)
    return app


async def _nothing(_request: web.Request) -> web.Response:
    return problems.not_found()


def owner_of(directory: Directory, item: IngestEventRequest) -> str:
    """The hotel with all its numbers, none of which may fill the queue alone.

    A number that is no hotel's in this process's copy stands for itself. Nothing is refused
    for that: whose an item is, messaging decides.
    """
    number = item.event.phone_number_id
    record = directory.find(number)
    return number if record is None else record.tenant_id


def _tell_what_is_missing(kit: Kit, settings: GatewaySettings) -> None:
    """Ready with the secret of any app; an app that lacks something is told beside."""
    some_secret = settings.app_secrets or [app for app in settings.apps if app.app_secrets]
    kit.ready("app_secrets", lambda: _missing(some_secret, "APP_SECRETS"))
    if settings.app_secrets or not settings.apps:
        kit.degraded("verify_token", lambda: _missing(settings.verify_token, "VERIFY_TOKEN"))
    incomplete = [app.name for app in settings.apps if not (app.app_secrets and app.verify_token)]
    kit.degraded("apps", lambda: _incomplete(incomplete))


def _missing(secret: object, field: str) -> str | None:
    return None if secret else f"CONSERJE_GATEWAY_{field} is not set."


def _incomplete(names: Sequence[str]) -> str | None:
    if not names:
        return None
    return f"CONSERJE_GATEWAY_APPS has no secret or no token for {', '.join(names)}."
