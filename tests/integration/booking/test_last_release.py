"""The function by which the last release takes locks, beside today's."""

from __future__ import annotations

from services.booking.domain import Lock
from services.booking.locks.pricing import Priced
from services.booking.locks.settled import lock_columns
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent

AS_BEFORE = """
SELECT item, reason, lock_id, split
FROM take_locks(true, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ORDER BY item
"""
ITS_COLUMNS = 15


async def test_locks_are_taken_as_the_last_release_asks_for_them(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """The same request, asked for twice and then of today, is the same lock."""
    first = hotel.request("double")
    asked = [first, hotel.request("suite"), first, hotel.request("suite")]
    columns = list(lock_columns(asked, [Priced(version=0) for _ in asked])[:ITS_COLUMNS])
    columns[-2] = [f"{{{','.join(['70'] * one.stay.night_count)}}}" for one in asked]
    rows = await sql.fetch(AS_BEFORE, *columns)
    assert [(row["reason"], row["split"]) for row in rows] == [("", None)] * 3 + [
        ("SOLD_OUT", None)
    ]
    assert rows[0]["lock_id"] == rows[2]["lock_id"] != rows[1]["lock_id"]
    (again,) = await store.acquire([first])
    assert isinstance(again, Lock)
    assert again.lock_id == rows[0]["lock_id"]
    await assert_consistent(sql)
