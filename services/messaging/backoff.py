"""How long to wait before trying again."""

from __future__ import annotations

import random


def backoff(attempt: int, *, first: float, longest: float) -> float:
    """Seconds before the next try: doubling from `first`, with jitter, never over `longest`.

    The jitter takes up to half, so that what failed together does not return together.
    """
    full = min(longest, first * 2.0 ** min(max(attempt - 1, 0), 32))
    return full * random.uniform(0.5, 1.0)
