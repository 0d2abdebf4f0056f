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
NOTICES = ("notices", "notices-next")
"""Those that its system signs its notices with: two of them while one is being changed."""


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

    async def of_notices(self, tenant_id: str) -> list[str]:
        """Those that a hotel's notices may be signed with, each as good as another.

        The folder has them in `<hotel>.notices`, one a line. Raises Unavailable SECRET_UNKNOWN
        while they were never read and cannot be.
        """
        if secrets := self._in_folder(f"{tenant_id}.notices"):
            return secrets.split()
        if self._stored is None:
            return []
        found = [await self._stored.of((tenant_id, name)) for name in NOTICES]
        return [one for one in found if one]

    def _in_folder(self, name: str) -> str:
        if self._folder is None or "/" in name or name.startswith("."):
            return ""
        try:
            return (self._folder / name).read_text().strip()
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
