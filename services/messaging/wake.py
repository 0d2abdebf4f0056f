"""How one part of the process tells another that there is work, and how it waits for it."""

from __future__ import annotations

import asyncio
import random


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait `seconds`, or less when the process is told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


class Wake:
    """Set by whoever made work; the worker waits for it or for the next poll."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """There is work."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Until there is work in this process, or about `seconds` for that of others."""
        try:
            async with asyncio.timeout(seconds * random.uniform(0.75, 1.25)):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()
