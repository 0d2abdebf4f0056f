"""Ids for locks, many at once: one system call for the randomness of a batch."""

from __future__ import annotations

import os
import time
from uuid import UUID

SIZE = 16
TIME_SIZE = 6
VARIANT = 0x80
"""Two bits, see RFC 9562."""


def time_ordered(count: int) -> list[UUID]:
    """Version 7 (RFC 9562): the milliseconds of now, then 74 random bits.

    What is new comes together in an index instead of all over it.
    """
    now = (time.time_ns() // 1_000_000).to_bytes(TIME_SIZE, "big")
    return [_version_7(now + one[TIME_SIZE:]) for one in _random(count)]


def secret(count: int) -> list[UUID]:
    """Version 4: 122 random bits, nobody's to guess."""
    return [UUID(bytes=one, version=4) for one in _random(count)]


def _random(count: int) -> list[bytes]:
    pool = os.urandom(SIZE * count)
    return [pool[start : start + SIZE] for start in range(0, len(pool), SIZE)]


def _version_7(value: bytes) -> UUID:
    """The standard library of Python 3.11 knows of none above 5."""
    middle = bytes((7 << 4 | value[6] & 0x0F, value[7], VARIANT | value[8] & 0x3F))
    return UUID(bytes=value[:6] + middle + value[9:])
