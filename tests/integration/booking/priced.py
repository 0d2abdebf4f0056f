"""A hotel with taxes, restrictions and plans, as an import leaves it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

from meshkit.postgres import Postgres
from services.booking.inventory.catalogue import (
    Basis,
    House,
    Levy,
    RatePlan,
    Restriction,
    TypeDetails,
)
from services.booking.inventory.draft import Draft, TypeDraft
from services.booking.inventory.rates import EVERY_DAY, PriceRule, rules
from services.booking.inventory.store import InventoryStore, Stored
from services.booking.reservations.terms import (
    CancellationStep,
    Charge,
    ChargeKind,
    Terms,
)
from tests.integration.booking.hotel import PRICE, Hotel

VAT = Levy("vat", {"en": "VAT"}, Basis.STAY, included=True, percent=Decimal(10))
CITY_TAX = Levy(
    "city", {"en": "City tax"}, Basis.PERSON_NIGHT, included=False, amount=Decimal("1.50")
)
FULL = Terms(cancellation=(CancellationStep(9999, Charge(ChargeKind.PERCENT, Decimal(100))),))
SAVER = RatePlan("saver", {"en": "Not refundable"}, FULL)
SAVER_PRICE = Decimal("80.50")
SUPPLEMENT = Decimal("-20.50")
"""For one adult, in all types."""


async def sell(
    postgres: Postgres,
    hotel: Hotel,
    *restrictions: Restriction,
    levies: tuple[Levy, ...] = (VAT, CITY_TAX),
    terms: Terms | None = None,
    price: Decimal | None = None,
    without_plan: Collection[str] = (),
) -> Stored:
    """Import taxes, a plan, an occupancy price and restrictions; other prices when told.

    Types `without_plan` have no prices under it.
    """
    store = InventoryStore(postgres)
    had = await store.inventory(hotel.tenant_id)
    last = had.inventory.last_night
    saver = (PriceRule(hotel.today, last, EVERY_DAY, SAVER_PRICE),)
    types = []
    for one in had.inventory.room_types.values():
        now = rules(one.prices, had.today, last)
        nightly = now if price is None else [replace(rule, price=price) for rule in now]
        rooms = list(one.rooms.items())
        plans = {} if one.room_type_id in without_plan else {"saver": saver}
        details = TypeDetails(adult_supplements={1: SUPPLEMENT}, plan_prices=plans)
        types.append(
            TypeDraft(
                one.room_type_id, one.display_names, one.max_guest_count, rooms, nightly, details
            )
        )
    house = House(levies, (SAVER,), restrictions)
    zone = had.inventory.time_zone
    draft = Draft(had.etag, zone, "EUR", last, types, house, terms)
    draft.check()
    return await store.replace(hotel.tenant_id, draft, validate_only=False)


def total(nights: int, guests: int, price: Decimal = PRICE) -> Decimal:
    """What a stay costs under these taxes."""
    return nights * (price + guests * Decimal("1.50"))
