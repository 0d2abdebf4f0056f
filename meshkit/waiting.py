"""Waiting for an event, for so long at most."""

from __future__ import annotations

import asyncio
import random

JITTER = 0.1


def jittered(seconds: float) -> float:
    """About so long: processes that were started together do not do all things together."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` is set within that time; with `stopping`, the pause of a worker's rounds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def first_of(*events: asyncio.Event, seconds: float | None = None) -> None:
    """Return when one is set, or the time is over, if there is one."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
