"""Which token a number is sent from with: its hotel's own, or the installation's."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence, Set
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conserje.tenant.v1.credential_pb2 import CREDENTIAL_KIND_ACCESS_TOKEN, CredentialChange
from conserje.tenant.v1.credential_service_pb2 import ReadAccessTokenRequest
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import SecretStr

from copies.credentials import follow
from meshkit.clock import Clock
from meshkit.errors import MeshError, NotFound, Unavailable, Unimplemented
from meshkit.watch import WatchMetrics

if TYPE_CHECKING:
    from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceAsyncStub

MOST_KEPT = 8192
"""Numbers; beyond, the one that was not sent from for the longest is read anew."""
KEEP_SECONDS = 300.0
"""After so long a token is read anew, whatever was told: what was missed heals by itself."""
JITTER = 0.1
AGAIN_SECONDS = 2.0
"""When to ask again for a token that could not be read; the last known goes on meanwhile."""
READ_SECONDS = 2.0
RESULTS = ("own", "installation", "failed")

Key = tuple[str, str]
"""A hotel and one of its numbers."""


@dataclass(slots=True)
class _Kept:
    """A token, or that there is none but the installation's; good until a moment."""

    token: str | None = field(repr=False)
    until: float


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
        self._stub = stub
        self._installation = installation.get_secret_value()
        self._clock = clock
        self._changed: Callable[[Set[str]], None] = lambda _: None
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._reading: dict[Key, asyncio.Task[str | None]] = {}
        self._changes = 0
        follower = follow(stub, self, clock=clock, watches=watches)
        self.follow = follower.run
        self._declare(registry)

    def on_change(self, changed: Callable[[Set[str]], None]) -> None:
        """`changed` is told the hotels whose tokens are others now."""
        self._changed = changed

    async def of(self, tenant_id: str, phone_number_id: str) -> str:
        """The token to send with.

        Raises `Unavailable` TOKEN_UNKNOWN when it was never read and cannot be now: another
        token than the hotel's own would have its messages refused for good.
        """
        key = (tenant_id, phone_number_id)
        kept = self._kept.get(key)
        if kept is None or kept.until <= self._clock.monotonic():
            token = await self._read_once(key)
        else:
            self._kept.move_to_end(key)
            token = kept.token
        return self._installation if token is None else token

    def refused(self, tenant_id: str, phone_number_id: str) -> None:
        """The Graph API does not take the token: the next message asks for it again."""
        if (kept := self._kept.get((tenant_id, phone_number_id))) is not None:
            kept.until = 0.0

    async def replace(self, _version: int, _items: Sequence[CredentialChange]) -> None:
        """Anything may have changed."""
        self._changes += 1
        for kept in self._kept.values():
            kept.until = 0.0

    def change(self, _version: int, items: Sequence[CredentialChange]) -> None:
        """These have changed."""
        hotels = {one.tenant_id for one in items if one.kind == CREDENTIAL_KIND_ACCESS_TOKEN}
        if not hotels:
            return
        self._changes += 1
        for (tenant_id, _), kept in self._kept.items():
            if tenant_id in hotels:
                kept.until = 0.0
        self._changed(hotels)

    async def _read_once(self, key: Key) -> str | None:
        """What many messages wait for is read once, and in the trace of none of them."""
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._read(key), context=Context())
            self._reading[key] = reading
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    async def _read(self, key: Key) -> str | None:
        request = ReadAccessTokenRequest(tenant_id=key[0], phone_number_id=key[1])
        before = self._changes
        result, token = "own", None
        try:
            answer = await self._stub.ReadAccessToken(request, timeout=READ_SECONDS)
            token = answer.value
        except (NotFound, Unimplemented):
            # A tenant service from before there were tokens keeps none.
            result = "installation"
        except MeshError as error:
            self._reads.labels("failed").inc()
            return self._last_known(key, error)
        self._reads.labels(result).inc()
        seconds = KEEP_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)
        # What was read while something changed may be from before: it serves once.
        self._keep(key, token, seconds if before == self._changes else 0.0)
        return token

    def _last_known(self, key: Key, error: MeshError) -> str | None:
        kept = self._kept.get(key)
        if kept is None:
            raise Unavailable("TOKEN_UNKNOWN", "The hotel's token cannot be read.") from error
        kept.until = self._clock.monotonic() + AGAIN_SECONDS
        return kept.token

    def _keep(self, key: Key, token: str | None, seconds: float) -> None:
        self._kept[key] = _Kept(token, self._clock.monotonic() + seconds)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _declare(self, registry: CollectorRegistry) -> None:
        Gauge(
            "graph_tokens_kept",
            f"Numbers whose token is in memory; at most {MOST_KEPT}.",
            registry=registry,
        ).set_function(lambda: len(self._kept))
        self._reads = Counter(
            "graph_token_reads",
            "Times a number's token was asked for: its hotel's `own`, the `installation`'s since "
            "there is no other, or `failed`.",
            ["result"],
            registry=registry,
        )
        for result in RESULTS:
            self._reads.labels(result)
