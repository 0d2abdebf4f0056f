"""What was worked out last is kept, and no more of it than is allowed."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from services.booking.recent import Recent
from services.booking.rooms.seats import Seats
from services.booking.search.domain import Counters


def test_the_least_asked_for_is_forgotten() -> None:
    recent: Recent[int, str] = Recent(3)
    for number in range(3):
        recent.keep(number, str(number))
    assert recent.get(0) == "0"
    recent.keep(3, "3")
    assert [recent.get(number) for number in range(4)] == ["0", None, "2", "3"]
    recent.keep(2, "two")
    assert len(recent) == 3
    assert recent.get(2) == "two"


def test_what_weighs_more_counts_for_several() -> None:
    recent: Recent[int, str] = Recent(5)
    for number in range(5):
        recent.keep(number, str(number))
    recent.keep(5, "heavy", 3)
    assert [number for number in range(6) if recent.get(number)] == [3, 4, 5]
    recent.keep(5, "light")
    for number in (6, 7):
        recent.keep(number, str(number))
    assert [number for number in range(8) if recent.get(number)] == [3, 4, 5, 6, 7]
    recent.keep(8, "too heavy", 6)
    assert len(recent) == 0


def test_counters_near_pins_weigh_what_is_read_with_them() -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    empty = Counters(1, now.date(), now, None, now.date(), {"double": [5] * 16})
    assert empty.weight == 1
    taken = [(number % 20, number, number + 1, False) for number in range(2000)]
    assert replace(empty, seats={"double": Seats(range(20), taken)}).weight == 101
