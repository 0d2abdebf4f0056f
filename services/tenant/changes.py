"""What has changed between two directories, for those who keep a copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from meshkit.errors import Unavailable
from meshkit.watch import History, Part
from services.tenant.domain import Difference, Directory, Holdings, Number, Snapshot

KEPT = 10_000
"""Changes; whoever missed more of them starts again from a whole copy."""
SLICE = 1000
"""Numbers compared between two ticks of the loop, in about 0.2 ms."""
CATCH_UP_SECONDS = 2.0
"""The longest wait for a version that another replica has told before this one knew it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A number that is no hotel's any more."""

    phone_number_id: str


Change = Number | Removed
T = TypeVar("T")


class Changes:
    """The newest changes of a directory, served to all who follow it."""

    def __init__(self, directory: Directory, *, kept: int = KEPT) -> None:
        self._directory = directory
        self._history: History[Change] = History(kept=kept)

    @property
    def kept(self) -> int:
        """How many are kept."""
        return self._history.size

    async def publish(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on, and tell the followers what is new in it."""
        old = self._directory.current
        found = None if old is None else await changes_between(old, snapshot)
        self._directory.replace(snapshot)
        if found is not None and snapshot.version > self._history.version:
            self._history.add(snapshot.version, found)
        elif found is None or found or snapshot.version < self._history.version:
            # Other things under a known version, as after a backup was restored.
            self._history.restart(snapshot.version)

    async def advance(self, difference: Difference) -> None:
        """Take into the snapshot what comes after its version, and tell the followers."""
        old = self._directory.snapshot
        before = await _held_before(old.held, difference)
        self._directory.replace(old.after(difference, before))
        now = difference.held.numbers
        found: list[Change] = list(now.values())
        found += [Removed(one) for one in before.numbers if one not in now]
        self._history.add(difference.version, found)

    async def watch(
        self, after_version: int, look: Callable[[], None]
    ) -> AsyncIterator[Part[Change]]:
        """All that comes after a version; `look` is called when that is not known here yet.

        Raises `Unavailable` DIRECTORY_NOT_LOADED and DIRECTORY_BEHIND.
        """
        if after_version > self._directory.snapshot.version:
            look()
            await self._history.reach(after_version, CATCH_UP_SECONDS)
            self._need_heard(after_version)
        async for part in self._history.watch(after_version, self._everything):
            yield part

    def _need_heard(self, version: int) -> None:
        """A database that was heard and has no such version was set back, and so is the reader.

        While it is not heard, others know what is new: their readers are not to go back here.
        """
        behind = version > self._directory.snapshot.version
        if behind and self._directory.age() >= CATCH_UP_SECONDS:
            raise Unavailable("DIRECTORY_BEHIND", "The database is not heard: ask another replica.")

    def _everything(self) -> tuple[int, list[Change]]:
        snapshot = self._directory.snapshot
        return snapshot.version, list(snapshot.numbers.values())


async def _held_before(all_held: Holdings, difference: Difference) -> Holdings:
    """What the hotels that have changed had, found a slice at a time."""
    tenant_ids, now = difference.tenant_ids, difference.held

    def is_theirs(number: Number) -> bool:
        return number.tenant_id in tenant_ids

    past = await _some_of(all_held.past, lambda owners: any(map(is_theirs, owners)))
    past |= {key: all_held.past[key] for key in now.past if key in all_held.past}
    return Holdings(
        await _some_of(all_held.numbers, is_theirs),
        await _some_of(all_held.identifiers, is_theirs),
        past,
    )


async def _some_of(table: dict[str, T], wanted: Callable[[T], bool]) -> dict[str, T]:
    some: dict[str, T] = {}
    items = iter(table.items())
    while part := list(islice(items, SLICE)):
        some |= {key: value for key, value in part if wanted(value)}
        await asyncio.sleep(0)
    return some


async def changes_between(old: Snapshot, new: Snapshot) -> list[Change]:
    """What makes `new` of `old`, found a slice at a time; both share what is the same."""
    found: list[Change] = []
    numbers = iter(new.numbers.values())
    while some := list(islice(numbers, SLICE)):
        found += [one for one in some if old.numbers.get(one.phone_number_id) is not one]
        await asyncio.sleep(0)
    ids = iter(old.numbers)
    while some_ids := list(islice(ids, SLICE)):
        found += [Removed(one) for one in some_ids if one not in new.numbers]
        await asyncio.sleep(0)
    return found
