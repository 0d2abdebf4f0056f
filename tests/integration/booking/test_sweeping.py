"""Hygiene: lapsed locks end, old answers are forgotten, in small steps."""

from __future__ import annotations

import asyncpg
import pytest

from sandbox.databases import DatabaseUrls
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent


async def test_lapsed_locks_end_and_live_ones_stay(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await store.acquire([hotel.request("double") for _ in range(3)])
    await hotel.lapse()
    await store.acquire([hotel.request("double"), hotel.request("suite")])
    assert await store.sweep_locks() == 3
    assert await store.sweep_locks() == 0
    assert await hotel.counters("double", hotel.stay()) == [(1, 0)] * 2
    await assert_consistent(sql)


async def test_a_sweep_is_bounded(
    store: BookingStore, hotel: Hotel, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BookingStore, "SWEEP_BATCH", 2)
    await store.acquire([hotel.request("double") for _ in range(5)])
    await hotel.lapse()
    assert [await store.sweep_locks() for _ in range(4)] == [2, 2, 1, 0]
    await assert_consistent(sql)


async def test_a_type_that_is_being_decided_about_is_passed_over(
    store: BookingStore, hotel: Hotel, database: DatabaseUrls
) -> None:
    await store.acquire([hotel.request("double"), hotel.request("single")])
    await hotel.lapse()
    holder = await asyncpg.connect(database.owner_url)
    async with holder.transaction():
        await holder.execute("SELECT FROM room_type WHERE room_type_id = 'double' FOR UPDATE")
        assert await store.sweep_locks() == 1
    await holder.close()
    assert await store.sweep_locks() == 1


async def test_answers_are_kept_for_eight_days(
    store: BookingStore, hotel: Hotel, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BookingStore, "SWEEP_BATCH", 2)
    requests = [hotel.request("double") for _ in range(4)]
    await store.acquire(requests)
    age = "UPDATE request_answer SET create_time = create_time - $2::interval WHERE request_id = $1"
    for request, days in zip(requests, (7.9, 8.1, 8.1, 8.1), strict=True):
        await sql.execute(
            age.replace("$2::interval", f"interval '{days} days'"), request.request_id
        )
    assert [await store.sweep_answers() for _ in range(3)] == [2, 1, 0]
    left = await sql.fetch("SELECT request_id FROM request_answer")
    assert [row["request_id"] for row in left] == [requests[0].request_id]
