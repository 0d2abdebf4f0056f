"""Puts the gateway together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial

from aiohttp import web
from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceStub
from conserje.messaging.v1.messaging_service_pb2 import (
    BatchIngestEventsRequest,
    IngestEventRequest,
)
from conserje.messaging.v1.messaging_service_pb2_grpc import MessagingServiceStub
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceStub
from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceStub

from copies.directory import Directory
from gateway import problems
from gateway.apps import App, StoredApps
from gateway.metrics import GatewayMetrics
from gateway.notices import PATH as NOTICES_PATH
from gateway.notices import NoticeEntrance
from gateway.settings import APP_NAME, GatewaySettings, as_keys
from gateway.webhook import MAX_BODY, PATH, Webhook
from meshkit.coalesce import CoalescerMetrics, Limits, rpc_coalescer
from meshkit.kit import Kit
from meshkit.telemetry import current_traceparent
from meshkit.watch import WatchMetrics


async def build(kit: Kit, settings: GatewaySettings) -> None:
    """The webhook over HTTP, in front of one coalescer for the messaging service.

    Beside it stands the entrance for what hotels' own systems tell.
    """
    stub = kit.channel("messaging", settings.target_messaging, retries=True).stub(
        MessagingServiceStub
    )
    tenant = kit.channel("tenant", settings.target_tenant)
    watches = WatchMetrics(kit.registry)
    directory = Directory(
        tenant.stub(TenantServiceStub), clock=kit.clock, registry=kit.registry, watches=watches
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
    metrics = GatewayMetrics(kit.registry)
    webhook = partial(
        Webhook,
        ingest=coalescer.submit_all,
        tracing=kit.telemetry,
        metrics=metrics,
        clock=kit.clock,
    )
    addresses = Addresses(webhook, settings)
    stored = StoredApps(
        tenant.stub(CredentialServiceStub),
        clock=kit.clock,
        registry=kit.registry,
        watches=watches,
        changed=addresses.be_stored,
    )
    kit.worker("apps", stored.run)
    kit.worker("app changes", stored.follow)
    kit.degraded("stored_apps", stored.problem)
    _tell_what_is_missing(kit, settings, stored)
    notices = NoticeEntrance(
        kit.channel("booking", settings.target_booking, retries=True).stub(PmsServiceStub),
        tracing=kit.telemetry,
        metrics=metrics,
    )
    kit.http(application(addresses, notices), settings.http_listen)


class Addresses:
    """A webhook for each app: those of the environment, and those that are stored.

    What the environment says of an app's secrets holds, whatever is stored under its name: it
    is there from the start, and nobody changes it from afar.
    """

    def __init__(self, webhook: Callable[..., Webhook], settings: GatewaySettings) -> None:
        self._webhook = webhook
        self._apps: Mapping[str, App] | None = None
        self._app_of_account: Mapping[str, str] = {}
        self.unnamed = self._at(
            "", App(settings.secrets(), settings.verify_token.get_secret_value())
        )
        self._named = {
            app.name: self._at(
                app.name, App(as_keys(app.app_secrets), app.verify_token.get_secret_value())
            )
            for app in settings.apps
        }
        self._stored: Mapping[str, Webhook] = {}
        self._unknown_yet = self._at("", App((), ""))

    def be_stored(self, apps: Mapping[str, App]) -> None:
        """These are stored now, and no others."""
        self._apps = apps
        self._stored = {name: self._at(name, app) for name, app in apps.items()}
        self._app_of_account = {
            account_id: name for name, app in apps.items() for account_id in app.account_ids
        }

    def may_bring(self, name: str, account_id: str) -> bool:
        """Whether what is of that business account may come by an app; "" is the unnamed one.

        An account that is some app's comes by that one alone, and an app that has accounts
        brings no others: whoever knows an app's secret signs for its own hotels only.
        """
        owner = self._app_of_account.get(account_id)
        if owner is not None:
            return owner == name
        app = (self._apps or {}).get(name)
        return app is None or not app.account_ids

    def _at(self, name: str, app: App) -> Webhook:
        return self._webhook(
            secrets=app.secrets,
            verify_token=app.verify_token,
            may_bring=partial(self.may_bring, name),
        )

    def find(self, name: str) -> Webhook | None:
        """The webhook of an app; None when there is none.

        Before it is known which apps are stored, one that may be takes nothing and says so.
        """
        if (named := self._named.get(name)) is not None:
            return named
        if self._apps is not None:
            return self._stored.get(name)
        return self._unknown_yet if APP_NAME.fullmatch(name) else None


def application(addresses: Addresses, notices: NoticeEntrance) -> web.Application:
    """The HTTP application: an address for each app, one for each hotel's own system, no other."""

    async def handle_named(request: web.Request) -> web.Response:
        webhook = addresses.find(request.match_info["app"])
        return problems.not_found() if webhook is None else await webhook.handle(request)

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", PATH, addresses.unnamed.handle)
    app.router.add_route("*", PATH + "/{app}", handle_named)
    app.router.add_route("*", NOTICES_PATH, notices.handle)
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


def _tell_what_is_missing(kit: Kit, settings: GatewaySettings, stored: StoredApps) -> None:
    """Ready with the secret of any app; an app that lacks something is told beside."""
    some_secret = settings.app_secrets or [app for app in settings.apps if app.app_secrets]
    kit.ready("app_secrets", lambda: None if some_secret else stored.nothing_known())
    if settings.app_secrets or not settings.apps:
        kit.degraded("verify_token", lambda: _missing_token(settings))
    incomplete = [app.name for app in settings.apps if not (app.app_secrets and app.verify_token)]
    kit.degraded("apps", lambda: _incomplete([*incomplete, *stored.unusable()]))
    named = {app.name for app in settings.apps}
    kit.degraded("apps_said_twice", lambda: _said_twice(named & stored.names))


def _missing_token(settings: GatewaySettings) -> str | None:
    return None if settings.verify_token else "CONSERJE_GATEWAY_VERIFY_TOKEN is not set."


def _incomplete(names: Sequence[str]) -> str | None:
    return f"There is no secret or no verify token for {', '.join(names)}." if names else None


def _said_twice(names: Set[str]) -> str | None:
    """Nothing is wrong, but who changes what is stored should know that it does not count."""
    if not names:
        return None
    return f"CONSERJE_GATEWAY_APPS holds, not what is stored, for {', '.join(sorted(names))}."
