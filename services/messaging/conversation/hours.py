"""When somebody of the hotel is there: weekly hours, dates that differ, by the hotel's clocks.

A span belongs to the day on which it begins, and may end on the next. Its ends are instants:
of a time that the clocks show twice the first is meant, one that they skip is read by the
offset from before, so a night on which the clocks change is an hour longer or shorter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

DAY = dt.timedelta(days=1)
LOOK_AHEAD_DAYS = 400
"""More than a year, so that a hotel that opens on one date a year is found."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end` by the clock; to the next day when `end` is not later."""

    start: dt.time
    end: dt.time

    def on(self, day: dt.date, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
        """The instants at which it begins and ends when it begins on `day`."""
        last = day if self.end > self.start else day + DAY
        return _instant(day, self.start, zone), _instant(last, self.end, zone)


@dataclass(frozen=True, slots=True)
class Hours:
    """The spans of each day of the week (Monday is 0) and of the dates that differ."""

    time_zone: str
    week: Mapping[int, Sequence[Span]] = field(default_factory=dict)
    exceptions: Mapping[dt.date, Sequence[Span]] = field(default_factory=dict)

    def of(self, day: dt.date) -> Sequence[Span]:
        """The spans that begin on a date, earliest first."""
        spans = self.exceptions.get(day, self.week.get(day.weekday(), ()))
        return sorted(spans, key=lambda span: span.start)

    def open_until(self, now: dt.datetime) -> dt.datetime | None:
        """When it closes, if it is open now; far ahead for one that never closes."""
        end: dt.datetime | None = None
        for start, last in self._ahead(now):
            if start > (end or now):
                break
            end = max(end or last, last)
        return end

    def opens_at(self, now: dt.datetime) -> dt.datetime | None:
        """When it opens next; `now` when it is open, None when it does not for a year."""
        start = next((start for start, _ in self._ahead(now)), None)
        return None if start is None else max(start, now)

    def _ahead(self, now: dt.datetime) -> Iterator[tuple[dt.datetime, dt.datetime]]:
        """The spans that have not ended, in the order in which they begin."""
        zone = ZoneInfo(self.time_zone)
        today = now.astimezone(zone).date()
        # A span of yesterday may go on today; one of the day before cannot.
        for ahead in range(-1, LOOK_AHEAD_DAYS):
            day = today + ahead * DAY
            # Across a change of the clocks a later time of the day may come first.
            for start, end in sorted(span.on(day, zone) for span in self.of(day)):
                # One that lies in the hour that the clocks skip is empty.
                if end > max(start, now):
                    yield start, end


def _instant(day: dt.date, time: dt.time, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(day, time, zone).astimezone(dt.UTC)
