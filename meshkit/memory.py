"""Big tables in memory, made and dropped without holding the event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LET_GO = 1000
"""Entries dropped between two ticks of the loop, in about 0.2 ms."""


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """No search for cycles while a table is made, nor among its entries afterwards.

    They have none, and looking through a hundred thousand of them takes more than 10 ms.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()


async def let_go(table: dict[Any, Any]) -> None:
    """Empty a table that nobody reads any more, a little at a time."""
    while table:
        for _ in range(min(len(table), LET_GO)):
            table.popitem()
        await asyncio.sleep(0)
