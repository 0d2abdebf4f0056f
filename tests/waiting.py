"""Waiting for what another task, or another process, does a moment later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable


async def eventually(
    condition: Callable[[], object | Awaitable[object]], seconds: float = 20.0
) -> None:
    """Wait until `condition`, which may have to be awaited, holds."""
    async with asyncio.timeout(seconds):
        while not await _asked(condition):  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(0.01)


async def _asked(condition: Callable[[], object | Awaitable[object]]) -> object:
    held = condition()
    return await held if isawaitable(held) else held
