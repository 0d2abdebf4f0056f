"""The terms of a stay in money and dates, as a guest can be told them before booking."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.booking.domain import Quote, Stay
from services.booking.reservations.terms import Charge, Terms, local


@dataclass(frozen=True, slots=True)
class CancellationCost:
    """From an instant on, cancelling costs so much."""

    start: dt.datetime
    penalty: Decimal


@dataclass(frozen=True, slots=True)
class Policy:
    """What is to be paid ahead, until when, and what cancelling costs from when on."""

    deposit: Decimal
    deposit_due: dt.datetime | None
    """None without a deposit."""
    cancellation: Sequence[CancellationCost]
    """Earliest first; what begins in the past begins at once. Before the first, free."""


def policy(terms: Terms, quote: Quote, stay: Stay, time_zone: str, now: dt.datetime) -> Policy:
    """What the terms mean for a stay that is booked now.

    The deposit is due as `reservations.domain.opened` decides it.
    """
    arrival = local(stay.check_in, terms.check_in, time_zone)
    deposit = _charge(terms.deposit, quote)
    due = min(now + dt.timedelta(hours=terms.deposit_hours), max(arrival, now))
    steps = sorted(terms.cancellation, key=lambda step: -step.hours_before)
    costs = [
        CancellationCost(
            max(now, arrival - dt.timedelta(hours=step.hours_before)), _charge(step.penalty, quote)
        )
        for step in steps
    ]
    # Of steps that have begun, the last one holds.
    begun = sum(one.start == now for one in costs)
    return Policy(deposit, due if deposit else None, costs[max(begun - 1, 0) :])


def _charge(charge: Charge, quote: Quote) -> Decimal:
    return charge.of(quote.nightly_prices, quote.total_price, quote.currency_code)
