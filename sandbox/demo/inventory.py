"""What the two demo hotels sell: 540 nights from today, always.

Loaded at each start: what is missing is added, what is there stays, so the
nights reach as far ahead on any day and bookings made while trying survive.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import asyncpg

NIGHTS = 540
WEEKEND = (4, 5)
"""Nights that begin on a Friday or a Saturday."""


@dataclass(frozen=True)
class DemoRoomType:
    """A room type with its rooms and what a night costs."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    room_numbers: tuple[str, ...]
    weekday_price: Decimal
    weekend_price: Decimal

    def price(self, night: dt.date) -> Decimal:
        """What one room costs on a night."""
        return self.weekend_price if night.weekday() in WEEKEND else self.weekday_price


@dataclass(frozen=True)
class DemoProperty:
    """A hotel as the booking service knows it."""

    tenant_id: str
    time_zone: str
    currency_code: str
    room_types: tuple[DemoRoomType, ...]


PROPERTIES = (
    DemoProperty(
        "hotel-mirador",
        "Europe/Madrid",
        "EUR",
        (
            DemoRoomType(
                "individual",
                {"es": "Habitación individual", "en": "Single room"},
                1,
                ("101", "102", "103"),
                Decimal("68.00"),
                Decimal("79.50"),
            ),
            DemoRoomType(
                "doble",
                {"es": "Habitación doble", "en": "Double room"},
                3,
                ("201", "202", "203", "204", "205"),
                Decimal("95.00"),
                Decimal("118.00"),
            ),
            DemoRoomType(
                "suite",
                {"es": "Suite con vistas", "en": "Suite with a view"},
                4,
                ("301",),
                Decimal("180.00"),
                Decimal("225.50"),
            ),
        ),
    ),
    DemoProperty(
        "posada-luna",
        "America/Mexico_City",
        "MXN",
        (
            DemoRoomType(
                "individual",
                {"es": "Habitación individual", "en": "Single room"},
                1,
                ("1", "2", "3"),
                Decimal("890.00"),
                Decimal("1050.00"),
            ),
            DemoRoomType(
                "doble",
                {"es": "Habitación doble", "en": "Double room"},
                3,
                ("4", "5", "6", "7", "8"),
                Decimal("1290.00"),
                Decimal("1580.00"),
            ),
            DemoRoomType(
                "suite",
                {"es": "Suite Luna", "en": "Luna suite"},
                4,
                ("9",),
                Decimal("2450.00"),
                Decimal("2990.00"),
            ),
        ),
    ),
)

INSERT_PROPERTY = """
INSERT INTO property (tenant_id, time_zone, currency_code) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id) DO NOTHING
"""
SELECT_TODAY = """
SELECT (clock_timestamp() AT TIME ZONE time_zone)::date FROM property WHERE tenant_id = $1
"""
INSERT_ROOM_TYPE = """
INSERT INTO room_type (tenant_id, room_type_id, display_names, max_guest_count)
VALUES ($1, $2, $3::jsonb, $4) ON CONFLICT (tenant_id, room_type_id) DO NOTHING
"""
INSERT_ROOMS = """
INSERT INTO room (tenant_id, room_id, room_type_id, room_number)
SELECT $1, $2 || '-' || n, $2, n FROM unnest($3::text[]) AS rooms (n)
ON CONFLICT (tenant_id, room_id) DO NOTHING
"""
INSERT_NIGHTS = """
INSERT INTO night_inventory (tenant_id, room_type_id, night, sellable, price)
SELECT $1, $2, n, $3, p FROM unnest($4::date[], $5::numeric[]) AS nights (n, p)
ON CONFLICT (tenant_id, room_type_id, night) DO NOTHING
"""


async def load(database_url: str) -> None:
    """Have the demo hotels in the booking database, with nights up to the horizon."""
    connection = await asyncpg.connect(database_url)
    try:
        for one in PROPERTIES:
            async with connection.transaction():
                await load_property(connection, one)
    finally:
        await connection.close()


async def load_property(
    connection: asyncpg.Connection[asyncpg.Record], hotel: DemoProperty, nights: int = NIGHTS
) -> None:
    """Add what is missing of one hotel, for `nights` nights from its own today."""
    await connection.execute(INSERT_PROPERTY, hotel.tenant_id, hotel.time_zone, hotel.currency_code)
    today: dt.date = await connection.fetchval(SELECT_TODAY, hotel.tenant_id)
    days = [today + dt.timedelta(days=day) for day in range(nights)]
    for one in hotel.room_types:
        await _load_room_type(connection, hotel.tenant_id, one, days)


async def _load_room_type(
    connection: asyncpg.Connection[asyncpg.Record],
    tenant_id: str,
    one: DemoRoomType,
    days: list[dt.date],
) -> None:
    key = (tenant_id, one.room_type_id)
    names = json.dumps(one.display_names, ensure_ascii=False)
    await connection.execute(INSERT_ROOM_TYPE, *key, names, one.max_guest_count)
    await connection.execute(INSERT_ROOMS, *key, list(one.room_numbers))
    prices = [one.price(day) for day in days]
    await connection.execute(INSERT_NIGHTS, *key, len(one.room_numbers), days, prices)
