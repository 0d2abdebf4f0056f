"""Which token a number is sent from with: its hotel's own, or the installation's."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import TYPE_CHECKING

from conserje.tenant.v1.credential_pb2 import CREDENTIAL_KIND_ACCESS_TOKEN
from conserje.tenant.v1.credential_service_pb2 import ReadAccessTokenRequest
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import SecretStr

from copies.credentials import MOST_KEPT, Key, Secrets
from meshkit.clock import Clock
from meshkit.watch import WatchMetrics

if TYPE_CHECKING:
    from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceAsyncStub


class Tokens:
    """The tokens of numbers in use, as new as the tenant service tells."""

    def __init__(
        self,
        stub: CredentialServiceAsyncStub,
        installation: SecretStr,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        watches: WatchMetrics,
    ) -> None:
        async def read(key: Key, seconds: float) -> str:
            request = ReadAccessTokenRequest(tenant_id=key[0], phone_number_id=key[1])
            value: str = (await stub.ReadAccessToken(request, timeout=seconds)).value
            return value

        self._installation = installation
        reads = Counter(
            "graph_token_reads",
            "Times a number's token was asked for: its hotel's `own`, `none` so that the "
            "installation's is used, or `failed`.",
            ["result"],
            registry=registry,
        )
        self._secrets = Secrets(
            CREDENTIAL_KIND_ACCESS_TOKEN, read, stub, clock=clock, watches=watches, reads=reads
        )
        self.follow = self._secrets.follow
        Gauge(
            "graph_tokens_kept",
            f"Numbers whose token is in memory; at most {MOST_KEPT}.",
            registry=registry,
        ).set_function(lambda: self._secrets.size)

    def on_change(self, changed: Callable[[Set[str]], None]) -> None:
        """`changed` is told the hotels whose tokens are others now."""
        self._secrets.on_change(changed)

    async def of(self, tenant_id: str, phone_number_id: str) -> str:
        """The token to send with.

        Raises `Unavailable` SECRET_UNKNOWN when it was never read and cannot be now: with another
        token than the hotel's own its messages would be refused for good.
        """
        token = await self._secrets.of((tenant_id, phone_number_id))
        return self._installation.get_secret_value() if token is None else token

    def refused(self, tenant_id: str, phone_number_id: str) -> None:
        """The Graph API does not take the token: the next message asks for it again."""
        self._secrets.doubt((tenant_id, phone_number_id))
