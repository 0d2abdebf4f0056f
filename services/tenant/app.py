"""The tenant service, put together."""

from __future__ import annotations

from conserje.audit.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from conserje.tenant.v1.credential_service_pb2_grpc import (
    add_CredentialServiceServicer_to_server,
)
from conserje.tenant.v1.tenant_service_pb2_grpc import add_TenantServiceServicer_to_server

from meshkit.kit import Kit
from meshkit.postgres import Postgres
from services.audit.servicer import SERVICE as AUDIT_SERVICE
from services.audit.servicer import AuditServicer
from services.audit.store import AuditStore
from services.tenant.accounts.store import AccountStore
from services.tenant.changes import Changes
from services.tenant.credentials import servicer as credentials
from services.tenant.credentials.feed import Feed
from services.tenant.credentials.keys import Keys
from services.tenant.credentials.metrics import CredentialMetrics
from services.tenant.credentials.store import CredentialStore
from services.tenant.credentials.vault import Vault
from services.tenant.domain import Directory
from services.tenant.hotels.import_store import ImportStore
from services.tenant.hotels.store import HotelStore
from services.tenant.identifiers.store import IdentifierStore
from services.tenant.listener import Listener
from services.tenant.metrics import TenantMetrics
from services.tenant.refresh import Refresher
from services.tenant.servicer import SERVICE, TenantServicer
from services.tenant.settings import TenantSettings
from services.tenant.store import TenantStore

UNHEARD_SECONDS = 5.0
"""Beyond the pause between two questions to the database; then answers may be old."""


async def build(kit: Kit, settings: TenantSettings) -> None:
    """Ready with a directory in memory, whether Postgres is there or not."""
    directory = Directory(kit.clock)
    changes = Changes(directory)
    metrics = TenantMetrics(kit.registry, directory, changes)
    postgres = await kit.postgres(settings.database_url, required=False)
    refresher = Refresher(
        store=TenantStore(postgres),
        directory=directory,
        changes=changes,
        metrics=metrics,
        clock=kit.clock,
        poll_seconds=settings.poll_seconds,
        reload_seconds=settings.reload_seconds,
    )
    await refresher.refresh()
    feed = await _credentials(kit, settings, postgres)

    def heard() -> None:
        refresher.look()
        feed.look()

    listener = Listener(settings.database_url.get_secret_value(), heard)
    kit.worker("refresh", refresher.run)
    kit.worker("listen", listener.run)
    kit.degraded("directory_changes", listener.problem)
    kit.ready("directory", directory.problem)
    stale_seconds = settings.poll_seconds + UNHEARD_SECONDS
    kit.degraded("directory", lambda: directory.staleness(stale_seconds))
    servicer = TenantServicer(
        directory,
        HotelStore(postgres),
        IdentifierStore(postgres),
        ImportStore(postgres),
        metrics,
        changes,
        refresher.look,
    )
    kit.grpc(add_TenantServiceServicer_to_server, servicer, SERVICE)
    kit.grpc(add_AuditServiceServicer_to_server, AuditServicer(AuditStore(postgres)), AUDIT_SERVICE)


async def _credentials(kit: Kit, settings: TenantSettings, postgres: Postgres) -> Feed:
    """Secrets, beside the directory: neither needs the other."""
    store = CredentialStore(postgres)
    keys = Keys(settings.keys_folder)
    feed = Feed(store, settings.poll_seconds)
    await feed.refresh()
    accounts = AccountStore(postgres)
    vault = Vault(store, accounts, keys, CredentialMetrics(kit.registry))
    servicer = credentials.CredentialServicer(store, accounts, vault, feed)
    kit.worker("keys", keys.follow)
    kit.worker("credential changes", feed.run)
    kit.degraded("keys", keys.problem)
    kit.grpc(add_CredentialServiceServicer_to_server, servicer, credentials.SERVICE)
    return feed
