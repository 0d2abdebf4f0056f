"""The demo hotels: sellable today, on any day, and loaded as often as one likes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import uuid4

from meshkit.money import Money
from sandbox.databases import DatabaseUrls
from sandbox.demo import inventory
from services.booking.domain import Guests, Lock, LockRequest, Stay
from services.booking.search.domain import search
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Sql
from tests.integration.booking.searching import Searches

SELECT_NIGHTS = """
SELECT n.tenant_id, n.room_type_id, count(*) AS nights,
    min(n.night) - (clock_timestamp() AT TIME ZONE p.time_zone)::date AS first
FROM night_inventory n JOIN property p ON p.tenant_id = n.tenant_id
GROUP BY n.tenant_id, n.room_type_id, p.time_zone
"""

SELECT_TODAY = """
SELECT (clock_timestamp() AT TIME ZONE time_zone)::date FROM property WHERE tenant_id = $1
"""


async def test_540_nights_from_the_propertys_today(database: DatabaseUrls, sql: Sql) -> None:
    await inventory.load(database.owner_url)
    rows = await sql.fetch(SELECT_NIGHTS)
    assert len(rows) == 6
    assert {(row["nights"], row["first"]) for row in rows} == {(540, 0)}


async def test_loading_again_keeps_what_happened_and_adds_what_is_missing(
    database: DatabaseUrls, sql: Sql, store: BookingStore
) -> None:
    await inventory.load(database.owner_url)
    today = await sql.fetchval(SELECT_TODAY, "hotel-mirador")
    stay = Stay(today, today + dt.timedelta(days=2))
    request = LockRequest("hotel-mirador", uuid4(), "suite", stay, Guests(2, 0), "guest")
    (lock,) = await store.acquire([request])
    assert isinstance(lock, Lock)
    await sql.execute("DELETE FROM night_inventory WHERE night > $1", stay.check_out)
    await inventory.load(database.owner_url)
    assert {row["nights"] for row in await sql.fetch(SELECT_NIGHTS)} == {540}
    held = "SELECT sum(held) FROM night_inventory WHERE tenant_id = 'hotel-mirador'"
    assert await sql.fetchval(held) == 2


async def test_prices_differ_by_the_night_and_can_be_paid(
    database: DatabaseUrls, searches: Searches, sql: Sql
) -> None:
    await inventory.load(database.owner_url)
    for hotel in inventory.PROPERTIES:
        today = await sql.fetchval(SELECT_TODAY, hotel.tenant_id)
        week = Stay(today, today + dt.timedelta(days=7))
        found = search(await searches.inventory(hotel.tenant_id, week), week, Guests(1, 0))
        assert {one.quote.currency_code for one in found.offers} == {hotel.currency_code}
        for offer in found.offers:
            prices = offer.quote.nightly_prices
            assert len(set(prices)) == 2
            assert offer.free_count == len(_rooms(hotel, offer.room_type.room_type_id))
            assert all(Money(one, hotel.currency_code).is_payable() for one in prices)
    assert {one.currency_code for one in inventory.PROPERTIES} == {"EUR", "MXN"}


def test_weekend_nights_begin_on_friday_and_saturday() -> None:
    (double,) = (one for one in inventory.PROPERTIES[0].room_types if one.room_type_id == "doble")
    monday = dt.date(2026, 12, 7)
    week = [double.price(monday + dt.timedelta(days=number)) for number in range(7)]
    weekday, weekend = Decimal("95.00"), Decimal("118.00")
    assert week == [weekday] * 4 + [weekend] * 2 + [weekday]


def _rooms(hotel: inventory.DemoProperty, room_type_id: str) -> tuple[str, ...]:
    return next(one.room_numbers for one in hotel.room_types if one.room_type_id == room_type_id)
