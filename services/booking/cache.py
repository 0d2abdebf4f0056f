"""What was free a moment ago, in Redis. It never decides: a lock is Postgres's to grant.

Two keys per hotel and stay, both in the hotel's hash slot:
- the version, a random token that is replaced after every change of a counter;
- an entry, the inventory as it was read, with the version from before reading.

An entry counts only under the version it was read under, so what another
replica granted is seen by the next search, also when this entry was read before
the grant and written after it. Random tokens, not a counter: a counter that was
evicted starts again and would match old entries. A token that could not be
written (Redis away) leaves entries that are wrong for `seconds` at most, which
is the reason for so short a time. An entry also ends with the first live lock in
its range, whose end makes a room free without anybody changing anything.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from meshkit.clock import Clock
from meshkit.redis_pool import REDIS_ERRORS
from services.booking.domain import Stay
from services.booking.metrics import BookingMetrics
from services.booking.search.domain import Inventory, Night, RoomType

if TYPE_CHECKING:
    from redis.asyncio import Redis

VERSION_SECONDS = 3600
"""Far longer than any entry: one without its version is not believed."""
PAUSE_SECONDS = 1.0
"""After a failure Redis is left alone for so long: nobody waits 250 ms for it again and again."""

Load = Callable[[str, Stay], Awaitable[Inventory]]


def version_key(tenant_id: str) -> str:
    """Where the version of a hotel's counters is."""
    return f"booking:{{{tenant_id}}}:version"


def entry_key(tenant_id: str, stay: Stay) -> str:
    """Where the inventory around a stay is."""
    return f"booking:{{{tenant_id}}}:{stay.check_in}:{stay.check_out}"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Redis said: the version, and the inventory when there was one to believe."""

    version: str
    inventory: Inventory | None


class AvailabilityCache:
    """Reads inventories through Redis; without Redis, straight from `load`."""

    def __init__(
        self, redis: Redis, load: Load, *, seconds: float, clock: Clock, metrics: BookingMetrics
    ) -> None:
        self._redis = redis
        self._load = load
        self._seconds = seconds
        self._clock = clock
        self._metrics = metrics
        self._away_until = 0.0

    async def inventory(self, tenant_id: str, stay: Stay) -> tuple[Inventory, bool]:
        """The hotel around a stay, and whether that came from the cache."""
        seen = await self._guarded(self._look(tenant_id, stay))
        if seen is not None and seen.inventory is not None:
            return seen.inventory, True
        inventory = await self._load(tenant_id, stay)
        if seen is not None:
            await self._guarded(self._keep(tenant_id, stay, inventory, seen.version))
        return inventory, False

    async def outdate(self, tenant_ids: Iterable[str]) -> None:
        """Let nobody believe what was read before now; to be called after the commit."""
        await self._guarded(self._replace_versions(sorted(set(tenant_ids))))

    async def _guarded(self, work: Awaitable[Any]) -> Any:
        """The result of `work`; None while Redis is away."""
        if self._clock.monotonic() < self._away_until:
            _close(work)
            self._metrics.cache.labels("away").inc()
            return None
        try:
            return await work
        except REDIS_ERRORS:
            self._away_until = self._clock.monotonic() + PAUSE_SECONDS
            self._metrics.cache.labels("away").inc()
            return None

    async def _look(self, tenant_id: str, stay: Stay) -> _Seen:
        version, entry = await self._redis.mget(version_key(tenant_id), entry_key(tenant_id, stay))
        token = _text(version)
        inventory, outcome = _believable(entry, tenant_id, token)
        self._metrics.cache.labels(outcome).inc()
        return _Seen(token, inventory)

    async def _keep(self, tenant_id: str, stay: Stay, inventory: Inventory, version: str) -> None:
        seconds = self._seconds
        if inventory.first_expiry is not None:
            seconds = min(seconds, (inventory.first_expiry - inventory.as_of).total_seconds())
        if seconds >= 0.001:
            entry = {"tenant": tenant_id, "version": version, "inventory": _to_json(inventory)}
            await self._redis.set(
                entry_key(tenant_id, stay), orjson.dumps(entry), px=int(seconds * 1000)
            )

    async def _replace_versions(self, tenant_ids: list[str]) -> None:
        await asyncio.gather(
            *(
                self._redis.set(version_key(one), secrets.token_hex(8), ex=VERSION_SECONDS)
                for one in tenant_ids
            )
        )


def _close(work: Awaitable[Any]) -> None:
    """A coroutine that is not awaited must say so."""
    close = getattr(work, "close", None)
    if close is not None:
        close()


def _text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def _believable(
    entry: bytes | str | None, tenant_id: str, version: str
) -> tuple[Inventory | None, str]:
    """The inventory in an entry, or why it does not count."""
    if entry is None:
        return None, "miss"
    try:
        value = orjson.loads(entry)
        if value["tenant"] != tenant_id:
            return None, "foreign"
        if value["version"] != version:
            return None, "stale"
        return _from_json(value["inventory"]), "hit"
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return None, "garbage"


def _to_json(inventory: Inventory) -> dict[str, Any]:
    return {
        "currency": inventory.currency_code,
        "today": inventory.today,
        "as_of": inventory.as_of,
        "last_night": inventory.last_night,
        "types": [
            {
                "id": one.room_type_id,
                "names": one.display_names,
                "guests": one.max_guest_count,
                "nights": [
                    (day, night.free_count, str(night.price)) for day, night in one.nights.items()
                ],
            }
            for one in inventory.room_types
        ],
    }


def _from_json(value: dict[str, Any]) -> Inventory:
    return Inventory(
        currency_code=value["currency"],
        today=dt.date.fromisoformat(value["today"]),
        as_of=dt.datetime.fromisoformat(value["as_of"]),
        last_night=dt.date.fromisoformat(value["last_night"]),
        first_expiry=None,
        room_types=tuple(
            RoomType(
                room_type_id=one["id"],
                display_names=dict(one["names"]),
                max_guest_count=int(one["guests"]),
                nights={
                    dt.date.fromisoformat(day): Night(int(free_count), Decimal(price))
                    for day, free_count, price in one["nights"]
                },
            )
            for one in value["types"]
        ),
    )
