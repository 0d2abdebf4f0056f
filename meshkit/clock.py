"""Time as a dependency, so that a test can say what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where a decision takes its time from."""

    def now(self) -> datetime:
        """The wall clock, always aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The wall clock in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment."""
        return time.monotonic()


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, start: datetime) -> None:
        """`start` must be aware: a naive one would hide a time zone bug."""
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """The time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds it was advanced by."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass; the wall clock may be set back, durations never go back."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += max(seconds, 0.0)
