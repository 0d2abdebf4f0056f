"""Which hotel has a system of its own, and the guarded adapter that speaks to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from meshkit.clock import Clock
from meshkit.errors import Unavailable
from meshkit.rate_limit import RateLimiter
from services.booking.pms.breaker import READ, WRITE, Breakers, State
from services.booking.pms.generic.adapter import GenericPms
from services.booking.pms.guard import GuardedPms
from services.booking.pms.http import Hosts
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.port import Endpoint, Pms
from services.booking.pms.qloapps.adapter import QloAppsPms
from services.booking.pms.secrets import PmsSecrets
from services.booking.pms.store import DEFAULT_TIER, Connection, Kind, PmsStore

REFRESH_SECONDS = 2.0
"""How soon a changed connection, or a changed secret, is used."""
PARALLEL_WRITES = {Kind.GENERIC: True, Kind.QLOAPPS: False}

MOST_NAMED = 5
"""In the sentence that tells of hotels' systems."""
REFUSED_SECONDS = 900.0
"""For so long a replica tells of a refusal: until somebody has looked."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A hotel with a system of its own."""

    connection: Connection
    pms: Pms


class Connections:
    """All of them, read again every other second; without Postgres, as they were."""

    def __init__(
        self,
        store: PmsStore,
        hosts: Hosts,
        *,
        breakers: Breakers,
        limiter: RateLimiter,
        metrics: PmsMetrics,
        clock: Clock,
        secrets: PmsSecrets,
    ) -> None:
        self._store = store
        self._hosts = hosts
        self._breakers = breakers
        self._limiter = limiter
        self._metrics = metrics
        self._clock = clock
        self._secrets = secrets
        self._known: dict[str, Connected] = {}
        self._left_alone: list[str] = []
        self._refused: dict[str, tuple[str, float]] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def of(self, tenant_id: str) -> Connected | None:
        """The hotel's, or None when Conserje's own inventory is the truth."""
        await self._refresh()
        return self._known.get(tenant_id)

    async def all(self) -> list[Connected]:
        """Every hotel's."""
        await self._refresh()
        return list(self._known.values())

    def outdate(self) -> None:
        """Read them again at the next call."""
        self._read_at = float("-inf")

    async def connect(self, connection: Connection) -> Connected:
        """The guarded adapter for a connection."""
        secret = await self._secrets.of(connection.tenant_id)
        endpoint = Endpoint(connection.base_url, connection.property_id, secret)
        guarded = GuardedPms(
            _adapter(connection.kind, self._hosts, endpoint),
            connection.tenant_id,
            requests_per_second=connection.requests_per_second,
            parallel_writes=PARALLEL_WRITES[connection.kind],
            breakers=self._breakers,
            limiter=self._limiter,
            turns=self._store,
            metrics=self._metrics,
        )
        return Connected(connection, guarded)

    def problem(self) -> str | None:
        """Which hotels' systems are left alone, or refuse what guests book, in sentences."""
        told = []
        if self._left_alone:
            told.append(
                f"The systems of {_named(self._left_alone)} do not answer and are left alone "
                "for a while; `conserje pms check` tells when one is asked again."
            )
        if refused := self._lately_refused():
            told.append(
                f"The systems of {_named(refused)} refused reservations lately; `conserje "
                "reservation show` tells why, `conserje pms check` what does not fit."
            )
        return " ".join(told) or None

    def refused(self, tenant_id: str, reason: str) -> None:
        """A hotel's system would not have a reservation, and not because it was sold out."""
        self._refused[tenant_id] = (reason, self._clock.monotonic())

    def _lately_refused(self) -> list[str]:
        since = self._clock.monotonic() - REFUSED_SECONDS
        self._refused = {
            one: (reason, at)
            for one, (reason, at) in self._refused.items()
            if at > since and one in self._known
        }
        return sorted(f"{one} ({reason})" for one, (reason, _) in self._refused.items())

    async def tell_breakers(self) -> None:
        """Show the worst state of each tier's breakers."""
        # There without any hotel, too: an alert that asks for it finds it.
        worst = {(DEFAULT_TIER, one): State.CLOSED for one in (READ, WRITE)}
        left_alone = set()
        for one in await self.all():
            for operation in (READ, WRITE):
                state = await self._breakers.look(one.connection.tenant_id, operation)
                if state is not State.CLOSED:
                    left_alone.add(one.connection.tenant_id)
                place = (one.connection.tier, operation)
                worst[place] = max(worst.get(place, State.CLOSED), state, key=_BADNESS.index)
        self._left_alone = sorted(left_alone)
        self._metrics.breaker.clear()
        for place, state in worst.items():
            self._metrics.breaker.labels(*place).set(state)

    async def _refresh(self) -> None:
        if self._clock.monotonic() < self._read_at + REFRESH_SECONDS:
            return
        async with self._reading:
            if self._clock.monotonic() < self._read_at + REFRESH_SECONDS:
                return
            try:
                found = await self._store.connections()
            except Unavailable:
                if self._read_at == float("-inf"):
                    raise
                return
            # At once: a tenant service that does not answer is waited for one time, not for each.
            connected = await asyncio.gather(*map(self.connect, found))
            self._known = {one.connection.tenant_id: one for one in connected}
            self._read_at = self._clock.monotonic()


def _named(hotels: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(hotels) - MOST_NAMED
    return ", ".join(hotels[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


_BADNESS = (State.CLOSED, State.HALF_OPEN, State.OPEN)


def _adapter(kind: Kind, hosts: Hosts, endpoint: Endpoint) -> Pms:
    if kind is Kind.GENERIC:
        return GenericPms(hosts, endpoint)
    return QloAppsPms(hosts, endpoint)
