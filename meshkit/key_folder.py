"""The key ring of this process, as new as the files it comes from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from meshkit.errors import FailedPrecondition
from meshkit.keyring import KeyRing
from meshkit.waiting import set_within

LOOK_SECONDS = 5.0
"""How often the files are looked at."""

log = structlog.get_logger()


class KeyFolder:
    """The keys of a folder, which come and go under the running process.

    A folder that cannot be read leaves the last good ring in force.
    """

    def __init__(self, folder: str) -> None:
        """Without a folder there is no ring, and nothing is missing."""
        self._folder = Path(folder) if folder else None
        self._problem: str | None = None
        self.ring: KeyRing | None = None
        """The keys; the same object until they change, None while there are none."""
        self.refresh()

    def problem(self) -> str | None:
        """Why the keys are not what the folder should hold, as a sentence."""
        return self._problem

    def refresh(self) -> None:
        """Look at the files."""
        if self._folder is None:
            return
        try:
            found = KeyRing.read(self._folder)
        except FailedPrecondition as error:
            self._tell(error.message)
            return
        if self.ring is None or not found.holds_the_same_as(self.ring):
            log.info("keys read", key_ids=found.key_ids)
            self.ring = found
        self._tell(None)

    async def follow(self, stopping: asyncio.Event) -> None:
        """Look at the files every few seconds."""
        while not await set_within(stopping, LOOK_SECONDS):
            self.refresh()

    def _tell(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            log.warning("key ring", problem=problem)
