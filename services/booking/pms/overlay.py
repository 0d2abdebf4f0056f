"""A hotel's inventory as its own system sees it, and whether a room may be kept there."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from meshkit.errors import MeshError
from services.booking.domain import MAX_NIGHTS, LockRequest, Stay, refusal
from services.booking.pms.connections import Connected, Connections
from services.booking.pms.nights import SELL, Freshness, Known, PmsNights
from services.booking.pms.port import TypeNight
from services.booking.search.domain import ALTERNATIVE_DAYS, Counters, Inventory, not_sold
from services.booking.store import BookingStore

SURE = dt.timedelta(seconds=5)
"""A refusal is asked for again when it is older: somebody may just have cancelled."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An inventory, and how far it may be believed; None where no other system has a say."""

    inventory: Inventory
    freshness: Freshness | None


class PmsOverlay:
    """What is free is what both sides have free."""

    def __init__(self, connections: Connections, nights: PmsNights, bookings: BookingStore) -> None:
        self._connections = connections
        self._nights = nights
        self._bookings = bookings

    async def concerns(self, tenant_ids: Iterable[str]) -> bool:
        """Whether any of these hotels has a system of its own; the others' way is the short one."""
        for tenant_id in set(tenant_ids):
            if await self._connections.of(tenant_id) is not None:
                return True
        return False

    async def seen(self, tenant_id: str, stay: Stay, inventory: Inventory) -> Seen:
        """The inventory with what the hotel's own system has left, and the time of that."""
        hotel = await self._connections.of(tenant_id)
        if hotel is None or not_sold(inventory, stay) is not None:
            return Seen(inventory, None)
        ours = inventory.counters
        known = await self._nights.around(hotel, _with_alternatives(stay, ours))
        free = {one: _limited(one, ours, hotel, known) for one in ours.free}
        as_of = min(ours.as_of, known.as_of or ours.as_of)
        seen = replace(inventory, counters=replace(ours, free=free, as_of=as_of))
        return Seen(seen, known.freshness)

    async def refused(self, requests: Sequence[LockRequest]) -> list[MeshError | None]:
        """For each request why the hotel's own system cannot have it; None when it may.

        One that does not answer refuses nothing: the reservation will be a request. Nor is it asked
        about a request that has its answer: whoever repeats it may hold the last room.
        """
        hotels = [await self._connections.of(one.tenant_id) for one in requests]
        asked = [one.key for one, hotel in zip(requests, hotels, strict=True) if hotel is not None]
        if not asked:
            return [None] * len(requests)
        answered = await self._bookings.answered(asked)
        refusals = (
            self._refusal(None if one.key in answered else hotel, one)
            for one, hotel in zip(requests, hotels, strict=True)
        )
        return list(await asyncio.gather(*refusals))

    async def _refusal(self, hotel: Connected | None, request: LockRequest) -> MeshError | None:
        if hotel is None:
            return None
        theirs = hotel.connection.room_types
        if any(one.room_type_id not in theirs for one in request.rooms):
            return refusal("SOLD_OUT")
        wanted = Counter(theirs[one.room_type_id] for one in request.rooms)
        known = await self._nights.certain(hotel, request.stay, but_older=SELL)
        if _short(known, wanted, request.stay):
            known = await self._nights.certain(hotel, request.stay, but_older=SURE)
        sold_out = known.freshness is not Freshness.ASK and _short(known, wanted, request.stay)
        return refusal("SOLD_OUT") if sold_out else None


def _short(known: Known, wanted: Mapping[str, int], stay: Stay) -> bool:
    """Whether a night is known to have fewer rooms of a type of theirs than are wanted."""
    days = [stay.check_in + dt.timedelta(days=day) for day in range(stay.night_count)]
    found = ((known.nights.get(TypeNight(one, day)), one) for one in wanted for day in days)
    return any(night is not None and night.free_count < wanted[one] for night, one in found)


def _with_alternatives(stay: Stay, counters: Counters) -> Stay:
    """The dates that a search may offer instead, too: as many as a stay may have, none over."""
    spare = min(ALTERNATIVE_DAYS, (MAX_NIGHTS - stay.night_count) // 2)
    days = dt.timedelta(days=spare)
    first = max(stay.check_in - days, min(counters.today, stay.check_in))
    return Stay(first, stay.check_out + days)


def _limited(room_type_id: str, counters: Counters, hotel: Connected, known: Known) -> list[int]:
    """No more free than there; a type that is not there has none."""
    ours = counters.free[room_type_id]
    theirs = hotel.connection.room_types.get(room_type_id)
    if theirs is None:
        return [0] * len(ours)
    days = (counters.first + dt.timedelta(days=number) for number in range(len(ours)))
    told = (known.nights.get(TypeNight(theirs, day)) for day in days)
    return [
        count if one is None else min(count, max(one.free_count, 0))
        for count, one in zip(ours, told, strict=True)
    ]
