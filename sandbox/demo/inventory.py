"""What the two demo hotels sell: 540 nights from today, always.

Imported at each start as a hotel's own inventory would be: what is missing is
added, what is there stays, so the nights reach as far ahead on any day, and
bookings and prices changed while trying survive.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

from meshkit.errors import NotFound
from meshkit.postgres import Postgres
from services.booking.inventory.catalogue import Basis, House, Levy, Restriction, TypeDetails
from services.booking.inventory.draft import Draft, TypeDraft
from services.booking.inventory.rates import EVERY_DAY, PriceRule, rules
from services.booking.inventory.store import InventoryStore, Stored

NIGHTS = 540
WEEKEND = frozenset({5, 6})
"""Nights that begin on a Friday or a Saturday."""
ALWAYS = (dt.date(2026, 1, 1), dt.date(2099, 12, 31))


@dataclass(frozen=True)
class DemoRoomType:
    """A room type with its rooms and what a night costs."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    room_numbers: tuple[str, ...]
    weekday_price: Decimal
    weekend_price: Decimal
    details: TypeDetails = field(default_factory=TypeDetails)

    def price(self, night: dt.date) -> Decimal:
        """What one room costs on a night."""
        return self.weekend_price if night.isoweekday() in WEEKEND else self.weekday_price

    def rules(self, first: dt.date, last: dt.date) -> list[PriceRule]:
        """The same for a span of nights."""
        return [
            PriceRule(first, last, EVERY_DAY, self.weekday_price),
            PriceRule(first, last, WEEKEND, self.weekend_price),
        ]

    @property
    def rooms(self) -> list[tuple[str, str]]:
        """Id and number of every room."""
        return [(f"{self.room_type_id}-{number}", number) for number in self.room_numbers]


@dataclass(frozen=True)
class DemoProperty:
    """A hotel as the booking service knows it."""

    tenant_id: str
    time_zone: str
    currency_code: str
    room_types: tuple[DemoRoomType, ...]
    house: House

    @property
    def today(self) -> dt.date:
        """Its date."""
        return dt.datetime.now(ZoneInfo(self.time_zone)).date()


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
                TypeDetails(
                    descriptions={
                        "es": "Cama individual, baño propio.",
                        "en": "One single bed, own bathroom.",
                    },
                ),
            ),
            DemoRoomType(
                "doble",
                {"es": "Habitación doble", "en": "Double room"},
                3,
                ("201", "202", "203", "204", "205"),
                Decimal("95.00"),
                Decimal("118.00"),
                TypeDetails(
                    descriptions={
                        "es": "Cama doble y sofá cama, balcón.",
                        "en": "A double bed and a sofa bed, with a balcony.",
                    },
                    adult_supplements={1: Decimal("-15.00"), 3: Decimal("28.00")},
                ),
            ),
            DemoRoomType(
                "suite",
                {"es": "Suite con vistas", "en": "Suite with a view"},
                4,
                ("301",),
                Decimal("180.00"),
                Decimal("225.50"),
                TypeDetails(
                    descriptions={
                        "es": "Salón, dormitorio y terraza sobre la bahía.",
                        "en": "A living room, a bedroom and a terrace over the bay.",
                    },
                    adult_supplements={3: Decimal("40.00"), 4: Decimal("60.00")},
                ),
            ),
        ),
        House(
            levies=(
                Levy("iva", {"es": "IVA", "en": "VAT"}, Basis.STAY, True, percent=Decimal(10)),
                Levy(
                    "tasa-turistica",
                    {"es": "Tasa turística", "en": "City tax"},
                    Basis.PERSON_NIGHT,
                    False,
                    amount=Decimal("1.50"),
                    adults_only=True,
                ),
            ),
            restrictions=(
                Restriction(
                    *ALWAYS,
                    WEEKEND,
                    room_type_ids=frozenset({"suite"}),
                    min_nights_on_arrival=2,
                ),
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
                TypeDetails(
                    descriptions={
                        "es": "Cama individual, patio.",
                        "en": "One single bed, by the patio.",
                    },
                ),
            ),
            DemoRoomType(
                "doble",
                {"es": "Habitación doble", "en": "Double room"},
                3,
                ("4", "5", "6", "7", "8"),
                Decimal("1290.00"),
                Decimal("1580.00"),
                TypeDetails(
                    descriptions={
                        "es": "Dos camas matrimoniales.",
                        "en": "Two double beds.",
                    },
                    adult_supplements={1: Decimal("-150.00"), 3: Decimal("250.00")},
                ),
            ),
            DemoRoomType(
                "suite",
                {"es": "Suite Luna", "en": "Luna suite"},
                4,
                ("9",),
                Decimal("2450.00"),
                Decimal("2990.00"),
                TypeDetails(
                    descriptions={
                        "es": "Terraza con vistas al volcán.",
                        "en": "A terrace with a view of the volcano.",
                    },
                    adult_supplements={3: Decimal("400.00"), 4: Decimal("600.00")},
                ),
            ),
        ),
        House(
            levies=(
                Levy("iva", {"es": "IVA", "en": "VAT"}, Basis.STAY, True, percent=Decimal(16)),
                Levy(
                    "ish",
                    {"es": "Impuesto al hospedaje", "en": "Lodging tax"},
                    Basis.STAY,
                    False,
                    percent=Decimal("3.5"),
                ),
            ),
        ),
    ),
)


async def load(database_url: str) -> None:
    """Have the demo hotels in the booking database, with nights up to the horizon."""
    postgres = Postgres(database_url)
    await postgres.start()
    try:
        for one in PROPERTIES:
            await load_property(InventoryStore(postgres), one)
    finally:
        await postgres.close()


async def load_property(store: InventoryStore, hotel: DemoProperty) -> None:
    """Add what is missing of one hotel, for `NIGHTS` nights from its own today."""
    try:
        had = await store.inventory(hotel.tenant_id)
    except NotFound:
        draft = _new(hotel)
    else:
        last = had.today + dt.timedelta(days=NIGHTS - 1)
        if had.inventory.last_night >= last:
            return
        draft = _rolled_on(hotel, had, last)
    draft.check()
    await store.replace(hotel.tenant_id, draft, validate_only=False)


def _new(hotel: DemoProperty) -> Draft:
    last = hotel.today + dt.timedelta(days=NIGHTS - 1)
    types = [
        TypeDraft(
            one.room_type_id,
            one.display_names,
            one.max_guest_count,
            one.rooms,
            one.rules(hotel.today, last),
            one.details,
        )
        for one in hotel.room_types
    ]
    return Draft("", hotel.time_zone, hotel.currency_code, last, types, hotel.house)


def _rolled_on(hotel: DemoProperty, had: Stored, last: dt.date) -> Draft:
    """What is sold now, and the nights after it at the prices of the demo."""
    now = had.inventory
    demo = {one.room_type_id: one for one in hotel.room_types}
    first = now.last_night + dt.timedelta(days=1)
    types = [
        TypeDraft(
            one.room_type_id,
            one.display_names,
            one.max_guest_count,
            list(one.rooms.items()),
            [
                *rules(one.prices, had.today, now.last_night),
                *(demo[one.room_type_id].rules(first, last) if one.room_type_id in demo else ()),
            ],
            one.details,
        )
        for one in now.room_types.values()
    ]
    return Draft(had.etag, now.time_zone, now.currency_code, last, types, now.house)
