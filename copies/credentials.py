"""Which secrets change, for who keeps some of them in memory. What they are, he reads himself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from conserje.tenant.v1.credential_pb2 import CredentialChange
from conserje.tenant.v1.credential_service_pb2 import WatchCredentialsRequest

from meshkit.clock import Clock
from meshkit.watch import NOTHING, Copy, Follower, Part, WatchMetrics

if TYPE_CHECKING:
    from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceAsyncStub


def follow(
    stub: CredentialServiceAsyncStub,
    copy: Copy[CredentialChange],
    *,
    clock: Clock,
    watches: WatchMetrics,
) -> Follower[CredentialChange]:
    """Tells `copy` what has changed; replaced by nothing, it must read anew whatever it has."""

    async def opened(after_version: int) -> AsyncIterator[Part[CredentialChange]]:
        request = WatchCredentialsRequest()
        if after_version != NOTHING:
            request.after_version = after_version
        async for message in stub.WatchCredentials(request):
            yield Part(message.version, message.after_version, message.changes, message.whole)

    return Follower("credentials", opened=opened, copy=copy, clock=clock, metrics=watches)
