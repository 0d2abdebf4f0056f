"""What was free a moment ago, in Redis. It never decides: a lock is Postgres's to grant.

Two keys per hotel and stay, both in the hotel's hash slot:
- the version, a random token that is replaced after every change of a counter or a price;
- an entry, the counters as they were read, with the version from before reading.

What the nights cost is not in it: that is kept in the process (`inventory/book.py`)
under the inventory's version, which an entry names. A batch is one round trip, an
MGET for each of its hotels at once; what was read is written back behind the answer.

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
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from meshkit.clock import Clock
from meshkit.errors import MeshError
from meshkit.redis_pool import REDIS_ERRORS, Command, at_once
from services.booking.domain import Stay
from services.booking.inventory.book import PriceBook
from services.booking.metrics import BookingMetrics
from services.booking.recent import Recent
from services.booking.rooms.seats import Seats
from services.booking.search.domain import Counters, Inventory
from services.booking.search.store import Asked

T = TypeVar("T")

if TYPE_CHECKING:
    from redis.asyncio import Redis

VERSION_SECONDS = 3600
"""Far longer than any entry: one without its version is not believed."""
PAUSE_SECONDS = 1.0
"""After a failure Redis is left alone for so long: nobody waits 250 ms for it again and again."""

MOST_READ = 4096
"""So many entries are kept as they were understood; each is about 2 kB. Near pins, where everybody
who needs a room is in it, one counts for several."""
MOST_WRITING = 64
"""So many batches are written back at once; what is more is not written."""

Load = Callable[[Sequence[Asked]], Awaitable[Sequence[Counters | MeshError]]]


def version_key(tenant_id: str) -> str:
    """Where the version of a hotel's counters is."""
    return f"booking:{{{tenant_id}}}:version"


def entry_key(tenant_id: str, stay: Stay) -> str:
    """Where the counters around a stay are."""
    return f"booking:{{{tenant_id}}}:{stay.check_in}:{stay.check_out}"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Redis said of a stay: the version, and the counters when there were any to believe."""

    version: str
    counters: Counters | None


@dataclass(frozen=True, slots=True)
class _Read:
    """An entry that was believed."""

    entry: bytes | str
    version: str
    counters: Counters


class AvailabilityCache:
    """Reads counters through Redis; without Redis, straight from `load`."""

    def __init__(
        self,
        redis: Redis,
        load: Load,
        book: PriceBook,
        *,
        seconds: float,
        clock: Clock,
        metrics: BookingMetrics,
    ) -> None:
        self._redis = redis
        self._load = load
        self._book = book
        self._seconds = seconds
        self._clock = clock
        self._metrics = metrics
        self._away_until = 0.0
        self._writing: set[asyncio.Task[None]] = set()
        self._read: Recent[str, _Read] = Recent(MOST_READ)

    async def inventory(self, tenant_id: str, stay: Stay) -> tuple[Inventory, bool]:
        """The hotel around a stay, and whether its counters came from the cache."""
        ((found, cached),) = await self.inventories([(tenant_id, stay)])
        if isinstance(found, MeshError):
            raise found
        return found, cached

    async def inventories(self, asked: Sequence[Asked]) -> list[tuple[Inventory | MeshError, bool]]:
        """Each hotel around its stay: one round trip to Redis, two statements at most."""
        seen = await self._guarded(self._look(asked))
        found = {place: one.counters for place, one in (seen or {}).items() if one.counters}
        missing = [place for place in range(len(asked)) if place not in found]
        loaded = await self._load([asked[place] for place in missing]) if missing else ()
        counters: dict[int, Counters | MeshError] = {**found}
        counters |= dict(zip(missing, loaded, strict=True))
        if seen is not None:
            fresh = [(asked[place], counters[place], seen[place].version) for place in missing]
            self._write_back([one for one in fresh if isinstance(one[1], Counters)])
        answers = await self._priced(asked, counters)
        return [(answers[place], place in found) for place in range(len(asked))]

    async def _priced(
        self, asked: Sequence[Asked], counters: Mapping[int, Counters | MeshError]
    ) -> dict[int, Inventory | MeshError]:
        """The counters with what the hotels sell, in no older version."""
        known = {place: one for place, one in counters.items() if isinstance(one, Counters)}
        versions: dict[str, int] = {}
        for place, one in known.items():
            tenant_id = asked[place][0]
            versions[tenant_id] = max(one.version, versions.get(tenant_id, 0))
        pages = await self._book.pages(versions, versions)
        answers: dict[int, Inventory | MeshError] = {
            place: one for place, one in counters.items() if isinstance(one, MeshError)
        }
        for place, one in known.items():
            answers[place] = Inventory(pages[asked[place][0]], one)
        return answers

    async def outdate(self, tenant_ids: Iterable[str]) -> None:
        """Let nobody believe what was read before now; to be called after the commit."""
        await self._guarded(self._replace_versions(sorted(set(tenant_ids))))

    async def written(self) -> None:
        """Return when everything that was read has been written back."""
        await asyncio.gather(*self._writing)

    async def _guarded(self, work: Awaitable[T]) -> T | None:
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

    async def _look(self, asked: Sequence[Asked]) -> dict[int, _Seen]:
        """What Redis knows, by place; one command for each hotel."""
        places: dict[str, list[int]] = {}
        for place, (tenant_id, _) in enumerate(asked):
            places.setdefault(tenant_id, []).append(place)
        commands: list[Command] = [
            ("MGET", version_key(tenant_id), *(entry_key(tenant_id, asked[one][1]) for one in own))
            for tenant_id, own in places.items()
        ]
        read = await at_once(self._redis, commands)
        seen = {}
        for (tenant_id, own), (version, *entries) in zip(places.items(), read, strict=True):
            token = _text(version)
            for place, entry in zip(own, entries, strict=True):
                key = entry_key(tenant_id, asked[place][1])
                counters, outcome = self._understood(key, entry, tenant_id, token)
                self._metrics.cache.labels(outcome).inc()
                seen[place] = _Seen(token, counters)
        return seen

    def _understood(
        self, key: str, entry: bytes | str | None, tenant_id: str, token: str
    ) -> tuple[Counters | None, str]:
        """As `_believable`; the same entry under the same version is the same object again."""
        known = self._read.get(key)
        if known is not None and (known.entry, known.version) == (entry, token):
            return known.counters, "hit"
        counters, outcome = _believable(entry, tenant_id, token)
        if counters is not None and entry is not None:
            self._read.keep(key, _Read(entry, token, counters), counters.weight)
        return counters, outcome

    def _write_back(self, fresh: Sequence[tuple[Asked, Any, str]]) -> None:
        """Behind the answer, so that nobody waits for it."""
        if not fresh or len(self._writing) >= MOST_WRITING:
            return
        task = asyncio.create_task(self._keep(fresh))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _keep(self, fresh: Sequence[tuple[Asked, Counters, str]]) -> None:
        entries = [entry for one in fresh if (entry := self._entry(*one)) is not None]
        if entries:
            await self._guarded(at_once(self._redis, entries))

    def _entry(self, asked: Asked, counters: Counters, version: str) -> Command | None:
        """The command that keeps the counters; None when they end too soon."""
        tenant_id, stay = asked
        seconds = self._seconds
        if counters.first_expiry is not None:
            seconds = min(seconds, (counters.first_expiry - counters.as_of).total_seconds())
        if seconds < 0.001:
            return None
        entry = {"tenant": tenant_id, "version": version, "counters": _to_json(counters)}
        key = entry_key(tenant_id, stay)
        return ("SET", key, orjson.dumps(entry), "PX", int(seconds * 1000))

    async def _replace_versions(self, tenant_ids: list[str]) -> None:
        token = secrets.token_hex(8)
        commands: list[Command] = [
            ("SET", version_key(one), token, "EX", VERSION_SECONDS) for one in tenant_ids
        ]
        await at_once(self._redis, commands)


def _close(work: Awaitable[Any]) -> None:
    """A coroutine that is not awaited must say so."""
    close = getattr(work, "close", None)
    if close is not None:
        close()


def _text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def _believable(
    entry: bytes | str | None, tenant_id: str, version: str
) -> tuple[Counters | None, str]:
    """The counters in an entry, or why they do not count."""
    if entry is None:
        return None, "miss"
    try:
        value = orjson.loads(entry)
        if value["tenant"] != tenant_id:
            return None, "foreign"
        if value["version"] != version:
            return None, "stale"
        return _from_json(value["counters"]), "hit"
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return None, "garbage"


def _to_json(counters: Counters) -> dict[str, Any]:
    return {
        "version": counters.version,
        "today": counters.today,
        "as_of": counters.as_of,
        "first": counters.first,
        "free": counters.free,
        "seats": {kind: [one.rooms, one.taken] for kind, one in counters.seats.items()},
    }


def _from_json(value: dict[str, Any]) -> Counters:
    return Counters(
        version=int(value["version"]),
        today=dt.date.fromisoformat(value["today"]),
        as_of=dt.datetime.fromisoformat(value["as_of"]),
        first_expiry=None,
        first=dt.date.fromisoformat(value["first"]),
        free={kind: [int(count) for count in counts] for kind, counts in value["free"].items()},
        seats={
            kind: Seats(rooms, [tuple(one) for one in taken])
            for kind, (rooms, taken) in value["seats"].items()
        },
    )
