"""Leases are renewed while somebody works under them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from meshkit.errors import Unavailable
from meshkit.waiting import set_within

DRAIN_SECONDS = 0.1
"""How often to look in the drain whether all that was under way has ended."""

Held: TypeAlias = tuple[int, int]
"""What is leased, and the number of its lease."""


async def hold(
    stopping: asyncio.Event,
    held: Callable[[], Sequence[Held]],
    renew: Callable[[Sequence[Held], float], Awaitable[None]],
    seconds: float,
) -> None:
    """Renew what is `held` every third of a lease of `seconds`, also in the drain, to its end."""
    pause = seconds / 3
    while not stopping.is_set() or held():
        if stopping.is_set():
            await asyncio.sleep(min(pause, DRAIN_SECONDS))
        else:
            await set_within(stopping, pause)
        if leases := held():
            # The database is away: a lease that runs out is somebody else's.
            with suppress(Unavailable):
                await renew(leases, seconds)
