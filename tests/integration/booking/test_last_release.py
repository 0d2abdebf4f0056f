"""The functions by which the last release takes locks, beside today's."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from services.booking.domain import Lock
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent

AS_BEFORE = """
SELECT item, reason, metadata, lock_id, owner_token, nightly_prices, currency_code, split
FROM {function}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ORDER BY item
"""


@pytest.mark.parametrize("function", ["acquire_locks", "acquire_quoted_locks"])
async def test_locks_are_taken_as_the_last_release_asks_for_them(
    store: BookingStore, hotel: Hotel, sql: Sql, function: str
) -> None:
    """The prices that it sends are the lock's; the same request asked of today is the same lock."""
    asked = [hotel.request("double"), hotel.request("suite"), hotel.request("suite")]
    nights = asked[0].stay.night_count
    prices = [Decimal(price) for price in (70, 80, 90) for _ in range(nights)]
    rows = await sql.fetch(
        AS_BEFORE.format(function=function),
        [one.tenant_id for one in asked],
        [one.request_id for one in asked],
        [one.fingerprint() for one in asked],
        [one.room_type_id for one in asked],
        [one.stay.check_in for one in asked],
        [one.stay.check_out for one in asked],
        [one.guests.adult_count for one in asked],
        [one.guests.child_count for one in asked],
        [one.guest_id for one in asked],
        [uuid4() for _ in asked],
        [uuid4() for _ in asked],
        [0 for _ in asked],
        ["" for _ in asked],
        ["{}" for _ in asked],
        [0 for _ in asked],
        prices,
        [place * nights + 1 for place in range(len(asked))],
        ['{"terms": {}}' for _ in asked],
    )
    assert [row["reason"] for row in rows] == ["", "", "SOLD_OUT"]
    assert [row["nightly_prices"] for row in rows[:2]] == [[Decimal(70)] * nights, [80] * nights]
    assert [row["metadata"] for row in rows[:2]] == ['{"terms": {}}'] * 2
    (again,) = await store.acquire(asked[:1])
    assert isinstance(again, Lock)
    assert (again.lock_id, again.quote.nightly_prices) == (
        rows[0]["lock_id"],
        (Decimal(70),) * nights,
    )
    await assert_consistent(sql)
