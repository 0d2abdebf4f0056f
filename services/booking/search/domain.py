"""What is free around a stay, what it costs, and what can be had instead.

Knows neither wire nor storage.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from services.booking.domain import Guests, Quote, Stay, refusal

ALTERNATIVE_DAYS = 7
"""How far from the asked dates an alternative may lie."""
MAX_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True)
class Night:
    """A room type on one night."""

    free_count: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class RoomType:
    """A room type and its nights around a stay; nights that are not on sale are absent."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    nights: Mapping[dt.date, Night]

    def nights_of(self, stay: Stay) -> list[Night] | None:
        """The nights of a stay in order; None when one is not on sale."""
        days = (stay.check_in + dt.timedelta(days=day) for day in range(stay.night_count))
        found = [self.nights.get(day) for day in days]
        return [night for night in found if night] if all(found) else None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the database says about a hotel around a stay, at one moment."""

    currency_code: str
    today: dt.date
    """The property's date."""
    as_of: dt.datetime
    last_night: dt.date
    """The last one on sale."""
    first_expiry: dt.datetime | None
    """When the next live lock in the range ends, so that more may be free."""
    room_types: tuple[RoomType, ...]


class Unavailable(Enum):
    """Why a room type cannot be had."""

    SOLD_OUT = "SOLD_OUT"
    TOO_MANY_GUESTS = "TOO_MANY_GUESTS"


@dataclass(frozen=True, slots=True)
class Offer:
    """A room type as it can be had for one stay."""

    room_type: RoomType
    free_count: int
    quote: Quote
    unavailable: Unavailable | None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Other dates on which a room type is free."""

    room_type_id: str
    stay: Stay
    quote: Quote


@dataclass(frozen=True, slots=True)
class Availability:
    """The answer to a search."""

    offers: tuple[Offer, ...]
    alternatives: tuple[Alternative, ...]


def search(inventory: Inventory, stay: Stay, guests: Guests) -> Availability:
    """Every room type for the stay: the free ones first, cheapest first.

    Alternatives are only looked for when nothing is free.
    """
    if stay.check_in < inventory.today:
        raise refusal("CHECK_IN_PAST")
    if stay.check_out > inventory.last_night + dt.timedelta(days=1):
        raise refusal("BEYOND_HORIZON", {"last_night": inventory.last_night})
    offers = [_offer(one, inventory, stay, guests) for one in inventory.room_types]
    offers.sort(key=_offer_rank)
    free = any(offer.free_count for offer in offers)
    return Availability(tuple(offers), () if free else _alternatives(inventory, stay, guests))


def _offer(room_type: RoomType, inventory: Inventory, stay: Stay, guests: Guests) -> Offer:
    nights = room_type.nights_of(stay)
    free_count = min(night.free_count for night in nights) if nights else 0
    quote = _quote(nights or (), inventory)
    if guests.count > room_type.max_guest_count:
        return Offer(room_type, 0, quote, Unavailable.TOO_MANY_GUESTS)
    if free_count < 1:
        return Offer(room_type, 0, quote, Unavailable.SOLD_OUT)
    return Offer(room_type, free_count, quote, None)


def _offer_rank(offer: Offer) -> tuple[bool, Decimal, str]:
    return (
        offer.unavailable is not None,
        offer.quote.total_price,
        offer.room_type.room_type_id,
    )


def _alternatives(inventory: Inventory, stay: Stay, guests: Guests) -> tuple[Alternative, ...]:
    """The cheapest free type of each of the nearest dates, later ones before earlier ones."""
    found = []
    for distance in range(1, ALTERNATIVE_DAYS + 1):
        for days in (distance, -distance):
            other = stay.moved(days)
            if other.check_in < inventory.today:
                continue
            offers = [_offer(one, inventory, other, guests) for one in inventory.room_types]
            best = min(offers, key=_offer_rank)
            if best.free_count:
                found.append(Alternative(best.room_type.room_type_id, other, best.quote))
    return tuple(found[:MAX_ALTERNATIVES])


def _quote(nights: Sequence[Night], inventory: Inventory) -> Quote:
    return Quote(tuple(night.price for night in nights), inventory.currency_code)
