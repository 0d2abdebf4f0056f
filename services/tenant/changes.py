"""What has changed between two directories, for those who keep a copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import islice

from meshkit.watch import History, Part
from services.tenant.domain import Directory, Number, Snapshot

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

    async def watch(
        self, after_version: int, look: Callable[[], None]
    ) -> AsyncIterator[Part[Change]]:
        """All that comes after a version; `look` is called when that is not known here yet.

        Raises `Unavailable` DIRECTORY_NOT_LOADED.
        """
        if after_version > self._directory.snapshot.version:
            look()
            await self._history.reach(after_version, CATCH_UP_SECONDS)
        async for part in self._history.watch(after_version, self._everything):
            yield part

    def _everything(self) -> tuple[int, list[Change]]:
        snapshot = self._directory.snapshot
        return snapshot.version, list(snapshot.numbers.values())


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
