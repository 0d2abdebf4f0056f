"""What is free, read from the counters in one statement."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from meshkit.errors import InvalidArgument, NotFound
from meshkit.postgres import Postgres
from services.booking.domain import Lock, Stay
from services.booking.search.domain import search
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql
from tests.integration.booking.searching import Searches


async def free(
    searches: Searches, hotel: Hotel, first: int = 10, nights: int = 2
) -> dict[str, int]:
    """Free rooms by type."""
    stay = hotel.stay(first, nights)
    inventory = await searches.inventory(hotel.tenant_id, stay)
    found = search(inventory, stay, hotel.request().guests)
    return {one.room_type.room_type_id: one.free_count for one in found.offers}


async def test_what_is_free_is_what_can_be_locked(
    store: BookingStore, searches: Searches, hotel: Hotel
) -> None:
    assert await free(searches, hotel) == {"single": 3, "double": 5, "suite": 1}
    await store.acquire([hotel.request("single"), hotel.request("suite")])
    assert await free(searches, hotel) == {"single": 2, "double": 5, "suite": 0}
    assert await free(searches, hotel, 12) == {"single": 3, "double": 5, "suite": 1}
    assert await free(searches, hotel, 9, 2) == {"single": 2, "double": 5, "suite": 0}


async def test_lapsed_locks_count_as_free(
    store: BookingStore, searches: Searches, hotel: Hotel
) -> None:
    kept, lapsed = await store.acquire([hotel.request("single"), hotel.request("single")])
    assert isinstance(lapsed, Lock)
    await hotel.lapse(lapsed.lock_id)
    assert (await free(searches, hotel))["single"] == 2
    assert isinstance(kept, Lock)
    inventory = await searches.inventory(hotel.tenant_id, hotel.stay())
    assert inventory.counters.first_expiry == kept.expire_time


async def test_one_statement_whatever_the_size(
    searches: Searches, postgres: Postgres, hotel: Hotel
) -> None:
    await searches.inventory(hotel.tenant_id, hotel.stay())  # What it sells is kept from now on.
    for nights in (1, 40):
        before = postgres.statements
        await searches.inventory(hotel.tenant_id, hotel.stay(5, nights))
        assert postgres.statements - before == 1


async def test_near_pins_what_is_free_is_what_can_be_locked(
    store: BookingStore, searches: Searches, postgres: Postgres, hotel: Hotel
) -> None:
    """Rooms sold as these very ones: each night has one left, both nights have none; and still
    one statement."""
    await searches.inventory(hotel.tenant_id, hotel.stay())
    for first, room_id in ((10, "single-1"), (10, "single-2"), (11, "single-3")):
        asked = replace(hotel.request("single", hotel.stay(first, 1)), room_id=room_id)
        (lock,) = await store.acquire([asked])
        assert isinstance(lock, Lock)
    before = postgres.statements
    found = [await free(searches, hotel, first, nights) for first, nights in ((10, 2), (10, 1))]
    assert postgres.statements - before == 2
    assert [one["single"] for one in found] == [0, 1]
    assert found[0]["double"] == 5
    (refused,) = await store.acquire([hotel.request("single")])
    assert not isinstance(refused, Lock)
    # Who holds one of them until then is the first whose end makes a room free.
    assert (await searches.inventory(hotel.tenant_id, hotel.stay(14))).counters.first_expiry


async def test_near_pins_who_arrives_long_before_makes_room_too(
    store: BookingStore, searches: Searches, sql: Sql
) -> None:
    """Room 1 has somebody who arrives more than a week before, and could as well be in room 2."""
    hotel = await Hotel.create(sql, "twins", {"twin": 2})

    async def take(first: int, nights: int, room_id: str = "") -> Lock:
        asked = replace(hotel.request("twin", hotel.stay(first, nights)), room_id=room_id)
        (lock,) = await store.acquire([asked])
        assert isinstance(lock, Lock)
        return lock

    elsewhere = await take(1, 1, "twin-2")
    await take(1, 13)
    await hotel.lapse(elsewhere.lock_id)
    await take(15, 1, "twin-2")
    assert await free(searches, hotel, 13, 3) == {"twin": 1}
    await take(13, 3)


async def test_only_its_own_hotel(
    store: BookingStore, searches: Searches, hotel: Hotel, sql: Sql
) -> None:
    other = await Hotel.create(sql, "luna", {"suite": 2})
    await store.acquire([other.request("suite")])
    assert await free(searches, other) == {"suite": 1}
    assert (await free(searches, hotel))["suite"] == 1


async def test_a_hotel_without_inventory(searches: Searches, hotel: Hotel, sql: Sql) -> None:
    await Hotel.create(sql, "empty", {})
    for tenant_id in ("empty", "nobody"):
        with pytest.raises(NotFound, match="PROPERTY_UNKNOWN"):
            await free(searches, replace(hotel, tenant_id=tenant_id))


async def test_the_farthest_days_that_are_counted(searches: Searches, hotel: Hotel) -> None:
    """Dates that a guest's phone may send, far outside of what can be sold."""
    last = Stay(dt.date(9995, 12, 29), dt.date(9995, 12, 31))
    for stay in (hotel.stay(4000), last):
        found = await searches.inventory(hotel.tenant_id, stay)
        assert found.counters.free == {}
        with pytest.raises(InvalidArgument) as caught:
            search(found, stay, hotel.request().guests)
        night = hotel.today + dt.timedelta(days=59)
        assert caught.value.metadata["last_night"] == str(night)
