"""What the machine drives: a hotel and the stores that sell it, in Postgres or in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from meshkit.errors import MeshError
from services.booking.domain import Lock, LockRequest, Reservation, RoomWish, Stay
from services.booking.inventory.catalogue import STANDARD
from services.booking.reservations.domain import Decide, Order
from services.booking.reservations.store import FREE_CANCELLATION
from services.booking.reservations.taking import Wishes
from services.booking.rooms.assigned import Assigned, Assignment
from services.booking.rooms.domain import Closure, Span
from services.booking.rooms.store import RoomStore, Shut
from services.booking.search.domain import Inventory
from services.booking.store import BookingStore
from tests.integration.booking.hotel import COUNT_CHANGE, Hotel, House
from tests.integration.booking.searching import Searches


class Bookings(Protocol):
    """Locks and reservations, as `BookingStore` has them."""

    async def acquire(self, requests: Sequence[LockRequest]) -> list[Lock | MeshError]:
        """Decide all requests together; the answers in their order."""

    async def extend(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        lock_id: UUID,
        owner_token: str,
        fencing_number: int,
    ) -> Lock:
        """Start the hotel's term again."""

    async def release(
        self, tenant_id: str, request_id: UUID, digest: bytes, lock_id: UUID, owner_token: str
    ) -> Lock:
        """Give a lock back."""

    async def revoke(self, order: Order, lock_id: UUID) -> Lock:
        """Take a live lock from its owner."""

    async def confirm(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        lock_id: UUID,
        owner_token: str,
        fencing_number: int,
    ) -> Reservation:
        """Turn a lock into a reservation."""

    async def create(
        self,
        order: Order,
        guest_id: str,
        stay: Stay,
        rooms: Sequence[RoomWish],
        plan: str = STANDARD,
    ) -> Reservation:
        """Book rooms at once."""

    async def modify(self, order: Order, reservation_id: UUID, wishes: Wishes) -> Reservation:
        """Other dates, types or guests."""

    async def change(
        self, method: str, order: Order, reservation_id: UUID, decide: Decide
    ) -> Reservation:
        """Carry out what `decide` says."""

    async def cancel(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        reservation_id: UUID,
        decide: Decide = FREE_CANCELLATION,
    ) -> Reservation:
        """Cancel what costs nothing to cancel."""

    async def sweep_locks(self) -> int:
        """End some lapsed locks; how many."""


class Rooms(Protocol):
    """Rooms out of order and who is in which, as `RoomStore` has them."""

    async def shut(self, order: Order, room_id: str, nights: Span, *, forced: bool) -> Shut:
        """Take a room out of order."""

    async def reopen(self, order: Order, closure_id: UUID) -> Closure:
        """Sell a room again."""

    async def assign_rooms(self, order: Order, wishes: Sequence[Assignment]) -> Assigned:
        """Rooms for all who have none, and those wished for."""


@dataclass(frozen=True, slots=True)
class Look:
    """A hotel as it is written down."""

    free: Sequence[tuple[str, dt.date, int]]
    """Type, night and how many rooms are left; nights with nobody may be left out."""
    placed: Sequence[tuple[str, Stay]]
    """Rooms that somebody has, or that are shut; empty for who has none."""


class Desk(Protocol):
    """A hotel, its stores, and what a test does behind their backs."""

    @property
    def hotel(self) -> House:
        """What is sold."""

    @property
    def bookings(self) -> Bookings:
        """Under test."""

    @property
    def rooms(self) -> Rooms:
        """Under test."""

    async def inventory(self, stay: Stay) -> Inventory:
        """What a search reads."""

    async def lapse(self, lock_id: UUID) -> None:
        """An hour passes for a lock; nobody is told."""

    async def reprice(self, room_type_id: str, night: dt.date, price: Decimal) -> None:
        """A night costs something else."""

    async def pinned(self) -> set[str]:
        """The types with rooms that are shut, or somebody's in particular."""

    async def look(self) -> Look:
        """All nights and all rooms."""


# Counters of nights, and who is in which room where that matters.
SELECT_STATE = """
SELECT 'NIGHT' AS kind, room_type_id, night AS first, night + 1 AS departure,
    sellable - held - sold AS free, '' AS room_id
FROM night_inventory WHERE tenant_id = $1 AND held + sold > 0
UNION ALL
SELECT 'ROOM', p.room_type_id, p.first, p.departure, 0, coalesce(r.room_id, '')
FROM (
    SELECT room_type_id, lower(nights) AS first, upper(nights) AS departure, room_key FROM stay
    WHERE tenant_id = $1 AND occupying
    UNION ALL
    SELECT room_type_id, check_in, check_out, room_key FROM room_lock
    WHERE tenant_id = $1 AND state = 'LIVE' AND expire_time > clock_timestamp()
        AND is_pinned(tenant_id, room_type_id)
    UNION ALL
    SELECT room_type_id, lower(nights), upper(nights), room_key FROM room_closure
    WHERE tenant_id = $1 AND end_time IS NULL
) p LEFT JOIN room r ON r.tenant_id = $1 AND r.room_key = p.room_key
"""
SELECT_PINNED = (
    "SELECT room_type_id FROM room_type WHERE tenant_id = $1 AND is_pinned($1, room_type_id)"
)
SET_PRICE = """
UPDATE night_inventory SET price = $4 WHERE tenant_id = $1 AND room_type_id = $2 AND night = $3
"""
COUNT_CHANGE_OF_ONE = COUNT_CHANGE + " WHERE tenant_id = $1"
LAPSE = """
UPDATE room_lock SET create_time = create_time - interval '1 hour',
    expire_time = expire_time - interval '1 hour'
WHERE tenant_id = $1 AND (lock_id = $2 OR part_of = $2) AND state = 'LIVE'
"""


@dataclass(frozen=True)
class PostgresDesk:
    """A hotel in Postgres."""

    hotel: Hotel
    bookings: BookingStore
    rooms: RoomStore
    searches: Searches

    async def inventory(self, stay: Stay) -> Inventory:
        """What a search reads."""
        return await self.searches.inventory(self.hotel.tenant_id, stay)

    async def lapse(self, lock_id: UUID) -> None:
        """An hour passes for a lock; nobody is told."""
        await self.hotel.sql.execute(LAPSE, self.hotel.tenant_id, lock_id)

    async def reprice(self, room_type_id: str, night: dt.date, price: Decimal) -> None:
        """A night costs something else."""
        sql, tenant_id = self.hotel.sql, self.hotel.tenant_id
        await sql.execute(SET_PRICE, tenant_id, room_type_id, night, price)
        await sql.execute(COUNT_CHANGE_OF_ONE, tenant_id)

    async def pinned(self) -> set[str]:
        """The types with rooms that are shut, or somebody's in particular."""
        rows = await self.hotel.sql.fetch(SELECT_PINNED, self.hotel.tenant_id)
        return {row["room_type_id"] for row in rows}

    async def look(self) -> Look:
        """All nights and all rooms, in one statement."""
        rows = await self.hotel.sql.fetch(SELECT_STATE, self.hotel.tenant_id)
        return Look(
            [
                (row["room_type_id"], row["first"], row["free"])
                for row in rows
                if row["kind"] == "NIGHT"
            ],
            [
                (row["room_id"], Stay(row["first"], row["departure"]))
                for row in rows
                if row["kind"] == "ROOM"
            ],
        )
