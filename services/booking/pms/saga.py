"""How a reservation comes to be in the hotel's own system, exactly once, whatever fails.

The row of a reservation says what is to be done next; one step is done under a
lease, and its result is written with what is to be done then. A crash anywhere
leaves a row whose lease runs out. Before a create leaves, the row says LOOK: from
then on the booking is looked for by its key, and it is sent again only once it is
proven absent — not seen in two looks in a row, the last one later after the send
than any system works on a request.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID, uuid5

import structlog

from meshkit.errors import FailedPrecondition, MeshError
from services.booking.cache import AvailabilityCache
from services.booking.domain import Reservation, ReservationState, Stay
from services.booking.pms.compare import GONE
from services.booking.pms.connections import Connected, Connections
from services.booking.pms.metrics import PmsMetrics
from services.booking.pms.nights import PmsNights
from services.booking.pms.port import (
    SOLD_OUT,
    Outcome,
    Pms,
    PmsBooking,
    PmsOrder,
    PmsRoom,
    Verdict,
)
from services.booking.pms.store import PmsStore, Step, Work, key_of
from services.booking.reservations import domain
from services.booking.reservations.domain import SYSTEM, Decide, Order
from services.booking.store import BookingStore

NAMESPACE = UUID("5b0a5d7e-6f0c-4f8e-9d5c-6a5f0e6c1d23")
"""Request ids of the saga's changes are derived under it: the same change on every replica."""
ABSENCES = 2
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds between attempts: a recovered system hears from us within ten."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what; seconds."""

    settle: float
    """After a send, before a booking that is not seen counts as absent."""
    give_up: float
    """After the guest's request, before one that is proven absent is refused."""


class Saga:
    """Does one step of one booking."""

    def __init__(
        self,
        *,
        store: PmsStore,
        bookings: BookingStore,
        connections: Connections,
        cache: AvailabilityCache,
        nights: PmsNights,
        patience: Patience,
        metrics: PmsMetrics,
    ) -> None:
        self._store = store
        self._bookings = bookings
        self._connections = connections
        self._cache = cache
        self._nights = nights
        self._patience = patience
        self._metrics = metrics

    async def carry_out(self, work: Work) -> None:
        """One step; what the hotel's system does not answer is tried again later."""
        connected = await self._connections.of(work.tenant_id)
        if connected is None:
            # Kept for the day on which it is connected again.
            await self._later(work, work.step, "NOT_CONNECTED")
            return
        try:
            outcome = await self._step(work, connected)
        except MeshError as error:
            outcome = error.reason
            await self._later(work, work.step, error.reason, error.retry_after or 0.0)
        self._metrics.steps.labels(work.step.value, outcome).inc()

    async def _step(self, work: Work, connected: Connected) -> str:
        if work.step is Step.CREATE:
            return await self._create(work, connected)
        if work.step is Step.LOOK:
            return await self._look(work, connected.pms)
        if work.step is Step.WATCH:
            return await self._watch(work, connected.pms)
        if work.step is Step.MODIFY:
            return await self._modify(work, connected)
        return await self._cancel(work, connected.pms)

    async def _create(self, work: Work, connected: Connected) -> str:
        reservation = await self._bookings.reservation(work.tenant_id, work.reservation_id)
        if reservation.state is not ReservationState.PENDING_PMS:
            await self._store.next(work, Step.WATCH)
            return "not_wanted"
        if work.age.total_seconds() > self._patience.give_up:
            return await self._refuse(work, "PMS_NO_ANSWER")
        order = order_for(reservation, connected)
        if order is None:
            return await self._refuse(work, "ROOM_TYPE_NOT_MAPPED")
        if not await self._store.sending(work):
            return "lost_lease"
        try:
            outcome = await connected.pms.create(order)
        except MeshError as error:
            # Raised before anything left: there is nothing to look for.
            await self._later(work, Step.CREATE, error.reason, error.retry_after or 0.0)
            return error.reason
        return await self._created(work, connected, order, outcome)

    async def _created(
        self, work: Work, connected: Connected, order: PmsOrder, outcome: Outcome
    ) -> str:
        pms = connected.pms
        # After a rejection: an earlier send may have come late and have taken the room itself.
        if outcome.verdict is Verdict.REJECTED and (
            work.send_count == 0 or not _active(await pms.find(work.key))
        ):
            await self._forget(connected, order)
            return await self._refuse(work, outcome.reason, outcome.words)
        await self._forget(connected, order)
        wait = 0.0 if outcome.verdict is not Verdict.UNKNOWN else FIRST_PAUSE
        await self._store.next(
            work,
            Step.LOOK,
            wait,
            booking_id=outcome.booking_id or None,
            failure=outcome.reason,
        )
        return _WORDS[outcome.verdict]

    async def _forget(self, connected: Connected, order: PmsOrder) -> None:
        """What was free before this is not to be believed."""
        stay = Stay(order.check_in, order.check_out)
        await self._nights.forget(connected, {room.type_id for room in order.rooms}, stay)

    async def _look(self, work: Work, pms: Pms) -> str:
        found = await self._one_of(work, pms)
        if found is not None:
            await self._change(work, "agree", domain.agreed, "PMS")
            await self._store.next(work, Step.WATCH, self._patience.settle, booking_id=found)
            return "found"
        return await self._absent(work, Step.CREATE)

    async def _watch(self, work: Work, pms: Pms) -> str:
        """A second booking that came late is cancelled; the reservation has its own."""
        reservation = await self._bookings.reservation(work.tenant_id, work.reservation_id)
        if reservation.state in GONE:
            await self._store.next(work, Step.CANCEL)
            return "gone"
        await self._one_of(work, pms)
        await self._store.next(work, Step.NONE)
        return "settled"

    async def _modify(self, work: Work, connected: Connected) -> str:
        reservation = await self._bookings.reservation(work.tenant_id, work.reservation_id)
        booking_id = await self._one_of(work, connected.pms)
        order = order_for(reservation, connected)
        if booking_id is None or order is None:
            return await self._absent(work, Step.NONE)
        outcome = await connected.pms.modify(booking_id, order)
        if outcome.verdict is Verdict.UNKNOWN:
            # The same again is the same: it says what the booking should be.
            await self._later(work, Step.MODIFY, outcome.reason)
            return "unknown"
        # What was refused stays different on both sides; the comparison names it to the staff.
        if outcome.verdict is Verdict.REJECTED:
            self._tell(work, "a change was refused by the hotel's own system", outcome.reason)
        await self._store.next(work, Step.NONE, failure=outcome.reason)
        return _WORDS[outcome.verdict]

    async def _cancel(self, work: Work, pms: Pms) -> str:
        active = _active(await pms.find(work.key))
        if not active:
            return await self._absent(work, Step.NONE)
        reason = ""
        for one in active:
            outcome = await pms.cancel(one.booking_id)
            reason = reason or outcome.reason
            if outcome.verdict is Verdict.REJECTED:
                self._tell(work, "a cancellation was refused by the hotel's own system", reason)
        # Asked for again, ever less often, until it is gone: its people may have to do it.
        failures = work.failure_count + 1
        await self._store.next(
            work, Step.CANCEL, _pause(failures), failure_count=failures, failure=reason
        )
        return "cancelling"

    async def _one_of(self, work: Work, pms: Pms) -> str | None:
        """The booking that is to stay; what was made beside it is cancelled, and gone."""
        active = _active(await pms.find(work.key))
        if not active:
            return None
        keep = next((one for one in active if one.booking_id == work.booking_id), active[0])
        for extra in active:
            if extra is not keep:
                await pms.cancel(extra.booking_id)
        if len(active) > 1 and len(_active(await pms.find(work.key))) > 1:
            raise FailedPrecondition("PMS_SURPLUS", "A surplus booking could not be cancelled yet.")
        return keep.booking_id

    async def _absent(self, work: Work, then: Step) -> str:
        """Nothing was seen: go on to `then` when that is proof, else look again."""
        seen = work.absence_count + 1
        settled = work.since_send is None or (
            work.since_send > dt.timedelta(seconds=self._patience.settle)
        )
        if seen >= ABSENCES and settled:
            await self._store.next(work, then)
            return "absent"
        pause = max(_pause(seen), 0.0 if settled else min(self._patience.settle / 2, 2.0))
        await self._store.next(work, work.step, pause, absence_count=seen)
        return "not_seen"

    async def _refuse(self, work: Work, reason: str, words: str = "") -> str:
        if reason != SOLD_OUT:
            # No guest's doing, and the next one is refused as well: somebody has to look.
            self._tell(work, "a reservation was refused for the hotel's own system", reason)
        await self._change(
            work, "refuse", domain.refused, f"{reason}: {words}" if words else reason
        )
        # Once sent, a booking may still turn up; it is cancelled until it stays away.
        await self._store.next(work, Step.CANCEL if work.send_count else Step.NONE, failure=reason)
        await self._cache.outdate([work.tenant_id])
        return "sold_out" if reason == SOLD_OUT else "refused"

    async def _change(self, work: Work, what: str, decide: Decide, reason: str) -> None:
        """The reservation's change, once whoever repeats it."""
        request_id = uuid5(NAMESPACE, f"{work.reservation_id}/{what}")
        order = Order(work.tenant_id, request_id, what.encode(), SYSTEM, reason)
        try:
            await self._bookings.change("SettleWithPms", order, work.reservation_id, decide)
        except FailedPrecondition:
            # Cancelled meanwhile: that has given the row another step and lease.
            return

    def _tell(self, work: Work, what: str, reason: str) -> None:
        # Its own words stay in the hotel's history: nobody knows what else they tell.
        self._connections.refused(work.tenant_id, reason)
        log.warning(
            what,
            tenant_id=work.tenant_id,
            reservation_id=str(work.reservation_id),
            reason=reason,
        )

    async def _later(self, work: Work, step: Step, reason: str, seconds: float = 0.0) -> None:
        failures = work.failure_count + 1
        await self._store.next(
            work,
            step,
            max(_pause(failures), seconds),
            absence_count=work.absence_count,
            failure_count=failures,
            failure=reason,
        )


_WORDS = {one: one.value.lower() for one in Verdict}


def order_for(reservation: Reservation, connected: Connected) -> PmsOrder | None:
    """The booking as it should be there; None when a room type has no counterpart."""
    theirs = connected.connection.room_types
    if any(room.room_type_id not in theirs for room in reservation.rooms):
        return None
    return PmsOrder(
        key=key_of(reservation.reservation_id),
        code=reservation.confirmation_code,
        check_in=reservation.stay.check_in,
        check_out=reservation.stay.check_out,
        rooms=tuple(
            PmsRoom(
                type_id=theirs[room.room_type_id],
                adult_count=room.guests.adult_count,
                child_count=room.guests.child_count,
                price=room.quote.total_price,
            )
            for room in reservation.rooms
        ),
        currency_code=reservation.currency_code,
    )


def _active(found: list[PmsBooking]) -> list[PmsBooking]:
    """Those that take their nights, in an order that every replica sees."""
    return sorted((one for one in found if one.active), key=lambda one: one.booking_id)


def _pause(count: int) -> float:
    return min(FIRST_PAUSE * 2.0 ** min(count - 1, 8), LONGEST_PAUSE)
