"""Secrets in and out: encrypted on their way in, counted on their way to who uses them."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from meshkit.errors import MeshError
from services.tenant.accounts.store import AccountStore
from services.tenant.credentials.domain import (
    App,
    AppSecrets,
    Key,
    Kind,
    Ref,
    Renewal,
    Secret,
    Stored,
)
from services.tenant.credentials.keys import Keys
from services.tenant.credentials.metrics import CredentialMetrics
from services.tenant.credentials.store import CredentialStore, Row

log = structlog.get_logger()


class Vault:
    """The only place where a secret is in the clear, and never for longer than one call."""

    def __init__(
        self,
        store: CredentialStore,
        accounts: AccountStore,
        keys: Keys,
        metrics: CredentialMetrics,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._keys = keys
        self._metrics = metrics

    async def set(self, ref: Ref, value: str) -> Stored:
        """Set a secret; errors are those of the store and of the keys."""
        ref.check_new(value)
        return await self._store.set(ref, self._keys.seal(ref, value))

    async def access_token(self, tenant_id: str, phone_number_id: str) -> Secret:
        """The token of a number; raises `NotFound` CREDENTIAL_UNKNOWN."""
        with self._metrics.reading(Kind.ACCESS_TOKEN):
            return self._opened(await self._store.token(tenant_id, phone_number_id))

    async def pms(self, tenant_id: str, name: str) -> Secret:
        """A PMS's credential; raises `NotFound` CREDENTIAL_UNKNOWN."""
        with self._metrics.reading(Kind.PMS):
            return self._opened(await self._store.pms(tenant_id, name))

    async def named_apps(self, names: Sequence[str]) -> list[AppSecrets]:
        """The secrets of those of the apps that there are."""
        return await self.of_apps(await self._store.named_apps(names))

    async def of_apps(self, apps: Sequence[App]) -> list[AppSecrets]:
        """The secrets of apps; one that does not open does not keep the others back."""
        found: dict[str, list[Row]] = {app.app_name: [] for app in apps}
        for row in await self._store.of_apps(list(found)):
            found[row.stored.ref.app_name].append(row)
        accounts = await self._accounts.of_apps(list(found))
        return [self._app(name, rows, accounts.get(name, ())) for name, rows in found.items()]

    def _app(self, app_name: str, rows: Sequence[Row], accounts: Sequence[str]) -> AppSecrets:
        opened: dict[Kind, list[str]] = {Kind.APP_SECRET: [], Kind.VERIFY_TOKEN: []}
        failed = False
        for row in rows:
            kind = row.stored.ref.kind
            try:
                with self._metrics.reading(kind):
                    opened[kind].append(self._keys.open(row.stored.ref, row.sealed))
            except MeshError as error:
                failed = True
                log.warning("secret not opened", key_id=row.sealed.key_id, reason=error.reason)
        token = "".join(opened[Kind.VERIFY_TOKEN])
        return AppSecrets(
            app_name=app_name,
            secrets=opened[Kind.APP_SECRET],
            verify_token=token,
            incomplete=failed,
            account_ids=accounts,
        )

    def _opened(self, row: Row) -> Secret:
        return Secret(row.stored, self._keys.open(row.stored.ref, row.sealed))

    async def keys(self) -> list[Key]:
        """The keys that are here or that secrets are under."""
        self._keys.refresh()
        counts = await self._store.count_by_key()
        present = self._keys.key_ids
        newest = present[-1] if present else ""
        return [
            Key(one, one in present, one == newest, counts.get(one, 0))
            for one in sorted({*present, *counts})
        ]

    async def renew(self, after: int, count: int) -> Renewal:
        """Encrypt up to `count` secrets under the newest key, those after the one with that id."""
        self._keys.refresh()
        newest = self._keys.newest
        async with self._store.stale(newest, after, count) as (rows, connection):
            renewed = [one for row in rows if (one := self._renewed(row)) is not None]
            await self._store.renew(connection, newest, renewed)
        return Renewal(
            renewed=len(renewed),
            failed=len(rows) - len(renewed),
            newest=newest,
            next_after=rows[-1].stored.credential_id if len(rows) == count else None,
        )

    def _renewed(self, row: Row) -> tuple[int, bytes] | None:
        """Itself under the newest key; None when it does not open."""
        ref = row.stored.ref
        try:
            sealed = self._keys.seal(ref, self._keys.open(ref, row.sealed))
        except MeshError as error:
            log.warning("secret not renewed", key_id=row.sealed.key_id, reason=error.reason)
            return None
        return row.stored.credential_id, sealed.ciphertext
