"""What hotels' own systems have free: asked once, remembered in Redis, told with its age.

A key for each hotel, property, type and night, in the hotel's hash slot. Younger
than a minute it is sold from; up to a quarter of an hour it is shown, and asked
again before a room is kept; older, or never heard, it is subject to confirmation
and only requests are taken. One refresher per property at a time, in the whole
mesh; the others are served what is there. Without Redis each replica asks the
system itself, one call a hotel at a time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import orjson

from meshkit import deadlines
from meshkit.clock import Clock
from meshkit.errors import MeshError
from meshkit.redis_pool import REDIS_ERRORS
from services.booking.domain import Stay
from services.booking.pms.connections import Connected
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.port import Free, PmsAvailability, TypeNight

if TYPE_CHECKING:
    from redis.asyncio import Redis

SELL = dt.timedelta(seconds=60)
SHOW = dt.timedelta(minutes=15)
KEEP_SECONDS = 24 * 3600
"""Older than that a free room means nothing."""
STALE_SECONDS = 0.45
"""A guest waits so long for the newest; then is told what there is, while the call goes on."""
IMPATIENT_SECONDS = 0.1
"""The same once a call has failed: the next one may be the breaker's attempt, and hang."""
REFRESH_SECONDS = 2.0
"""So long a call may take, whoever waits for it."""
LEAST_NIGHTS = 32
"""A call asks for as many at once: the guests' next question is about other dates."""
MOST_NIGHTS = 366
PAUSE_SECONDS = 1.0
LOOK_SECONDS = 0.05
MOST_RUNNING = 1024


class Freshness(Enum):
    """What may be done with an answer."""

    SELL = "SELL"
    SHOW = "SHOW"
    ASK = "ASK"
    """Subject to confirmation: requests only."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the nights of a stay; what nobody has said is missing."""

    nights: Mapping[TypeNight, Free]
    as_of: dt.datetime | None
    """Of the oldest of them; None when a night is missing."""
    freshness: Freshness


class PmsNights:
    """The nights of all hotels with a system of their own."""

    def __init__(self, redis: Redis, clock: Clock, metrics: PmsMetrics) -> None:
        self._redis = redis
        self._clock = clock
        self._metrics = metrics
        self._away_until = 0.0
        self._failing: set[str] = set()
        """Hotels whose last call has failed."""
        self._running: OrderedDict[str, asyncio.Task[dict[TypeNight, _Value]]] = OrderedDict()

    async def around(self, hotel: Connected, stay: Stay) -> Known:
        """For showing: what is there when it is young, else what comes within half a second."""
        known = await self._known(hotel, stay)
        if known.freshness is Freshness.SELL:
            self._metrics.nights.labels("fresh").inc()
            return known
        return await self._refreshed(hotel, stay, known, self._patience(hotel, known))

    async def certain(self, hotel: Connected, stay: Stay, *, but_older: dt.timedelta) -> Known:
        """For keeping a room: no older than that, unless the system does not answer."""
        known = await self._known(hotel, stay)
        young = known.as_of is not None and self._clock.now() - known.as_of <= but_older
        return known if young else await self._refreshed(hotel, stay, known, REFRESH_SECONDS)

    async def refresh(self, hotel: Connected, first: dt.date, departure: dt.date) -> None:
        """Ask the system, for whoever comes; raises what the guarded adapter raises."""
        await self._ask(hotel, first, departure)

    async def forget(self, hotel: Connected, type_ids: Iterable[str], stay: Stay) -> None:
        """A booking has changed these nights."""
        keys = [_key(hotel, TypeNight(one, day)) for one in type_ids for day in _nights(stay)]
        await self._guarded(lambda: self._redis.unlink(*keys))

    def _patience(self, hotel: Connected, known: Known) -> float:
        if known.as_of is None:
            return REFRESH_SECONDS
        failing = hotel.connection.tenant_id in self._failing
        return IMPATIENT_SECONDS if failing else STALE_SECONDS

    async def _refreshed(self, hotel: Connected, stay: Stay, known: Known, seconds: float) -> Known:
        """What the system says, if it does so in time; otherwise what there is."""
        left = max(0.0, min(seconds, deadlines.bounded() - 0.1))
        try:
            task = await self._refreshing(hotel, stay, known)
            if task is None:
                return await self._from_another(hotel, stay, known, left)
            values = await asyncio.wait_for(asyncio.shield(task), left)
        except (MeshError, TimeoutError):
            self._metrics.nights.labels("stale" if known.as_of else "unknown").inc()
            return known
        self._metrics.nights.labels("asked").inc()
        return self._judged(hotel, stay, values)

    async def _refreshing(
        self, hotel: Connected, stay: Stay, known: Known
    ) -> asyncio.Task[dict[TypeNight, _Value]] | None:
        """The call under way for these nights, ours or a new one; None when another replica's."""
        first, departure = _range(stay)
        name = f"{hotel.connection.tenant_id}/{first}/{departure}"
        task = self._running.get(name)
        if task is not None:
            return task
        if not await self._ours(hotel, first):
            return None
        task = asyncio.create_task(self._alone(hotel, Stay(first, departure), known))
        self._running[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))
        while len(self._running) > MOST_RUNNING:
            self._running.popitem(last=False)
        return task

    def _ended(self, name: str, task: asyncio.Task[dict[TypeNight, _Value]]) -> None:
        if self._running.get(name) is task:
            del self._running[name]
        if not task.cancelled():
            task.exception()  # Whoever waited has heard it; nobody may have waited.

    async def _alone(self, hotel: Connected, span: Stay, known: Known) -> dict[TypeNight, _Value]:
        """On a budget of its own: the caller's may be almost over, and others wait too."""
        deadlines.start(REFRESH_SECONDS)
        try:
            # Somebody may have asked, and been done, since the caller has looked.
            values = await self._kept(hotel, span)
            now = self._judged(hotel, span, values)
            if now.freshness is Freshness.SELL and _newer(now, known):
                return values
            return await self._ask(hotel, span.check_in, span.check_out)
        finally:
            await self._guarded(lambda: self._redis.unlink(_turn_key(hotel, span.check_in)))

    async def _ask(
        self, hotel: Connected, first: dt.date, departure: dt.date
    ) -> dict[TypeNight, _Value]:
        told = await self._told(hotel, first, departure)
        # By our clock at most: a system whose clock is ahead makes nothing younger.
        as_of = min(told.as_of, self._clock.now())
        # A night that it does not name is not on sale there.
        asked = (TypeNight(one, day) for one in _types(hotel) for day in _days(first, departure))
        values = {
            one: _Value(as_of, Free(told.nights.get(one, Free(0)).free_count)) for one in asked
        }
        await self._guarded(lambda: self._keep(hotel, values))
        return values

    async def _told(self, hotel: Connected, first: dt.date, departure: dt.date) -> PmsAvailability:
        """What the system says; whether it says anything is remembered."""
        tenant_id = hotel.connection.tenant_id
        try:
            told = await hotel.pms.availability(first, departure)
        except MeshError:
            self._failing.add(tenant_id)
            raise
        self._failing.discard(tenant_id)
        return told

    async def _from_another(
        self, hotel: Connected, stay: Stay, known: Known, seconds: float
    ) -> Known:
        """Another replica asks: what it hears is in Redis then."""
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until:
            await asyncio.sleep(LOOK_SECONDS)
            newer = await self._known(hotel, stay)
            if newer.freshness is Freshness.SELL:
                return newer
            if not await self._guarded(
                lambda: self._redis.exists(_turn_key(hotel, _range(stay)[0]))
            ):
                break
        self._metrics.nights.labels("stale" if known.as_of else "unknown").inc()
        return known

    async def turn(self, hotel: Connected, what: str, seconds: float) -> bool:
        """Whether something is ours to do for a hotel, and nobody else's for so long."""
        one = hotel.connection
        key = f"booking:{{{one.tenant_id}}}:pms:{what}:{one.property_id}"
        made = await self._guarded(
            lambda: self._redis.set(key, "1", nx=True, px=int(seconds * 1000))
        )
        return bool(made)

    async def _ours(self, hotel: Connected, first: dt.date) -> bool:
        """Whether it is ours to ask; without Redis it is."""
        key = _turn_key(hotel, first)
        taken = await self._guarded(
            lambda: self._redis.set(key, "1", nx=True, px=int(REFRESH_SECONDS * 1000)), away=True
        )
        return bool(taken)

    async def _known(self, hotel: Connected, stay: Stay) -> Known:
        return self._judged(hotel, stay, await self._kept(hotel, stay))

    async def _kept(self, hotel: Connected, stay: Stay) -> dict[TypeNight, _Value]:
        """What Redis has of the stay's nights."""
        wanted = _wanted(hotel, stay)
        keys = [_key(hotel, one) for one in wanted]
        found = await self._guarded(lambda: self._redis.mget(keys)) if keys else []
        values = {}
        for night, stored in zip(wanted, found or (), strict=False):
            value = _parsed(stored)
            if value is not None:
                values[night] = value
        return values

    def _judged(self, hotel: Connected, stay: Stay, values: Mapping[TypeNight, _Value]) -> Known:
        wanted = _wanted(hotel, stay)
        found = {one: values[one] for one in wanted if one in values}
        nights = {one: value.free for one, value in found.items()}
        if len(found) < len(wanted):
            return Known(nights, None, Freshness.ASK)
        as_of = min((value.as_of for value in found.values()), default=self._clock.now())
        age = self._clock.now() - as_of
        freshness = (
            Freshness.SELL if age <= SELL else Freshness.SHOW if age <= SHOW else Freshness.ASK
        )
        return Known(nights, as_of, freshness)

    async def _keep(self, hotel: Connected, values: Mapping[TypeNight, _Value]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for night, value in values.items():
            pipe.set(_key(hotel, night), value.to_json(), ex=KEEP_SECONDS)
        await pipe.execute()

    async def _guarded(self, call: Any, *, away: Any = None) -> Any:
        """What Redis says; `away` when it does not."""
        if self._clock.monotonic() < self._away_until:
            return away
        try:
            return await call()
        except REDIS_ERRORS:
            self._away_until = self._clock.monotonic() + PAUSE_SECONDS
            self._metrics.nights.labels("redis_away").inc()
            return away


@dataclass(frozen=True, slots=True)
class _Value:
    """One night as it is kept."""

    as_of: dt.datetime
    free: Free

    def to_json(self) -> bytes:
        return orjson.dumps([self.as_of, self.free.free_count])


def _newer(now: Known, before: Known) -> bool:
    """Whether something was heard after what was known before."""
    return now.as_of is not None and (before.as_of is None or now.as_of > before.as_of)


def _parsed(stored: Any) -> _Value | None:
    """A kept night; None for what is not one."""
    try:
        as_of, count = orjson.loads(stored or b"null")
        return _Value(dt.datetime.fromisoformat(as_of), Free(int(count)))
    except (ValueError, TypeError):
        return None


def _key(hotel: Connected, night: TypeNight) -> str:
    one = hotel.connection
    place = f"{one.property_id}:{night.type_id}:{night.night}"
    return f"booking:{{{one.tenant_id}}}:pms:night:{place}"


def _turn_key(hotel: Connected, first: dt.date) -> str:
    one = hotel.connection
    return f"booking:{{{one.tenant_id}}}:pms:refresh:{one.property_id}:{first}"


def _nights(stay: Stay) -> list[dt.date]:
    return _days(stay.check_in, stay.check_out)


def _days(first: dt.date, departure: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=day) for day in range((departure - first).days)]


def _types(hotel: Connected) -> list[str]:
    return sorted(hotel.connection.room_types.values())


def _wanted(hotel: Connected, stay: Stay) -> list[TypeNight]:
    """The nights that a search asks for: the stay's, of every type that is mapped."""
    return [TypeNight(one, day) for one in _types(hotel) for day in _nights(stay)]


def _range(stay: Stay) -> tuple[dt.date, dt.date]:
    """What is asked for at once: from the arrival on, so that close dates are known as well."""
    nights = min(max(stay.night_count, LEAST_NIGHTS), MOST_NIGHTS)
    return stay.check_in, stay.check_in + dt.timedelta(days=nights)
