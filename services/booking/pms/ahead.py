"""Keeps the next nights of every connected hotel warm: one call a hotel and minute, in all."""

from __future__ import annotations

import asyncio
import datetime as dt

import structlog

from meshkit import deadlines
from meshkit.clock import Clock
from meshkit.errors import MeshError
from meshkit.waiting import set_within
from services.booking.pms.connections import Connected, Connections
from services.booking.pms.nights import PmsNights

NIGHTS = 90
AHEAD_SECONDS = 58.0
"""A little less than what is sold from without asking."""
LOOK_SECONDS = 2.0
CALL_SECONDS = 10.0
"""Ninety nights take a small system longer than a guest would wait."""
AT_ONCE = 16

log = structlog.get_logger()


class ReadAhead:
    """Asks before guests do; replicas share the work through Redis."""

    def __init__(self, connections: Connections, nights: PmsNights, clock: Clock) -> None:
        self._connections = connections
        self._nights = nights
        self._clock = clock
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look every other second whose turn it is."""
        while not stopping.is_set():
            try:
                await self.round()
            except MeshError as error:
                log.debug("no read-ahead", reason=error.reason)
            await set_within(stopping, LOOK_SECONDS)

    async def round(self) -> None:
        """Ask for every hotel that nobody has asked for in the last minute."""
        await asyncio.gather(*(self._one(hotel) for hotel in await self._connections.all()))

    async def _one(self, hotel: Connected) -> None:
        async with self._slots:
            if not await self._nights.turn(hotel, "ahead", AHEAD_SECONDS):
                return
            # A day early: where the hotel is, today may have begun later than here.
            first = self._clock.now().date() - dt.timedelta(days=1)
            try:
                with deadlines.scope(CALL_SECONDS):
                    await self._nights.refresh(hotel, first, first + dt.timedelta(days=NIGHTS + 1))
            except MeshError as error:
                log.debug("no read-ahead", reason=error.reason)
