"""How one part of the process tells another that there is work, and how it waits for it."""

from __future__ import annotations

import asyncio
import random

from meshkit.waiting import set_within


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
            await set_within(self._event, seconds * random.uniform(0.75, 1.25))
        finally:
            self._event.clear()
