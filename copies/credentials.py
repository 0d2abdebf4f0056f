"""Secrets that a process uses: read when needed, kept as new as the tenant service tells."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conserje.tenant.v1.credential_pb2 import CredentialChange, CredentialKind
from conserje.tenant.v1.credential_service_pb2 import WatchCredentialsRequest
from prometheus_client import Counter

from meshkit.clock import Clock
from meshkit.errors import MeshError, NotFound, Unavailable, Unimplemented
from meshkit.waiting import jittered
from meshkit.watch import NOTHING, Copy, Follower, Part, WatchMetrics

if TYPE_CHECKING:
    from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceAsyncStub

MOST_KEPT = 8192
"""Beyond, the one that was not used for the longest is read anew."""
KEEP_SECONDS = 300.0
"""After so long a secret is read anew, whatever was told: what was missed heals by itself."""
AGAIN_SECONDS = 2.0
"""When to ask again for what could not be read; the last known goes on meanwhile."""
READ_SECONDS = 2.0
OWN, NONE, FAILED = RESULTS = ("own", "none", "failed")

Key = tuple[str, str]
"""A hotel, and which of its secrets."""
Read = Callable[[Key, float], Awaitable[str]]
"""Asks the tenant service for a secret, within so many seconds."""


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


@dataclass(slots=True)
class _Kept:
    """A secret, or that there is none; good until a moment."""

    secret: str | None = field(repr=False)
    until: float


class Secrets:
    """Secrets of one kind, those that are used."""

    def __init__(
        self,
        kind: CredentialKind.ValueType,
        read: Read,
        stub: CredentialServiceAsyncStub,
        *,
        clock: Clock,
        watches: WatchMetrics,
        reads: Counter,
    ) -> None:
        """`reads` counts by `result`: `own`, `none`, `failed`."""
        self._kind = kind
        self._read_one = read
        self._clock = clock
        self._reads = reads
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._reading: dict[Key, asyncio.Task[str | None]] = {}
        self._changes = 0
        self._changed: Callable[[Set[str]], None] = lambda _: None
        self.follow = follow(stub, self, clock=clock, watches=watches).run
        for result in RESULTS:
            reads.labels(result)

    def on_change(self, changed: Callable[[Set[str]], None]) -> None:
        """`changed` is told the hotels whose secrets are others now."""
        self._changed = changed

    @property
    def size(self) -> int:
        """How many are kept."""
        return len(self._kept)

    async def of(self, key: Key) -> str | None:
        """The secret; None when there is none.

        Raises `Unavailable` SECRET_UNKNOWN when it was never read and cannot be now.
        """
        kept = self._kept.get(key)
        if kept is None or kept.until <= self._clock.monotonic():
            return await self._read_once(key)
        self._kept.move_to_end(key)
        return kept.secret

    def doubt(self, key: Key) -> None:
        """It was refused where it was used: it is read anew when it is needed next."""
        if (kept := self._kept.get(key)) is not None:
            kept.until = 0.0

    async def replace(self, _version: int, _items: Sequence[CredentialChange]) -> None:
        """Anything may have changed."""
        self._changes += 1
        for kept in self._kept.values():
            kept.until = 0.0

    def change(self, _version: int, items: Sequence[CredentialChange]) -> None:
        """These have changed."""
        hotels = {one.tenant_id for one in items if one.kind == self._kind}
        if not hotels:
            return
        self._changes += 1
        for (tenant_id, _), kept in self._kept.items():
            if tenant_id in hotels:
                kept.until = 0.0
        self._changed(hotels)

    async def _read_once(self, key: Key) -> str | None:
        """What many wait for is read once, and in the trace of none of them."""
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._read(key), context=Context())
            self._reading[key] = reading
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    async def _read(self, key: Key) -> str | None:
        before = self._changes
        result, secret = OWN, None
        try:
            secret = await self._read_one(key, READ_SECONDS)
        except (NotFound, Unimplemented):
            # A tenant service from before there were secrets keeps none.
            result = NONE
        except MeshError as error:
            self._reads.labels(FAILED).inc()
            return self._last_known(key, error)
        self._reads.labels(result).inc()
        seconds = jittered(KEEP_SECONDS)
        # What was read while something changed may be from before: it serves once.
        self._keep(key, secret, seconds if before == self._changes else 0.0)
        return secret

    def _last_known(self, key: Key, error: MeshError) -> str | None:
        kept = self._kept.get(key)
        if kept is None:
            raise Unavailable("SECRET_UNKNOWN", "The hotel's secret cannot be read.") from error
        kept.until = self._clock.monotonic() + AGAIN_SECONDS
        return kept.secret

    def _keep(self, key: Key, secret: str | None, seconds: float) -> None:
        self._kept[key] = _Kept(secret, self._clock.monotonic() + seconds)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
