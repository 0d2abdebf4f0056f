"""Clocks and budgets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from meshkit import deadlines
from meshkit.clock import Clock, FakeClock, SystemClock


@pytest.fixture(params=[SystemClock, lambda: FakeClock(datetime(2026, 3, 1, tzinfo=UTC))])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_a_clock_is_aware_and_in_utc(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)


def test_durations_never_go_back(clock: Clock) -> None:
    assert clock.monotonic() <= clock.monotonic()


def test_a_fake_clock_goes_on_when_told() -> None:
    zone = timezone(timedelta(hours=2))
    clock = FakeClock(datetime(2026, 3, 1, 1, tzinfo=zone))
    assert clock.now() == datetime(2026, 2, 28, 23, tzinfo=UTC)
    clock.advance(90)
    assert clock.now() == datetime(2026, 2, 28, 23, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90
    clock.advance(-3600)
    assert clock.now() == datetime(2026, 2, 28, 22, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        FakeClock(datetime(2026, 3, 1))


def test_without_a_deadline_there_is_no_end_and_calls_get_the_default() -> None:
    assert deadlines.remaining() is None
    assert deadlines.bounded() == deadlines.DEFAULT_TIMEOUT
    assert deadlines.bounded(9.0) == 9.0


def test_scopes_only_ever_take_away() -> None:
    with deadlines.scope(1.0):
        with deadlines.scope(100.0):
            assert deadlines.bounded() <= 1.0
        with deadlines.scope(0.1):
            assert deadlines.bounded() <= 0.1
        assert deadlines.bounded() > 0.1
    assert deadlines.remaining() is None


async def test_a_budget_belongs_to_its_task() -> None:
    async def spend() -> float | None:
        deadlines.start(0.5)
        return deadlines.remaining()

    left = await asyncio.create_task(spend())
    assert left is not None
    assert left <= 0.5
    assert deadlines.remaining() is None


async def test_a_task_may_be_freed_of_its_callers_budget() -> None:
    async def free() -> float | None:
        deadlines.start(None)
        return deadlines.remaining()

    with deadlines.scope(0.5):
        assert await asyncio.create_task(free()) is None
