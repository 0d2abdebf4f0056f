"""Reservations to decide about, without a database."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from services.booking.domain import (
    Deposit,
    Guests,
    Quote,
    Reservation,
    ReservationState,
    ReservedRoom,
    Stay,
)
from services.booking.reservations.domain import Facts
from services.booking.reservations.terms import (
    CancellationStep,
    Charge,
    ChargeKind,
    LateCheckoutStep,
    Terms,
)

ARRIVAL = dt.date(2027, 3, 27)
ZONE = "Europe/Madrid"
STRICT = Terms(
    cancellation=(
        CancellationStep(24, Charge(ChargeKind.PERCENT, Decimal(100))),
        CancellationStep(168, Charge(ChargeKind.NIGHTS, Decimal(1))),
    ),
    no_show=Charge(ChargeKind.PERCENT, Decimal(50)),
    deposit=Charge(ChargeKind.PERCENT, Decimal(30)),
    late_checkout=(
        LateCheckoutStep(dt.time(18), Charge(ChargeKind.NIGHTS, Decimal(1))),
        LateCheckoutStep(dt.time(13), Charge(ChargeKind.FIXED, Decimal("20.00"))),
    ),
)


def room(number: int, *prices: str) -> ReservedRoom:
    """One room at these prices."""
    quote = Quote(tuple(Decimal(price) for price in prices), "EUR")
    return ReservedRoom(number, "double", Guests(2, 0), quote, str(100 + number))


def reservation(
    state: ReservationState = ReservationState.CONFIRMED,
    terms: Terms = STRICT,
    rooms: tuple[ReservedRoom, ...] = (room(1, "100.00", "120.55"), room(2, "90.00", "90.00")),
) -> Reservation:
    """Two rooms for two nights over the clock change of 28 March, unless told otherwise."""
    return Reservation(
        reservation_id=UUID(int=1),
        tenant_id="mirador",
        confirmation_code="CDFGHJKM",
        stay=Stay(ARRIVAL, ARRIVAL + dt.timedelta(days=2)),
        state=state,
        rooms=rooms,
        guest_id="guest",
        create_time=dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
        cancel_time=None,
        version=1,
        terms=terms,
        deposit=Deposit(Decimal("120.17"), dt.datetime(2027, 1, 2, tzinfo=dt.UTC)),
    )


def at(text: str, *, next_arrival: bool = False) -> Facts:
    """What is true at this UTC time."""
    return Facts(dt.datetime.fromisoformat(f"{text}+00:00"), ZONE, next_arrival)
