"""A copy in one process of what another owns, kept new by a stream of its changes.

The owner keeps its newest changes in a `History`, in commit order, and serves each
watcher from it. The reader follows with a `Follower`: it reconnects by itself, asks for
what came after the version it has, and gets everything anew only when that version is
not known any more. Both sides speak in `Part`s; the service maps them to its own messages.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from meshkit.clock import Clock
from meshkit.errors import MeshError, Unavailable
from meshkit.waiting import jittered, set_within

HEARTBEAT_SECONDS = 2.0
"""How often a watcher hears the newest version when nothing changes."""
SILENCE_SECONDS = 6.0
"""After three missed heartbeats the stream is given up, and the copy is called stale."""
PART_ITEMS = 250
"""Items of a part at most: some 50 kB, and about a millisecond of the reader's loop."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
RELOAD_AGAIN_SECONDS = 10.0
"""When to try once more what was due to be read anew and did not come whole."""
NOTHING = -1
"""The version of a reader who has none."""
RELOAD = "reload"
"""Why a stream is left that is well."""

ItemT = TypeVar("ItemT")
ItemT_contra = TypeVar("ItemT_contra", contravariant=True)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Part(Generic[ItemT]):
    """One message of a watch. Without items, and not `whole`, it is a heartbeat."""

    version: int
    """What the reader has once this is applied."""
    after_version: int
    """What the reader must have for it to be applied; of no meaning when `whole`."""
    items: Sequence[ItemT] = ()
    whole: bool = False
    """The items belong to a copy of everything, which replaces what the reader had."""
    more: bool = False
    """The whole copy goes on in the next part, and is not to be used before its last."""


class History(Generic[ItemT]):
    """The newest changes, at most `kept` of them, shared by all watchers.

    A watcher is only a position in it, so one that reads slowly holds no memory; when its
    position is gone it starts again from a whole copy.
    """

    def __init__(self, *, kept: int, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._kept = kept
        self._heartbeat_seconds = heartbeat_seconds
        self._changes: deque[tuple[int, Sequence[ItemT]]] = deque()
        self._size = 0
        self._floor = 0
        self._version = 0
        self._restarts = 0
        self._news = asyncio.Event()

    @property
    def version(self) -> int:
        """The newest one."""
        return self._version

    @property
    def size(self) -> int:
        """How many items are kept."""
        return self._size

    def restart(self, version: int) -> None:
        """Forget all: everything is read anew as of `version`, by those who watch now too."""
        self._restarts += 1
        self._changes.clear()
        self._size = 0
        self._floor = self._version = version
        self._tell()

    def add(self, version: int, items: Sequence[ItemT]) -> None:
        """What has changed since the last version; `version` is greater than that one."""
        if version <= self._version:
            raise ValueError(f"version {version} comes after {self._version}")
        self._version = version
        self._changes.append((version, items))
        self._size += len(items)
        # A version without items takes a place too.
        while max(self._size, len(self._changes)) > self._kept:
            self._floor, forgotten = self._changes.popleft()
            self._size -= len(forgotten)
        self._tell()

    def after(self, version: int) -> list[tuple[int, Sequence[ItemT]]] | None:
        """The changes after `version`; None when that is too old, or was never told."""
        if not self._floor <= version <= self._version:
            return None
        return [one for one in self._changes if one[0] > version]

    async def reach(self, version: int, seconds: float) -> None:
        """Wait until `version` was told here, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._version < version:
                    await self._news.wait()

    async def watch(
        self, after_version: int, everything: Callable[[], tuple[int, Sequence[ItemT]]]
    ) -> AsyncIterator[Part[ItemT]]:
        """All that comes after a version, for as long as it is listened to.

        `everything` is called for a version that is not known: all items, and the version
        they are of. A negative `after_version` is known to nobody.
        """
        position, restarts = after_version, self._restarts
        if self.after(position) == []:
            yield Part(position, position)
        while True:
            news = self._news
            if restarts != self._restarts:
                position, restarts = NOTHING, self._restarts
            for part in self._parts(position, everything):
                yield part
                position = part.version
            if self.after(position) == [] and not await set_within(news, self._heartbeat_seconds):
                yield Part(position, position)

    def _parts(
        self, position: int, everything: Callable[[], tuple[int, Sequence[ItemT]]]
    ) -> Iterator[Part[ItemT]]:
        changes = self.after(position)
        if changes is None:
            yield from _whole(*everything())
            return
        for version, items in changes:
            *first, last = _sliced(items)
            # The reader has this version with its last part: cut off before, he asks for all of it.
            for some in first:
                yield Part(position, position, some)
            yield Part(version, position, last)
            position = version

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _whole(version: int, items: Sequence[ItemT]) -> Iterator[Part[ItemT]]:
    *first, last = _sliced(items)
    for some in first:
        yield Part(version, version, some, whole=True, more=True)
    yield Part(version, version, last, whole=True)


def _sliced(items: Sequence[ItemT]) -> list[Sequence[ItemT]]:
    """At least one slice, which is empty when there is nothing."""
    starts = range(0, len(items), PART_ITEMS) or range(1)
    return [items[start : start + PART_ITEMS] for start in starts]


class Copy(Protocol[ItemT_contra]):
    """What a `Follower` keeps new."""

    async def replace(self, version: int, items: Sequence[ItemT_contra]) -> None:
        """Be these items and nothing else. There may be many: the loop is not to be held."""

    def change(self, version: int, items: Sequence[ItemT_contra]) -> None:
        """Take in what has changed since the version before, at most `PART_ITEMS`.

        What came before the reader was cut off may come again.
        """


class WatchMetrics:
    """What is counted of the copies that a process follows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reconnects = Counter(
            "watch_reconnects",
            "Watches that ended and were opened again, by cause: ended, silent, gap, reload.",
            ["what", "cause"],
            registry=registry,
        )
        self.whole_copies = Counter(
            "watch_whole_copies",
            "Times everything was read anew: its version was not known any more, or it was time.",
            ["what"],
            registry=registry,
        )
        self.version = Gauge(
            "watch_version", "Version of the copy in memory.", ["what"], registry=registry
        )
        self.age = Gauge(
            "watch_age_seconds",
            "Time since the owner was last heard; -1 before the first copy.",
            ["what"],
            registry=registry,
        )


class Follower(Generic[ItemT]):
    """Keeps a copy new for as long as it runs."""

    def __init__(
        self,
        what: str,
        *,
        opened: Callable[[int], AsyncIterator[Part[ItemT]]],
        copy: Copy[ItemT],
        clock: Clock,
        metrics: WatchMetrics,
        silence_seconds: float = SILENCE_SECONDS,
        reload_seconds: float = math.inf,
    ) -> None:
        """`opened` starts a watch after a version; `what` names the copy in logs and metrics.

        After about `reload_seconds` everything is read anew whatever was told, while the copy
        serves as it is: what was missed, or went wrong in it, heals by itself.
        """
        self._what = what
        self._opened = opened
        self._copy = copy
        self._clock = clock
        self._metrics = metrics
        self._silence_seconds = silence_seconds
        self._reload_seconds = reload_seconds
        self._reload_at = math.inf
        self._version = self._asked = NOTHING
        self._heard: float | None = None
        self._collected: list[ItemT] = []
        self._pause = FIRST_PAUSE
        metrics.age.labels(what).set_function(self.age)

    @property
    def version(self) -> int:
        """Of the copy; -1 before the first."""
        return self._version

    @property
    def loaded(self) -> bool:
        """Whether there is a copy to answer from, new or old."""
        return self._version >= 0

    def age(self) -> float:
        """Seconds since the owner was last heard; -1 before the first copy."""
        return -1.0 if self._heard is None else self._clock.monotonic() - self._heard

    def stale(self) -> bool:
        """Whether the owner was not heard for so long that there may be changes."""
        return not self.loaded or self.age() > self._silence_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow until `stopping` is set."""
        following = asyncio.create_task(self._follow_always(), name=f"follow {self._what}")
        stopped = asyncio.create_task(stopping.wait())
        tasks = (following, stopped)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_always(self) -> None:
        cause = ""
        while True:
            cause = await self._follow(NOTHING if cause == RELOAD else self._version)
            self._metrics.reconnects.labels(self._what, cause).inc()
            if cause == RELOAD:
                self._reload_at = self._clock.monotonic() + RELOAD_AGAIN_SECONDS
                continue
            # Without jitter all readers of a replica that stops would come back at once.
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _follow(self, after_version: int) -> str:
        """Follow one stream to its end, and tell why it ended."""
        self._asked = after_version
        self._collected = []
        try:
            return await self._read(self._opened(after_version))
        except TimeoutError:
            return "silent"
        except _GapError:
            log.warning("a watch left something out", what=self._what, version=self._version)
            return "gap"
        except MeshError as error:
            level = log.info if isinstance(error, Unavailable) else log.error
            level("watch ended", what=self._what, version=self._version, reason=error.reason)
        return "ended"

    async def _read(self, parts: AsyncIterator[Part[ItemT]]) -> str:
        async with aclosing(_closable(parts)) as stream:
            while True:
                async with asyncio.timeout(self._silence_seconds):
                    part = await anext(stream, None)
                if part is None:
                    return "ended"
                await self._take(part)
                if not part.more and self._clock.monotonic() >= self._reload_at:
                    return RELOAD

    async def _take(self, part: Part[ItemT]) -> None:
        self._pause = FIRST_PAUSE
        if part.whole:
            await self._collect(part)
        elif part.after_version != self._version:
            raise _GapError
        elif part.items or part.version != self._version:
            self._copy.change(part.version, part.items)
            self._advance(part.version)
        if self.loaded:
            self._heard = self._clock.monotonic()

    async def _collect(self, part: Part[ItemT]) -> None:
        self._collected.extend(part.items)
        if not part.more:
            if self._asked == NOTHING and part.version < self._version:
                # Of a replica that is behind: the copy does not go back, but asks for what is next.
                raise _GapError
            collected, self._collected = self._collected, []
            await self._copy.replace(part.version, collected)
            self._metrics.whole_copies.labels(self._what).inc()
            self._reload_at = self._clock.monotonic() + jittered(self._reload_seconds)
            self._advance(part.version)

    def _advance(self, version: int) -> None:
        self._version = version
        self._metrics.version.labels(self._what).set(version)


class _GapError(Exception):
    """A part does not follow on what the reader has."""


def _closable(parts: AsyncIterator[Part[ItemT]]) -> Any:
    """Watches are asynchronous generators, whatever their annotation says."""
    return parts
