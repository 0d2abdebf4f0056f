"""The Meta apps that the tenant service keeps the secrets of, in this process's memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from conserje.tenant.v1.credential_pb2 import (
    AppCredentials,
    CredentialChange,
)
from conserje.tenant.v1.credential_service_pb2 import ReadAppCredentialsRequest
from prometheus_client import CollectorRegistry, Gauge

from copies.credentials import follow
from meshkit.clock import Clock
from meshkit.errors import MeshError
from meshkit.waiting import first_of, jittered
from meshkit.watch import WatchMetrics

if TYPE_CHECKING:
    from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceAsyncStub

PAGE_SIZE = MOST_NAMED = 20
"""Apps in one answer, each with up to 10,000 accounts: below the bound of a message."""
RELOAD_SECONDS = 300.0
"""All is read anew so often, whatever was told: what was missed heals by itself."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class App:
    """What proves that a webhook is an app's."""

    secrets: tuple[bytes, ...] = field(repr=False)
    verify_token: str = field(repr=False)
    account_ids: frozenset[str] = frozenset()
    """The business accounts that are its own."""


class StoredApps:
    """All apps by name, as new as the tenant service tells; without it the last known go on."""

    def __init__(
        self,
        stub: CredentialServiceAsyncStub,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        watches: WatchMetrics,
        changed: Callable[[Mapping[str, App]], None],
    ) -> None:
        """`changed` is given all of them whenever one is another."""
        self.loaded = False
        self._stub = stub
        self._changed = changed
        self._apps: dict[str, App] = {}
        self._all_due = True
        self._due: set[str] = set()
        self._told = asyncio.Event()
        self._follower = follow(stub, self, clock=clock, watches=watches)
        self.follow = self._follower.run
        Gauge(
            "gateway_stored_apps",
            "Meta apps whose secrets came from the tenant service.",
            registry=registry,
        ).set_function(lambda: len(self._apps))

    def problem(self) -> str | None:
        """What is wrong with the copy; None while it follows."""
        if not self.loaded:
            return "The apps' secrets have not come from the tenant service yet."
        if self._follower.stale():
            age = self._follower.age()
            return f"The apps' secrets are a copy {age:.0f} s old: their changes do not come."
        return None

    @property
    def names(self) -> Set[str]:
        """All that are stored."""
        return self._apps.keys()

    def nothing_known(self) -> str | None:
        """Why no webhook at all can be taken by what is stored; None when one can."""
        if any(app.secrets for app in self._apps.values()):
            return None
        return "CONSERJE_GATEWAY_APP_SECRETS is not set, and no app's secret is stored."

    def unusable(self) -> list[str]:
        """Apps that lack a secret or a verify token."""
        return [name for name, app in self._apps.items() if not (app.secrets and app.verify_token)]

    async def replace(self, _version: int, _items: Sequence[CredentialChange]) -> None:
        """Anything may have changed."""
        self._all_due = True
        self._told.set()

    def change(self, _version: int, items: Sequence[CredentialChange]) -> None:
        """These have changed."""
        names = {one.app_name for one in items if one.app_name}
        if names:
            self._due |= names
            self._told.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Read what is due, until `stopping` is set."""
        pause = FIRST_PAUSE
        while not stopping.is_set():
            # Before the reading: what is told during it is read afterwards.
            self._told.clear()
            try:
                await self._read_due()
            except MeshError as error:
                log.info("apps not read", reason=error.reason)
                await first_of(stopping, seconds=pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            await first_of(stopping, self._told, seconds=jittered(RELOAD_SECONDS))
            self._all_due |= not self._told.is_set()

    async def _read_due(self) -> None:
        """What is told while it is read, is due again afterwards."""
        all_due, names = self._all_due, self._due
        self._all_due, self._due = False, set()
        try:
            if all_due or len(names) > MOST_NAMED:
                await self._read_all()
            elif names:
                await self._read_named(names)
        except MeshError:
            self._all_due |= all_due
            self._due |= names
            raise

    async def _read_named(self, names: set[str]) -> None:
        request = ReadAppCredentialsRequest(app_names=sorted(names))
        answer = await self._stub.ReadAppCredentials(request)
        others = {name: app for name, app in self._apps.items() if name not in names}
        self._take({**others, **self._of(answer.apps)})

    async def _read_all(self) -> None:
        found: dict[str, App] = {}
        request = ReadAppCredentialsRequest(page_size=PAGE_SIZE)
        while True:
            page = await self._stub.ReadAppCredentials(request)
            found |= self._of(page.apps)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        self.loaded = True
        self._take(found)

    def _of(self, messages: Sequence[AppCredentials]) -> dict[str, App]:
        return {one.app_name: self._app(one) for one in messages}

    def _app(self, message: AppCredentials) -> App:
        """The app; one that could not be decrypted whole stays as it was known."""
        known = self._apps.get(message.app_name)
        if message.incomplete and known is not None:
            return known
        return App(
            secrets=tuple(secret.encode() for secret in message.app_secrets),
            verify_token=message.verify_token,
            account_ids=frozenset(message.whatsapp_business_account_ids),
        )

    def _take(self, apps: dict[str, App]) -> None:
        if apps != self._apps:
            log.info("apps changed", count=len(apps))
        self._apps = apps
        self._changed(apps)
