"""What others book in hotels' own systems is counted here, and both sides are compared.

Changes are asked for every few seconds, by one replica a hotel. A booking that is
not ours counts as sold; what that oversells is written down as debt, for staff
to see (`conserje room debt`). One of ours that should not be there, or is there
twice, is looked at again. Every night all of it is compared.
"""

from __future__ import annotations

import asyncio
import datetime as dt

import structlog

from meshkit import deadlines
from meshkit.clock import Clock
from meshkit.errors import Aborted, MeshError
from meshkit.waiting import set_within
from services.booking.cache import AvailabilityCache
from services.booking.domain import Stay
from services.booking.pms.compare import GONE, Difference, differences, reservation_of
from services.booking.pms.connections import Connected, Connections
from services.booking.pms.ledger import Elsewhere, PmsLedger, Taken
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.nights import PmsNights
from services.booking.pms.port import Changes, PmsBooking

CHANGES_SECONDS = 10.0
COMPARE_SECONDS = 24 * 3600.0
LOOK_SECONDS = 1.0
CALL_SECONDS = 10.0
AT_ONCE = 16
MOST_PAGES = 100

log = structlog.get_logger()


class Reconciler:
    """Keeps the counters true to what hotels' own systems have booked."""

    def __init__(
        self,
        ledger: PmsLedger,
        connections: Connections,
        nights: PmsNights,
        cache: AvailabilityCache,
        metrics: PmsMetrics,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._connections = connections
        self._nights = nights
        self._cache = cache
        self._metrics = metrics
        self._clock = clock
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look every second whose turn it is."""
        while not stopping.is_set():
            try:
                hotels = await self._connections.all()
                await asyncio.gather(*(self._turn(hotel) for hotel in hotels))
            except MeshError as error:
                log.debug("not reconciled", reason=error.reason)
            await set_within(stopping, LOOK_SECONDS)

    async def follow(self, hotel: Connected) -> None:
        """Count the changes since the last time."""
        tenant_id = hotel.connection.tenant_id
        for _ in range(MOST_PAGES):
            cursor = await self._ledger.cursor(tenant_id)
            changes = await hotel.pms.changes(cursor)
            await self._take(hotel, cursor, changes)
            if not changes.more:
                return

    async def compare(self, hotel: Connected) -> list[Difference]:
        """Every difference between both sides, as they are now."""
        tenant_id = hotel.connection.tenant_id
        theirs = (await hotel.pms.changes("")).bookings
        today = self._clock.now().date()
        ours = await self._ledger.ours(tenant_id, today)
        known = {one.reservation_id for one in ours}
        # Ours that are over by our dates but still named there belong to the comparison, too.
        named = {reservation_of(one.key) for one in theirs} - known - {None}
        more = await self._ledger.ours(tenant_id, dt.date.min, [one for one in named if one])
        return differences([*ours, *more], theirs, hotel.connection.room_types)

    async def _turn(self, hotel: Connected) -> None:
        async with self._slots:
            try:
                with deadlines.scope(CALL_SECONDS):
                    if await self._nights.turn(hotel, "changes", CHANGES_SECONDS):
                        await self.follow(hotel)
                    if await self._nights.turn(hotel, "compare", COMPARE_SECONDS):
                        await self._report(hotel)
            except Aborted:
                return
            except MeshError as error:
                log.debug("not reconciled", reason=error.reason)

    async def _report(self, hotel: Connected) -> None:
        found = await self.compare(hotel)
        for one in found:
            self._metrics.differences.labels(one.kind.value).inc()
            log.warning(
                "booking differs",
                tenant_id=hotel.connection.tenant_id,
                kind=one.kind.value,
                reservation_id=one.reservation_id,
                booking_id=one.booking_id,
            )

    async def _take(self, hotel: Connected, cursor: str, changes: Changes) -> None:
        tenant_id = hotel.connection.tenant_id
        ours = {
            reservation_id: one
            for one in changes.bookings
            if (reservation_id := reservation_of(one.key)) is not None
        }
        known = {
            one.reservation_id: one
            for one in await self._ledger.ours(tenant_id, dt.date.min, list(ours))
        }
        strangers = [one for one in changes.bookings if reservation_of(one.key) not in known]
        taken = Taken(
            changed_ids=[one.booking_id for one in changes.bookings],
            rooms=[room for one in strangers for room in _rooms(one, hotel)],
            cursor=changes.cursor,
            complete=changes.complete,
        )
        oversold = await self._ledger.take(tenant_id, cursor, taken)
        suspicious = [
            reservation_id
            for reservation_id, here in known.items()
            if any(
                one.active and (here.state in GONE or one.booking_id != here.booking_id)
                for one in changes.bookings
                if reservation_of(one.key) == reservation_id
            )
        ]
        await self._ledger.wake(tenant_id, suspicious)
        if changes.bookings:
            await self._cache.outdate([tenant_id])
        for night in oversold:
            self._metrics.oversold.inc()
            log.warning(
                "oversold by the hotel's own system",
                tenant_id=tenant_id,
                room_type_id=night.room_type_id,
                night=str(night.night),
                debt=night.debt,
            )


def _rooms(booking: PmsBooking, hotel: Connected) -> list[Elsewhere]:
    """The rooms of a booking by our types; those that we do not sell do not matter."""
    if not booking.active:
        return []
    ours = {theirs: our for our, theirs in hotel.connection.room_types.items()}
    return [
        Elsewhere(booking.booking_id, ours[one], Stay(booking.check_in, booking.check_out))
        for one in booking.type_ids
        if one in ours
    ]
