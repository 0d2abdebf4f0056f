"""Hears from the database that the directory has changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import structlog

from meshkit.waiting import first_of, set_within

CHANNEL = "directory"
CONNECT_SECONDS = 3.0
PAUSE_SECONDS = 1.0
PROBE_SECONDS = 5.0
"""A server that vanished sends nothing; it is asked, so that a deaf connection is noticed."""
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

log = structlog.get_logger()


class Listener:
    """Calls `heard` for every change, over a connection of its own.

    While that is away nothing is heard and the refresher's own looks must do; so `heard` is
    called after connecting too, for what was missed.
    """

    def __init__(self, url: str, heard: Callable[[], None]) -> None:
        self._url = url
        self._heard = heard
        self._lost = asyncio.Event()
        self._problem: str | None = "Changes of the directory are not heard yet."

    def problem(self) -> str | None:
        """Why nothing is heard; None while it is."""
        return self._problem

    async def run(self, stopping: asyncio.Event) -> None:
        """Listen until `stopping` is set, connecting again whenever it is necessary."""
        while not stopping.is_set():
            try:
                self._lost.clear()
                async with self._connected() as connection:
                    await self._listen(connection, stopping)
            except AWAY as error:
                self._tell(f"Changes of the directory are not heard: {type(error).__name__}.")
                await set_within(stopping, PAUSE_SECONDS * random.uniform(0.5, 1.5))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            command_timeout=CONNECT_SECONDS,
            server_settings={"application_name": "conserje-tenant-listener"},
        )
        try:
            yield connection
        finally:
            connection.terminate()

    async def _listen(self, connection: asyncpg.Connection, stopping: asyncio.Event) -> None:
        connection.add_termination_listener(lambda _: self._lost.set())
        await connection.add_listener(CHANNEL, lambda *_: self._heard())
        self._tell(None)
        self._heard()
        while not stopping.is_set():
            await first_of(stopping, self._lost, seconds=PROBE_SECONDS)
            await connection.execute("SELECT 1")

    def _tell(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            log.info("directory listener", problem=problem)
