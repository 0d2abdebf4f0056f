"""What hotels' own systems want to see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conserje.tenant.v1.credential_pb2 import CREDENTIAL_KIND_PMS
from conserje.tenant.v1.credential_service_pb2 import ReadPmsCredentialRequest
from prometheus_client import CollectorRegistry, Counter

from copies.credentials import Key, Secrets
from meshkit.clock import Clock
from meshkit.errors import Unavailable
from meshkit.watch import WatchMetrics

if TYPE_CHECKING:
    from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceAsyncStub

NAME = "main"
"""What the secret is called where hotels have one system: `conserje token set HOTEL --pms main`."""


class PmsSecrets:
    """A hotel's secret: that of the folder, else that which is stored; the folder holds."""

    def __init__(self, folder: Path | None, stored: Secrets | None = None) -> None:
        """Without `stored` there are those of the folder alone."""
        self._folder = folder
        self._stored = stored

    async def of(self, tenant_id: str) -> str:
        """The secret; empty without one, or while it cannot be read: its system then refuses."""
        if secret := self._in_folder(tenant_id):
            return secret
        if self._stored is None:
            return ""
        try:
            return await self._stored.of((tenant_id, NAME)) or ""
        except Unavailable:
            return ""

    def _in_folder(self, tenant_id: str) -> str:
        if self._folder is None or "/" in tenant_id or tenant_id.startswith("."):
            return ""
        try:
            return (self._folder / tenant_id).read_text().strip()
        except OSError:
            return ""


def stored_secrets(
    stub: CredentialServiceAsyncStub,
    *,
    clock: Clock,
    registry: CollectorRegistry,
    watches: WatchMetrics,
) -> Secrets:
    """Those that the tenant service keeps."""

    async def read(key: Key, seconds: float) -> str:
        request = ReadPmsCredentialRequest(tenant_id=key[0], name=key[1])
        value: str = (await stub.ReadPmsCredential(request, timeout=seconds)).value
        return value

    reads = Counter(
        "pms_secret_reads",
        "Times the secret of a hotel's own system was asked for, by what came of it: "
        "`own`, `none`, or `failed`.",
        ["result"],
        registry=registry,
    )
    return Secrets(CREDENTIAL_KIND_PMS, read, stub, clock=clock, watches=watches, reads=reads)
