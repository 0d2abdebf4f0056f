"""How much time is left: a budget that shrinks on its way down the mesh.

The server puts the caller's remaining time here; every outgoing call, query and
wait takes its timeout from it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

RESERVE = 0.020
"""Seconds a server keeps of the caller's budget, to answer before the caller leaves."""
READ_FLOOR = 0.010
"""A read with less than this is refused: it would be work for nobody."""
WRITE_FLOOR = 0.050
"""A write with less than this is refused: it would likely end with an unknown outcome."""
DEFAULT_TIMEOUT = 5.0
"""Seconds for an outgoing call of a caller who has no budget himself."""

_end: ContextVar[float | None] = ContextVar("deadline", default=None)


def remaining() -> float | None:
    """Seconds left, negative when over; None when nobody set a deadline."""
    end = _end.get()
    return None if end is None else end - time.monotonic()


def start(seconds: float | None) -> None:
    """Set the budget of this task for good; None takes an inherited one away."""
    _end.set(None if seconds is None else time.monotonic() + seconds)


def bounded(timeout: float = DEFAULT_TIMEOUT) -> float:
    """`timeout`, or what is left of the budget when that is less."""
    left = remaining()
    return timeout if left is None or left > timeout else left


@contextmanager
def scope(seconds: float) -> Iterator[None]:
    """At most `seconds` for what is inside, and never more than outside."""
    token = _end.set(time.monotonic() + bounded(seconds))
    try:
        yield
    finally:
        _end.reset(token)
