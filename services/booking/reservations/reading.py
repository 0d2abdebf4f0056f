"""Reservations as they are in Postgres, what happened to them, and what is true about them now."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from meshkit.postgres import Postgres, Statements
from services.booking.domain import MAX_NIGHTS, Reservation, refusal
from services.booking.inventory.book import PriceBook
from services.booking.metrics import BookingMetrics
from services.booking.reservations.domain import Facts
from services.booking.reservations.rows import (
    SELECT_EVENTS,
    SELECT_ROOMS,
    ReservationEvent,
    event,
    reservations,
)
from services.booking.reservations.snapshot import terms_from_json
from services.booking.reservations.terms import Terms

if TYPE_CHECKING:
    from meshkit.postgres import Connection


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reservations of a hotel; what is not given does not matter."""

    tenant_id: str
    states: tuple[str, ...] = ()
    guest_id: str = ""
    arrival_from: dt.date = dt.date.min
    arrival_until: dt.date = dt.date.max
    """The day after the last arrival that is meant."""
    staying_on: dt.date | None = None
    """A night of the stay."""


class ReservationReads:
    """Reservations of all hotels, to be read."""

    def __init__(
        self, postgres: Postgres, metrics: BookingMetrics, book: PriceBook | None = None
    ) -> None:
        self._postgres = postgres
        self._metrics = metrics
        self._book = book or PriceBook(postgres, metrics)

    BY_ID = SELECT_ROOMS + (
        "WHERE r.tenant_id = $1 AND r.reservation_id = $2 ORDER BY s.stay_number"
    )
    BY_CODE = SELECT_ROOMS + (
        "WHERE r.tenant_id = $1 AND r.confirmation_code = $2 ORDER BY s.stay_number"
    )

    async def reservation(self, tenant_id: str, key: UUID | str) -> Reservation:
        """The reservation with this id (UUID) or this confirmation code (str)."""
        return await self._read(self._postgres.of(tenant_id), tenant_id, key)

    async def _read(
        self, connection: Connection | Statements, tenant_id: str, key: UUID | str
    ) -> Reservation:
        sql = self.BY_ID if isinstance(key, UUID) else self.BY_CODE
        found = reservations(await connection.fetch(sql, tenant_id, key))
        if not found:
            raise refusal("RESERVATION_UNKNOWN")
        return found[0]

    SELECT_PAGE = """
SELECT s.reservation_id
FROM stay s
JOIN reservation r ON r.tenant_id = s.tenant_id AND r.reservation_id = s.reservation_id
WHERE s.tenant_id = $1 AND s.stay_number = 1
    AND s.arrival >= $2 AND s.arrival < $3
    AND (s.arrival, s.reservation_id) > ($4, $5)
    AND (cardinality($6::text[]) = 0 OR r.state = ANY ($6))
    AND ($7 = '' OR r.guest_id = $7)
    AND ($8::date IS NULL OR s.arrival <= $8 AND s.departure > $8)
ORDER BY s.arrival, s.reservation_id LIMIT $9
"""
    BY_IDS = SELECT_ROOMS + (
        "WHERE r.tenant_id = $1 AND r.reservation_id = ANY ($2)"
        " ORDER BY s.arrival, r.reservation_id, s.stay_number"
    )

    async def page(
        self, wanted: Filter, after: tuple[dt.date, UUID], size: int
    ) -> list[Reservation]:
        """At most `size` reservations by day of arrival and id, after a place in that order."""
        first, end = wanted.arrival_from, wanted.arrival_until
        if wanted.staying_on is not None:
            # Whoever sleeps here that night arrived no longer ago than a stay may last.
            longest = dt.timedelta(days=MAX_NIGHTS)
            first = max(first, wanted.staying_on - longest)
            end = min(end, wanted.staying_on + dt.timedelta(days=1))
        hotel = self._postgres.of(wanted.tenant_id)
        rows = await hotel.fetch(
            self.SELECT_PAGE,
            wanted.tenant_id,
            first,
            end,
            *after,
            list(wanted.states),
            wanted.guest_id,
            wanted.staying_on,
            size,
        )
        found = [row["reservation_id"] for row in rows]
        return reservations(await hotel.fetch(self.BY_IDS, wanted.tenant_id, found))

    EVENTS_OF_RESERVATION = SELECT_EVENTS + (
        "WHERE tenant_id = $1 AND reservation_id = $2 AND version > $3 ORDER BY version LIMIT $4"
    )

    async def events(
        self, tenant_id: str, reservation_id: UUID, after_version: int, size: int
    ) -> list[ReservationEvent]:
        """What happened to a reservation, oldest first; it has to exist."""
        await self.reservation(tenant_id, reservation_id)
        rows = await self._postgres.of(tenant_id).fetch(
            self.EVENTS_OF_RESERVATION, tenant_id, reservation_id, after_version, size
        )
        return [event(row) for row in rows]

    SELECT_HOUSE_TERMS = """
SELECT reservation_terms, currency_code FROM property WHERE tenant_id = $1
"""

    async def terms(self, tenant_id: str) -> tuple[Terms, str]:
        """What the hotel asks of those who book now, and its currency."""
        row = await self._postgres.of(tenant_id).fetchrow(self.SELECT_HOUSE_TERMS, tenant_id)
        if row is None:
            raise refusal("PROPERTY_UNKNOWN")
        return terms_from_json(row["reservation_terms"]), row["currency_code"]

    async def facts(self, reservation: Reservation) -> Facts:
        """What is true now, for a quote that changes nothing."""
        return await self._facts(self._postgres.of(reservation.tenant_id), reservation)

    SELECT_FACTS = """
SELECT clock_timestamp() AS now, p.time_zone,
    EXISTS (
        SELECT FROM stay s
        JOIN stay o ON o.room_key = s.room_key AND o.arrival = s.departure
            AND o.departure > s.departure AND o.occupying AND o.room_key IS NOT NULL
        WHERE s.tenant_id = p.tenant_id AND s.reservation_id = $2
            AND s.occupying AND s.room_key IS NOT NULL
    ) AS next_arrival
FROM property p WHERE p.tenant_id = $1
"""

    async def _facts(self, connection: Connection | Statements, reservation: Reservation) -> Facts:
        key = (reservation.tenant_id, reservation.reservation_id)
        row = await connection.fetchrow(self.SELECT_FACTS, *key)
        assert row is not None, "a reservation has a property"
        return Facts(row["now"], row["time_zone"], row["next_arrival"])
