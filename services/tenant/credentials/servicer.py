"""The RPCs about secrets: protobuf in, protobuf out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from conserje.tenant.v1.credential_service_pb2 import (
    ListAppsRequest,
    ListAppsResponse,
    ListCredentialsRequest,
    ListCredentialsResponse,
    ListKeysRequest,
    ListKeysResponse,
    ReadAccessTokenRequest,
    ReadAccessTokenResponse,
    ReadAppCredentialsRequest,
    ReadAppCredentialsResponse,
    ReadPmsCredentialRequest,
    ReadPmsCredentialResponse,
    RemoveAppRequest,
    RemoveAppResponse,
    RemoveCredentialRequest,
    RemoveCredentialResponse,
    RotateKeysRequest,
    RotateKeysResponse,
    SetAppRequest,
    SetAppResponse,
    SetCredentialRequest,
    SetCredentialResponse,
    WatchCredentialsRequest,
    WatchCredentialsResponse,
)

from meshkit import pages
from meshkit.watch import NOTHING
from services.tenant.accounts.servicer import AccountServicer
from services.tenant.accounts.store import AccountStore
from services.tenant.credentials import wire
from services.tenant.credentials.feed import Feed
from services.tenant.credentials.store import CredentialStore
from services.tenant.credentials.vault import Vault

SERVICE = "conserje.tenant.v1.CredentialService"
ROTATED, MOST_ROTATED = 100, 500

Context = grpc.aio.ServicerContext[Any, Any]


class CredentialServicer(AccountServicer):
    """`conserje.tenant.v1.CredentialService`."""

    def __init__(
        self, store: CredentialStore, accounts: AccountStore, vault: Vault, feed: Feed
    ) -> None:
        super().__init__(accounts)
        self._store = store
        self._vault = vault
        self._feed = feed

    async def SetCredential(
        self, request: SetCredentialRequest, context: Context
    ) -> SetCredentialResponse:
        """One secret, new or in place of another."""
        stored = await self._vault.set(wire.to_ref(request), request.value)
        return SetCredentialResponse(credential=wire.from_stored(stored))

    async def RemoveCredential(
        self, request: RemoveCredentialRequest, context: Context
    ) -> RemoveCredentialResponse:
        """One secret less."""
        ref = wire.to_ref(request)
        ref.check()
        removed = await self._store.remove(ref)
        return RemoveCredentialResponse(credential=wire.from_stored(removed))

    async def ListCredentials(
        self, request: ListCredentialsRequest, context: Context
    ) -> ListCredentialsResponse:
        """A page; one more is read, to know whether there is another."""
        size = pages.page_size(request.page_size)
        found = await self._store.page(
            pages.number_from_token(request.page_token),
            size + 1,
            tenant_id=request.tenant_id,
            app_name=request.app_name,
        )
        response = ListCredentialsResponse(credentials=map(wire.from_stored, found[:size]))
        if len(found) > size:
            response.next_page_token = pages.to_token(found[size - 1].credential_id)
        return response

    async def SetApp(self, request: SetAppRequest, context: Context) -> SetAppResponse:
        """An app made known."""
        app = await self._store.set_app(request.app_name, request.app_id)
        return SetAppResponse(app=wire.from_app(app))

    async def RemoveApp(self, request: RemoveAppRequest, context: Context) -> RemoveAppResponse:
        """An app forgotten."""
        return RemoveAppResponse(app=wire.from_app(await self._store.remove_app(request.app_name)))

    async def ListApps(self, request: ListAppsRequest, context: Context) -> ListAppsResponse:
        """A page of apps."""
        size = pages.page_size(request.page_size)
        found = await self._store.apps(pages.text_from_token(request.page_token), size + 1)
        response = ListAppsResponse(apps=map(wire.from_app, found[:size]))
        if len(found) > size:
            response.next_page_token = pages.to_token(found[size - 1].app_name)
        return response

    async def ReadAppCredentials(
        self, request: ReadAppCredentialsRequest, context: Context
    ) -> ReadAppCredentialsResponse:
        """The secrets of some apps, or a page of those of all."""
        if request.app_names:
            named = await self._vault.named_apps(request.app_names)
            return ReadAppCredentialsResponse(apps=map(wire.from_secrets, named))
        size = pages.page_size(request.page_size)
        found = await self._store.apps(pages.text_from_token(request.page_token), size + 1)
        secrets = await self._vault.of_apps(found[:size])
        response = ReadAppCredentialsResponse(apps=map(wire.from_secrets, secrets))
        if len(found) > size:
            response.next_page_token = pages.to_token(found[size - 1].app_name)
        return response

    async def ReadAccessToken(
        self, request: ReadAccessTokenRequest, context: Context
    ) -> ReadAccessTokenResponse:
        """The token of one number."""
        found = await self._vault.access_token(request.tenant_id, request.phone_number_id)
        return ReadAccessTokenResponse(
            value=found.value, name=found.stored.ref.name, version=found.stored.version
        )

    async def ReadPmsCredential(
        self, request: ReadPmsCredentialRequest, context: Context
    ) -> ReadPmsCredentialResponse:
        """What one PMS wants to see."""
        found = await self._vault.pms(request.tenant_id, request.name)
        return ReadPmsCredentialResponse(value=found.value, version=found.stored.version)

    async def WatchCredentials(
        self, request: WatchCredentialsRequest, context: Context
    ) -> AsyncIterator[WatchCredentialsResponse]:
        """What changes from a version on, for as long as it is listened to."""
        after = request.after_version if request.HasField("after_version") else NOTHING
        async for part in self._feed.watch(after):
            yield wire.from_part(part)

    async def ListKeys(self, request: ListKeysRequest, context: Context) -> ListKeysResponse:
        """A page of keys; there are few."""
        size = pages.page_size(request.page_size, default=pages.LARGEST_SIZE)
        after = pages.text_from_token(request.page_token)
        keys = [key for key in await self._vault.keys() if key.key_id > after]
        response = ListKeysResponse(keys=map(wire.from_key, keys[:size]))
        if len(keys) > size:
            response.next_page_token = pages.to_token(keys[size - 1].key_id)
        return response

    async def RotateKeys(self, request: RotateKeysRequest, context: Context) -> RotateKeysResponse:
        """A page of secrets under the newest key."""
        size = pages.page_size(request.page_size, default=ROTATED, largest=MOST_ROTATED)
        after = pages.number_from_token(request.page_token)
        done = await self._vault.renew(after, size)
        response = RotateKeysResponse(
            renewed_count=done.renewed, failed_count=done.failed, newest_key_id=done.newest
        )
        if done.next_after is not None:
            response.next_page_token = pages.to_token(done.next_after)
        return response
