"""A hotel that rests for its token goes on as soon as it has another."""

from __future__ import annotations

import asyncio
from collections.abc import Set

import structlog

from meshkit.errors import Unavailable
from meshkit.waiting import first_of, set_within
from services.messaging.store.outbox import OutboxStore
from services.messaging.wake import Wake
from services.messaging.whatsapp.codes import TOKEN_CODES

AGAIN_SECONDS = 1.0

log = structlog.get_logger()


class Resuming:
    """Ends the rest of hotels whose token is another now."""

    def __init__(self, store: OutboxStore, messages: Wake) -> None:
        self._store = store
        self._messages = messages
        self._hotels: set[str] = set()
        self._told = asyncio.Event()

    def resume(self, hotels: Set[str]) -> None:
        """These have another token."""
        self._hotels |= hotels
        self._told.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Do it until `stopping` is set; what fails is done again."""
        while not stopping.is_set():
            await first_of(stopping, self._told, seconds=60.0)
            self._told.clear()
            try:
                await self._resume_all()
            except Unavailable:
                self._told.set()
                await set_within(stopping, AGAIN_SECONDS)

    async def _resume_all(self) -> None:
        while self._hotels:
            tenant_id = min(self._hotels)
            count = await self._store.resume(tenant_id, TOKEN_CODES)
            self._hotels.discard(tenant_id)
            if count:
                log.info("hotel sends again", tenant_id=tenant_id, messages=count)
                self._messages.set()
