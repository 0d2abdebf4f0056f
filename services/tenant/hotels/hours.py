"""Spans of a day by the clock: `HH:MM` to `HH:MM`, past midnight when the end is not later."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

DAY = 24 * 60


def overlap(spans: Sequence[tuple[str, str]]) -> bool:
    """Whether a minute is in two of the spans that begin on one day."""
    taken = sorted(_minutes(*span) for span in spans)
    return any(before[1] > after[0] for before, after in pairwise(taken))


def _minutes(open_time: str, close_time: str) -> tuple[int, int]:
    start, end = _minute(open_time), _minute(close_time)
    return start, end if end > start else end + DAY


def _minute(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)
