"""Which secrets change, for those who keep some in memory. What they are is not known here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from meshkit.errors import Unavailable
from meshkit.waiting import first_of
from meshkit.watch import History, Part
from services.tenant.credentials.domain import Ref
from services.tenant.credentials.store import CredentialStore

KEPT = 10_000
"""Changes; whoever missed more of them reads all anew."""
AT_ONCE = 1000
"""Changes read in one look; when there are more, all is read anew."""
CATCH_UP_SECONDS = 2.0


class Feed:
    """Asks for changes when told of one and every `poll_seconds`, and tells the followers."""

    def __init__(self, store: CredentialStore, poll_seconds: float) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._history: History[Ref] = History(kept=KEPT)
        self._version: int | None = None
        self._told = asyncio.Event()

    def look(self) -> None:
        """Ask now: there may be a change. Many calls at once are one."""
        self._told.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask until `stopping` is set."""
        while not stopping.is_set():
            # Before the look: what is told during it is looked at afterwards.
            self._told.clear()
            await self.refresh()
            pause = self._poll_seconds * random.uniform(0.9, 1.1)
            await first_of(stopping, self._told, seconds=pause)

    async def refresh(self) -> None:
        """Ask once; the pool tells by itself when the database is away."""
        try:
            known = self._version
            newest, changed = await self._store.changes(-1 if known is None else known, AT_ONCE)
        except Unavailable:
            return
        if known is None or newest < known or len(changed) == AT_ONCE:
            self._history.restart(newest)
        else:
            for one in changed:
                self._history.add(one.version, [one.ref])
            if self._history.version < newest:
                # An app is gone, and nothing tells which.
                self._history.restart(newest)
        self._version = self._history.version

    async def watch(self, after_version: int) -> AsyncIterator[Part[Ref]]:
        """What comes after a version; a whole copy has no items, it only says that all is new.

        Raises `Unavailable` CREDENTIALS_NOT_LOADED.
        """
        if self._version is not None and after_version > self._version:
            self.look()
            await self._history.reach(after_version, CATCH_UP_SECONDS)
        if self._version is None:
            raise Unavailable(
                "CREDENTIALS_NOT_LOADED", "The database was not asked yet.", retry_after=1.0
            )
        async for part in self._history.watch(after_version, self._everything):
            yield part

    def _everything(self) -> tuple[int, list[Ref]]:
        return self._history.version, []
