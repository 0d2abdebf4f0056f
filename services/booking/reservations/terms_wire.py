"""The terms of hotels and reservations: protobuf in, domain out, and back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from conserje.booking.v1.reservation_pb2 import (
    CancellationStep,
    LateCheckoutStep,
    ReservationTerms,
)
from conserje.booking.v1.reservation_pb2 import Charge as ChargeMessage
from google.protobuf.duration_pb2 import Duration

from meshkit.errors import InvalidArgument
from meshkit.money import Money, from_proto, to_proto
from services.booking.reservations import terms as domain
from services.booking.reservations.terms import FREE, NO_TERMS, Charge, ChargeKind, Terms

HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)


def to_terms(message: ReservationTerms, path: str, currency_code: str) -> Terms:
    """Terms that were sent; what is wrong names its field."""
    return Terms(
        check_in=dt.time.fromisoformat(message.check_in_time),
        check_out=dt.time.fromisoformat(message.check_out_time),
        cancellation=tuple(
            domain.CancellationStep(
                _whole(one.before_arrival, HOUR, f"{path}.cancellation_steps[{n}].before_arrival"),
                _to_charge(one.penalty, f"{path}.cancellation_steps[{n}].penalty", currency_code),
            )
            for n, one in enumerate(message.cancellation_steps)
        ),
        no_show=_to_charge(message.no_show_penalty, f"{path}.no_show_penalty", currency_code),
        deposit=_to_charge(message.deposit, f"{path}.deposit", currency_code),
        deposit_hours=_whole(message.deposit_period, HOUR, f"{path}.deposit_period")
        if message.HasField("deposit_period")
        else NO_TERMS.deposit_hours,
        late_checkout=tuple(
            domain.LateCheckoutStep(
                dt.time.fromisoformat(one.until_time),
                _to_charge(one.fee, f"{path}.late_checkout_steps[{n}].fee", currency_code),
            )
            for n, one in enumerate(message.late_checkout_steps)
        ),
        room_ready=_whole(message.room_ready_period, MINUTE, f"{path}.room_ready_period") * MINUTE
        if message.HasField("room_ready_period")
        else NO_TERMS.room_ready,
    )


def _whole(message: Duration, unit: dt.timedelta, field: str) -> int:
    count, rest = divmod(message.ToTimedelta(), unit)
    if rest:
        raise InvalidArgument.field(field, f"must be a multiple of {unit}")
    return count


def _to_charge(message: ChargeMessage, path: str, currency_code: str) -> Charge:
    match message.WhichOneof("measure"):
        case "percent":
            return Charge(ChargeKind.PERCENT, Decimal(message.percent))
        case "night_count":
            return Charge(ChargeKind.NIGHTS, Decimal(message.night_count))
        case "amount":
            amount = from_proto(message.amount, f"{path}.amount")
            if amount.amount and amount.currency != currency_code:
                raise InvalidArgument.field(f"{path}.amount", f"is not in {currency_code}")
            return Charge(ChargeKind.FIXED, amount.amount)
    return FREE


def from_terms(terms: Terms, currency_code: str) -> ReservationTerms:
    """Terms, steps in their order."""
    message = ReservationTerms(
        check_in_time=f"{terms.check_in:%H:%M}",
        check_out_time=f"{terms.check_out:%H:%M}",
        no_show_penalty=_from_charge(terms.no_show, currency_code),
        deposit=_from_charge(terms.deposit, currency_code),
    )
    message.deposit_period.FromTimedelta(dt.timedelta(hours=terms.deposit_hours))
    message.room_ready_period.FromTimedelta(terms.room_ready)
    for step in sorted(terms.cancellation, key=lambda one: -one.hours_before):
        penalty = _from_charge(step.penalty, currency_code)
        added = CancellationStep(penalty=penalty)
        added.before_arrival.FromTimedelta(dt.timedelta(hours=step.hours_before))
        message.cancellation_steps.append(added)
    for late in sorted(terms.late_checkout, key=lambda one: one.until):
        fee = _from_charge(late.fee, currency_code)
        message.late_checkout_steps.append(
            LateCheckoutStep(until_time=f"{late.until:%H:%M}", fee=fee)
        )
    return message


def _from_charge(charge: Charge, currency_code: str) -> ChargeMessage:
    if charge.kind is ChargeKind.PERCENT:
        return ChargeMessage(percent=int(charge.value))
    if charge.kind is ChargeKind.NIGHTS:
        return ChargeMessage(night_count=int(charge.value))
    return ChargeMessage(amount=to_proto(Money(charge.value, currency_code)))
