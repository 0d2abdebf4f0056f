"""Spoken replies and transcripts of voice notes, in Redis, so that none is made twice.

Each hotel has its own hash tag, its own index (`scripts.py`) and its own bound:
when it is full, what was used longest ago goes. It may all be lost at any time,
and while Redis is away everything is a miss; nobody waits for it or fails by it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from meshkit.clock import Clock
from meshkit.errors import Unavailable
from meshkit.redis_pool import REDIS_ERRORS
from services.messaging.media import scripts

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

MOST_ENTRY_BYTES = 1 << 20
"""More than four minutes of speech. Larger ones would have others wait for Redis."""
MOST_ENTRIES = 20_000
"""Of a hotel, however small they are: an index of some megabytes."""
MOST_LISTED = 1000
MOST_STEPS = 100
STEP = 100
MOST_TRIES = 64
"""So often room is made for one entry; each try but the last evicts or sweeps something."""
PAUSE_SECONDS = 1.0
"""After a failure Redis is left alone for so long: nobody waits 250 ms for it again and again."""
MOST_TOLD = 4096
"""So many hotels' sizes are remembered for the gauges."""


class Kind(StrEnum):
    """What an entry is."""

    SPEECH = "speech"
    TRANSCRIPT = "transcript"


@dataclass(frozen=True, slots=True)
class Source:
    """What an entry is made from: the hash of a text and its voice, or the id of a voice note."""

    kind: Kind
    name: str

    @property
    def entry_id(self) -> str:
        """The same for the same source; tells nothing of it."""
        return f"{self.kind}-{hashlib.sha256(self.name.encode()).hexdigest()[:40]}"


@dataclass(frozen=True, slots=True)
class Audio:
    """What is kept: the sound of a reply, or the text of a voice note."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is listed."""

    entry_id: str
    kind: str
    media_type: str
    byte_count: int
    made: dt.datetime
    ends: dt.datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries; `truncated` with the place to go on after, when there may be others."""

    entries: list[Entry]
    total: int
    steps: int
    truncated: bool
    place: str


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge came to."""

    count: int
    steps: int
    more: bool


class AudioCacheMetrics:
    """What the cache counts; no hotel is a label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.asks = Counter(
            "audio_cache_asks",
            "Times that an entry was asked for, by kind: hit, miss, away (Redis).",
            ["kind", "outcome"],
            registry=registry,
        )
        self.puts = Counter(
            "audio_cache_puts",
            "Entries put in, by kind: stored, too_large, no_room (others were too quick), away.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.evictions = Counter(
            "audio_cache_evictions",
            "Entries that left before anybody asked: room for another one, or ended.",
            ["reason"],
            registry=registry,
        )
        for reason in ("room", "ended"):
            self.evictions.labels(reason)
        self.bytes = Gauge(
            "audio_cache_bytes",
            "Content kept for the hotels that this process asked for, as last told.",
            registry=registry,
        )
        self.entries = Gauge(
            "audio_cache_entries",
            "Entries kept for the hotels that this process asked for, as last told.",
            registry=registry,
        )
        self._declare_lists(registry)
        self._told: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def _declare_lists(self, registry: CollectorRegistry) -> None:
        self.lists = Counter(
            "audio_cache_lists",
            "Pages listed, by whether they were the last.",
            ["truncated"],
            registry=registry,
        )
        self.listed = Counter(
            "audio_cache_listed_entries", "Entries on these pages.", registry=registry
        )
        self.list_total = Counter(
            "audio_cache_list_total_entries",
            "Entries that the hotels had whose pages were listed, once for each page.",
            registry=registry,
        )
        self.list_steps = Counter(
            "audio_cache_list_steps", "Steps that these pages took.", registry=registry
        )
        self.purged = Counter(
            "audio_cache_purged_entries", "Entries forgotten by an operator.", registry=registry
        )

    def tell(self, tenant_id: str, size: list[int]) -> None:
        """Redis has said how many entries and bytes a hotel has."""
        self._told[tenant_id] = (size[0], size[1])
        self._told.move_to_end(tenant_id)
        if len(self._told) > MOST_TOLD:
            self._told.popitem(last=False)
        self.entries.set(sum(entries for entries, _ in self._told.values()))
        self.bytes.set(sum(size for _, size in self._told.values()))


def index_keys(tenant_id: str) -> list[str]:
    """Where a hotel's index is, in the order of the scripts."""
    return [f"messaging:audio:{{{tenant_id}}}:{part}" for part in ("used", "rows", "due", "bytes")]


def entry_key(tenant_id: str, entry_id: str) -> str:
    """Where an entry is."""
    return f"messaging:audio:{{{tenant_id}}}:entry:{entry_id}"


class AudioCache:
    """All hotels' entries; `seconds` after it was put in an entry ends, used or not."""

    def __init__(
        self,
        redis: Redis,
        *,
        seconds: float,
        most_bytes: int,
        clock: Clock,
        metrics: AudioCacheMetrics,
    ) -> None:
        self._redis = redis
        self._milliseconds = int(seconds * 1000)
        self._most_bytes = most_bytes
        self._clock = clock
        self._metrics = metrics
        self._away_until = 0.0
        self._get = redis.register_script(scripts.GET)
        self._put = redis.register_script(scripts.PUT)
        self._slice = redis.register_script(scripts.SLICE)
        self._forget_gone = redis.register_script(scripts.FORGET_GONE)
        self._first = redis.register_script(scripts.FIRST)
        self._purge = redis.register_script(scripts.PURGE)

    async def get(self, tenant_id: str, source: Source) -> Audio | None:
        """What was made from `source`; None when it has to be made."""
        told = await self._guarded(self._ask(tenant_id, source.entry_id))
        if told is None:
            self._metrics.asks.labels(source.kind, "away").inc()
            return None
        content, media_type, size, swept = told
        self._metrics.tell(tenant_id, size)
        self._metrics.evictions.labels("ended").inc(swept)
        self._metrics.asks.labels(source.kind, "miss" if content is None else "hit").inc()
        return None if content is None else Audio(content, media_type.decode())

    async def put(self, tenant_id: str, source: Source, audio: Audio) -> bool:
        """Keep what was made from `source`; whether it is kept. Others may have to go for it."""
        if len(audio.content) > min(MOST_ENTRY_BYTES, self._most_bytes):
            outcome = "too_large"
        else:
            stored = await self._guarded(self._make_room_and_put(tenant_id, source, audio))
            outcome = "away" if stored is None else "stored" if stored else "no_room"
        self._metrics.puts.labels(source.kind, outcome).inc()
        return outcome == "stored"

    async def page(self, tenant_id: str, place: str, size: int) -> Page:
        """At most `size` entries after `place`; raises `Unavailable` without Redis."""
        page = await self._needed(self._read_page(tenant_id, place, size))
        self._metrics.lists.labels(str(page.truncated).lower()).inc()
        self._metrics.listed.inc(len(page.entries))
        self._metrics.list_total.inc(page.total)
        self._metrics.list_steps.inc(page.steps)
        return page

    async def purge(self, tenant_id: str) -> Purged:
        """Forget at most 10,000 entries; raises `Unavailable` without Redis."""
        return await self._needed(self._forget(tenant_id))

    async def _ask(self, tenant_id: str, entry_id: str) -> Any:
        keys = [*index_keys(tenant_id), entry_key(tenant_id, entry_id)]
        return await self._get(keys=keys, args=[entry_id, scripts.SWEPT])

    async def _make_room_and_put(self, tenant_id: str, source: Source, audio: Audio) -> bool:
        entry_id, victims = source.entry_id, list[str]()
        for _ in range(MOST_TRIES):
            ids = [entry_id, *victims]
            told = await self._put(
                keys=[*index_keys(tenant_id), *(entry_key(tenant_id, one) for one in ids)],
                args=[
                    *(entry_id, audio.content, source.kind, audio.media_type, self._milliseconds),
                    *(self._most_bytes, MOST_ENTRIES, scripts.SWEPT, scripts.VICTIMS),
                    *victims,
                ],
            )
            stored, size, swept, evicted, oldest = told
            self._metrics.tell(tenant_id, size)
            self._metrics.evictions.labels("ended").inc(swept)
            self._metrics.evictions.labels("room").inc(evicted)
            if stored:
                return True
            victims = [one.decode() for one in oldest]
        return False

    async def _read_page(self, tenant_id: str, place: str, size: int) -> Page:
        found: list[tuple[str, Entry]] = []
        total, steps, ended = 0, 0, False
        while steps < MOST_STEPS and len(found) <= size and not ended:
            # One more than is shown tells whether anything follows.
            wanted = min(STEP, size + 1 - len(found))
            rows, total = await self._slice(keys=index_keys(tenant_id), args=[place, wanted])
            steps += 1
            places = [row.decode() for row in rows]
            there = await self._described(tenant_id, places)
            found += there
            total -= len(places) - len(there)
            ended = len(places) < wanted
            place = places[-1] if places else place
        shown = [entry for _, entry in found[:size]]
        if len(found) > size:
            return Page(shown, total, steps, True, found[size - 1][0])
        return Page(shown, total, steps, not ended, "" if ended else place)

    async def _described(self, tenant_id: str, places: list[str]) -> list[tuple[str, Entry]]:
        """The entries at these places; those that Redis has dropped leave the index."""
        keys = [entry_key(tenant_id, place[16:]) for place in places]
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(key, ["kind", "media_type", "bytes", "made"])
        read = await pipeline.execute() if keys else []
        found, gone = [], []
        for place, key, told in zip(places, keys, read, strict=True):
            if None in told:
                gone.append((place[16:], key))
            else:
                found.append((place, _entry(place, told)))
        if gone:
            await self._forget_gone(
                keys=[*index_keys(tenant_id), *(key for _, key in gone)],
                args=[entry_id for entry_id, _ in gone],
            )
        return found

    async def _forget(self, tenant_id: str) -> Purged:
        count = steps = left = 0
        while steps < MOST_STEPS:
            ids = [one.decode() for one in await self._first(index_keys(tenant_id), [STEP])]
            steps += 1
            keys = [*index_keys(tenant_id), *(entry_key(tenant_id, one) for one in ids)]
            gone, left = await self._purge(keys=keys, args=ids)
            count += gone
            self._metrics.purged.inc(gone)
            if not left:
                break
        return Purged(count, steps, left > 0)

    async def _guarded(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`; None while Redis is away."""
        try:
            return await self._needed(work)
        except Unavailable:
            return None

    async def _needed(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; raises `Unavailable` while Redis is away."""
        if self._clock.monotonic() < self._away_until:
            work.close()
            raise _away()
        try:
            return await work
        except REDIS_ERRORS as error:
            self._away_until = self._clock.monotonic() + PAUSE_SECONDS
            raise _away() from error


def _away() -> Unavailable:
    return Unavailable("AUDIO_CACHE_AWAY", "Redis does not answer.", retry_after=PAUSE_SECONDS)


def _entry(place: str, told: list[bytes]) -> Entry:
    kind, media_type, size, made = told
    return Entry(
        entry_id=place[16:],
        kind=kind.decode(),
        media_type=media_type.decode(),
        byte_count=int(size),
        made=_time(int(made)),
        ends=_time(int(place[:15])),
    )


def _time(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
