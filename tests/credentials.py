"""What is left of `CredentialService` for those who read tokens."""

from __future__ import annotations

from typing import Any

from conserje.tenant.v1.credential_pb2 import CREDENTIAL_KIND_ACCESS_TOKEN, CredentialChange
from conserje.tenant.v1.credential_service_pb2 import (
    ReadAccessTokenRequest,
    ReadAccessTokenResponse,
    WatchCredentialsRequest,
    WatchCredentialsResponse,
)
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceServicer

from meshkit.errors import NotFound, Unavailable, Unimplemented
from meshkit.watch import NOTHING, History


class Kept(CredentialServiceServicer):
    """The hotels' tokens that are set, told to whoever follows; nothing while it is `away`."""

    def __init__(self) -> None:
        self.away = False
        self.reads: list[tuple[str, str]] = []
        self._tokens: dict[str, str] = {}
        self._history: History[CredentialChange] = History(kept=100, heartbeat_seconds=0.05)

    def set(self, tenant_id: str, token: str) -> None:
        """A hotel has a token, or another one."""
        self._tokens[tenant_id] = token
        change = CredentialChange(tenant_id=tenant_id, kind=CREDENTIAL_KIND_ACCESS_TOKEN)
        self._history.add(self._history.version + 1, [change])

    async def ReadAccessToken(self, request: ReadAccessTokenRequest, context: Any) -> Any:
        """A hotel's token, whatever the number."""
        self.reads.append((request.tenant_id, request.phone_number_id))
        if self.away:
            raise Unavailable("AWAY")
        if request.tenant_id not in self._tokens:
            raise NotFound("CREDENTIAL_UNKNOWN")
        return ReadAccessTokenResponse(value=self._tokens[request.tenant_id])

    async def WatchCredentials(self, request: WatchCredentialsRequest, context: Any) -> Any:
        """What is set, until it goes away."""
        after = request.after_version if request.HasField("after_version") else NOTHING
        async for part in self._history.watch(after, lambda: (self._history.version, [])):
            if self.away:
                raise Unavailable("AWAY")
            yield WatchCredentialsResponse(
                version=part.version,
                after_version=part.after_version,
                whole=part.whole,
                changes=part.items,
            )

    async def SetCredential(self, request: Any, context: Any) -> Any:
        raise Unimplemented("NOT_HERE")

    RemoveCredential = ListCredentials = SetApp = RemoveApp = ListApps = SetCredential
    SetPortfolio = RemovePortfolio = ListPortfolios = SetCredential
    SetBusinessAccount = RemoveBusinessAccount = ListBusinessAccounts = SetCredential
    ReadAppCredentials = ReadPmsCredential = ListKeys = RotateKeys = SetCredential
