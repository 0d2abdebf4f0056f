"""What a hotel sells: one value. Knows neither wire nor storage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from services.booking.inventory.catalogue import House, TypeDetails
from services.booking.reservations.terms import NO_TERMS, Terms


@dataclass(frozen=True, slots=True)
class SoldType:
    """A room type: its rooms, number by id, and its nights on sale with their prices."""

    room_type_id: str
    display_names: Mapping[str, str]
    max_guest_count: int
    rooms: Mapping[str, str]
    prices: Mapping[dt.date, Decimal]
    details: TypeDetails = field(default_factory=TypeDetails)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything a hotel sells."""

    time_zone: str
    currency_code: str
    last_night: dt.date
    room_types: Mapping[str, SoldType]
    house: House = field(default_factory=House)
    terms: Terms = NO_TERMS
    lock_seconds: int = 1200
    """How long a room is kept for a guest who decides."""
    locks_per_guest: int = 2
    """How many live locks a guest may have at once."""
