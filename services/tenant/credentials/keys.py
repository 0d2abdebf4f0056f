"""The key ring of this process, as new as the files it comes from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from meshkit.errors import FailedPrecondition, Unavailable
from meshkit.keyring import KeyRing, Sealed, bind
from meshkit.waiting import set_within
from services.tenant.credentials.domain import Ref

LOOK_SECONDS = 5.0
"""How often the files are looked at; and whenever a key is missing."""

log = structlog.get_logger()


class Keys:
    """Encrypts and decrypts with the keys of a folder.

    Keys come and go under the running process. A folder that cannot be read leaves the last
    good ring in force.
    """

    def __init__(self, folder: str) -> None:
        """Without a folder there are no secrets here, and nothing is missing."""
        self._folder = Path(folder) if folder else None
        self._ring: KeyRing | None = None
        self._problem: str | None = None
        self.refresh()

    def problem(self) -> str | None:
        """Why secrets cannot be read or set as they should, as a sentence."""
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
        if self._ring is None or found.key_ids != self._ring.key_ids:
            log.info("keys read", key_ids=found.key_ids)
        self._ring = found
        self._tell(None)

    async def follow(self, stopping: asyncio.Event) -> None:
        """Look at the files every few seconds."""
        while not await set_within(stopping, LOOK_SECONDS):
            self.refresh()

    @property
    def newest(self) -> str:
        """The id of the key that encrypts."""
        return self._usable().newest

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All ids; none where there is no folder."""
        return self._ring.key_ids if self._ring else ()

    def seal(self, ref: Ref, value: str) -> Sealed:
        """Encrypt under the newest key; raises `FailedPrecondition` KEY_RING_UNUSABLE."""
        return self._usable().encrypt(value.encode(), bind(*ref.bound_to))

    def open(self, ref: Ref, sealed: Sealed) -> str:
        """Decrypt.

        Raises `FailedPrecondition` KEY_RING_UNUSABLE, `Unavailable` KEY_MISSING
        and `Internal` VALUE_ALTERED.
        """
        bound = bind(*ref.bound_to)
        try:
            return self._usable().decrypt(sealed, bound).decode()
        except Unavailable:
            # Another replica has begun to use a key that has only just come here.
            self.refresh()
            return self._usable().decrypt(sealed, bound).decode()

    def _usable(self) -> KeyRing:
        if self._ring is None:
            raise FailedPrecondition(
                "KEY_RING_UNUSABLE",
                self._problem or "No keys: name their folder with CONSERJE_TENANT_KEYS_FOLDER.",
            )
        return self._ring

    def _tell(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            log.warning("key ring", problem=problem)
