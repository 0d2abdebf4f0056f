"""Where guests' files are kept: the port, and the folder that is behind it by default.

A file lies under its hotel and its key. To keep one again under the same key
replaces it, so that whoever fetched it twice has kept it once.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Protocol
from uuid import uuid4

TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
"""Hotels' ids are nothing else; whatever else would be a path is refused."""
DRAFT_SECONDS = 3600.0
"""A draft that is older was left behind: no download takes so long."""


class Shelf(Protocol):
    """Keeps files. Every method raises `OSError` when it cannot."""

    async def draft(self) -> Path:
        """The path of a new, empty file to write to; it goes when it is not kept."""
        ...

    async def keep(self, draft: Path, tenant_id: str, key: int) -> None:
        """Take a draft as the hotel's file of this key: whole, or not at all."""
        ...

    async def read(self, tenant_id: str, key: int) -> bytes:
        """What was kept; raises `FileNotFoundError` where nothing is."""
        ...

    async def remove(self, tenant_id: str, key: int) -> None:
        """Forget a file, if it is there."""
        ...

    async def tidy(self) -> int:
        """Remove drafts that were left behind; how many."""
        ...


class Folder:
    """A shelf on this machine. Its files are readable by this user alone, and not encrypted.

    `hotel/ef/abcdef`: the last two digits of a key part a hotel's files into 256 folders.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._drafts = path / ".drafts"

    async def draft(self) -> Path:
        """A file beside the kept ones, so that keeping it is one rename."""
        return await asyncio.to_thread(self._draft)

    async def keep(self, draft: Path, tenant_id: str, key: int) -> None:
        """On the disk before it has its name, and its name is on the disk before this returns."""
        place = self._place(tenant_id, key)
        await asyncio.to_thread(_make, self._path, place.parent.parent, place.parent)
        await asyncio.to_thread(_move, draft, place)

    async def read(self, tenant_id: str, key: int) -> bytes:
        """The whole file."""
        return await asyncio.to_thread(self._place(tenant_id, key).read_bytes)

    async def remove(self, tenant_id: str, key: int) -> None:
        """Folders stay: others may be putting something into them."""
        await asyncio.to_thread(self._place(tenant_id, key).unlink, missing_ok=True)

    async def tidy(self) -> int:
        """By the time of their last change."""
        return await asyncio.to_thread(self._tidy)

    def _draft(self) -> Path:
        _make(self._path, self._drafts)
        path = self._drafts / uuid4().hex
        path.touch(mode=0o600, exist_ok=False)
        return path

    def _place(self, tenant_id: str, key: int) -> Path:
        if not TENANT.fullmatch(tenant_id):
            raise ValueError(f"no folder has the name {tenant_id!r}")
        name = f"{key:x}"
        return self._path / tenant_id / name[-2:] / name

    def _tidy(self) -> int:
        count, oldest = 0, time.time() - DRAFT_SECONDS
        for path in self._drafts.glob("*"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
                count += 1
        return count


def _make(*folders: Path) -> None:
    """Each in turn: the mode is only that of a folder, never of those above it."""
    for folder in folders:
        folder.mkdir(mode=0o700, parents=folder is folders[0], exist_ok=True)


def _move(draft: Path, place: Path) -> None:
    _sync(draft)
    draft.replace(place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
