"""Nights are dates. `google.type.Date` on the wire, `datetime.date` inside.

A stay is half-open, `[check-in, check-out)`: the day of departure is no night.
"""

from __future__ import annotations

import datetime as dt

from google.type.date_pb2 import Date

from meshkit.errors import InvalidArgument

_COUNTABLE_YEARS = range(10, 9996)
"""From their days some years can be counted, back and forth: the calendar has an end, and its
first and last day are Postgres's infinities to asyncpg."""


def to_date(message: Date, field: str) -> dt.date:
    """The day that `message` means; `field` is named when there is no such day.

    `google.type.Date` can also say "some day of 2026" (zeros); that is no day here.
    """
    try:
        day = dt.date(message.year, message.month, message.day)
    except ValueError:
        written = f"{message.year:04d}-{message.month:02d}-{message.day:02d}"
        raise InvalidArgument.field(field, f"{written} is not a day") from None
    if day.year not in _COUNTABLE_YEARS:
        raise InvalidArgument.field(field, f"{day} is too far away; name a day nearer to today")
    return day


def from_date(day: dt.date, into: Date | None = None) -> Date:
    """`day` as a message: written into `into` when one is given."""
    message = Date() if into is None else into
    message.year, message.month, message.day = day.year, day.month, day.day
    return message


def nights(check_in: dt.date, check_out: dt.date) -> list[dt.date]:
    """The nights of a stay in order; empty when the dates are equal or reversed."""
    count = (check_out - check_in).days
    return [check_in + dt.timedelta(days=number) for number in range(count)]
