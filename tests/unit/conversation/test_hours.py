"""Is the hotel open now, and when next: by its own clocks, also when they change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messaging.conversation.hours import Hours, Span

MADRID = ZoneInfo("Europe/Madrid")
DAY_SHIFT = (Span(time(8), time(13)), Span(time(16), time(20)))
NIGHT = (Span(time(22), time(2)),)
ALWAYS = Hours("Europe/Madrid", {day: (Span(time(), time()),) for day in range(7)})


def local(text: str, fold: int = 0) -> datetime:
    """An instant by the clocks of Madrid."""
    return datetime.fromisoformat(text).replace(tzinfo=MADRID, fold=fold).astimezone(UTC)


# 2026-11-23 is a Monday.
WEEK = Hours(
    "Europe/Madrid",
    {0: DAY_SHIFT, 4: NIGHT},
    {date(2026, 11, 30): (), date(2026, 12, 2): (Span(time(10), time(11)),)},
)


@pytest.mark.parametrize(
    ("now", "until", "opens"),
    [
        ("2026-11-23T07:59", None, "2026-11-23T08:00"),
        ("2026-11-23T08:00", "2026-11-23T13:00", "2026-11-23T08:00"),
        ("2026-11-23T12:59", "2026-11-23T13:00", "2026-11-23T12:59"),
        ("2026-11-23T13:00", None, "2026-11-23T16:00"),
        ("2026-11-23T20:00", None, "2026-11-27T22:00"),
        # Past midnight, on the evening's account.
        ("2026-11-28T01:59", "2026-11-28T02:00", "2026-11-28T01:59"),
        # The Monday after is a holiday, and that Wednesday is not closed.
        ("2026-11-28T02:00", None, "2026-12-02T10:00"),
        ("2026-12-02T10:30", "2026-12-02T11:00", "2026-12-02T10:30"),
    ],
)
def test_open_now_and_next(now: str, until: str | None, opens: str) -> None:
    assert WEEK.open_until(local(now)) == (until and local(until))
    assert WEEK.opens_at(local(now)) == local(opens)


def test_a_holiday_does_not_end_the_night_before() -> None:
    hours = Hours("Europe/Madrid", dict.fromkeys(range(7), NIGHT), {date(2026, 12, 25): ()})
    assert hours.open_until(local("2026-12-25T01:00")) == local("2026-12-25T02:00")
    assert hours.opens_at(local("2026-12-25T02:00")) == local("2026-12-26T22:00")


def test_who_never_closes_and_who_never_opens() -> None:
    now = local("2026-11-23T10:00")
    until = ALWAYS.open_until(now)
    assert until is not None
    assert until - now > timedelta(days=365)
    never = Hours("Europe/Madrid", {}, {date(2026, 11, 22): DAY_SHIFT})
    assert (never.open_until(now), never.opens_at(now)) == (None, None)


def test_spans_that_touch_are_one() -> None:
    hours = Hours("Europe/Madrid", {0: (Span(time(20), time()),), 1: (Span(time(), time(6)),)})
    assert hours.open_until(local("2026-11-23T21:00")) == local("2026-11-24T06:00")


def test_the_night_on_which_the_clocks_go_back_is_an_hour_longer() -> None:
    # 2026-10-25, 03:00 becomes 02:00.
    hours = Hours("Europe/Madrid", {5: (Span(time(22), time(4)),)})
    first, second = local("2026-10-25T02:30"), local("2026-10-25T02:30", fold=1)
    assert second - first == timedelta(hours=1)
    until = hours.open_until(local("2026-10-24T22:00"))
    assert until == hours.open_until(first) == hours.open_until(second)
    assert until is not None
    assert until - local("2026-10-24T22:00") == timedelta(hours=7)


def test_of_a_closing_time_that_comes_twice_the_first_is_meant() -> None:
    hours = Hours("Europe/Madrid", {5: (Span(time(22), time(2, 30)),)})
    assert hours.open_until(local("2026-10-25T02:29")) == local("2026-10-25T02:30")
    assert hours.open_until(local("2026-10-25T02:00", fold=1)) is None


def test_the_night_on_which_the_clocks_go_forward_is_an_hour_shorter() -> None:
    # 2027-03-28, 02:00 becomes 03:00.
    hours = Hours("Europe/Madrid", {5: (Span(time(22), time(4)),)})
    start = local("2027-03-27T22:00")
    until = hours.open_until(start)
    assert until is not None
    assert until - start == timedelta(hours=5)


def test_a_span_within_the_hour_that_is_skipped_opens_when_that_hour_would_have() -> None:
    hours = Hours("Europe/Madrid", {6: (Span(time(2, 15), time(2, 45)),)})
    before = local("2027-03-28T01:00")
    opens = hours.opens_at(before)
    assert opens == local("2027-03-28T03:15")
    assert hours.open_until(local("2027-03-28T03:15")) == local("2027-03-28T03:45")


QUARTERS = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
SPANS = st.lists(st.builds(Span, QUARTERS, QUARTERS), max_size=3).map(tuple)
# A fortnight around each change of the clocks, and one without any.
STARTS = st.sampled_from([date(2026, 10, 20), date(2027, 3, 22), date(2026, 6, 1)])


@given(
    st.dictionaries(st.integers(0, 6), SPANS),
    st.dictionaries(st.integers(0, 9), SPANS, max_size=3),
    STARTS,
    st.integers(0, 10 * 96),
)
def test_it_agrees_with_looking_at_every_quarter_of_an_hour(
    week: dict[int, tuple[Span, ...]],
    exceptions: dict[int, tuple[Span, ...]],
    start: date,
    quarter: int,
) -> None:
    other = {start + timedelta(days=ahead): spans for ahead, spans in exceptions.items()}
    hours = Hours("Europe/Madrid", week, other)
    first = datetime.combine(start, time(), MADRID).astimezone(UTC)
    now = first + timedelta(minutes=15 * quarter)
    spans = [
        span.on(start + timedelta(days=ahead), MADRID)
        for ahead in range(-2, 30)
        for span in hours.of(start + timedelta(days=ahead))
    ]

    def is_open(moment: datetime) -> bool:
        return any(begin <= moment < end for begin, end in spans)

    until, opens = hours.open_until(now), hours.opens_at(now)
    assert (until is not None) == is_open(now)
    if until is not None and until < now + timedelta(days=8):
        assert not is_open(until)
        assert all(
            is_open(now + step * timedelta(minutes=15))
            for step in range((until - now) // timedelta(minutes=15))
        )
    if opens is not None and opens < now + timedelta(days=8):
        assert is_open(opens)
        assert not any(
            is_open(now + step * timedelta(minutes=15))
            for step in range((opens - now) // timedelta(minutes=15))
        )
