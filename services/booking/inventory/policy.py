"""The terms of a stay in money and dates, as a guest can be told them before booking."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.booking.domain import Quote, Stay
from services.booking.reservations.terms import Charge, Terms, local


class CancellationCost(NamedTuple):
    """From an instant on, cancelling costs so much."""

    start: dt.datetime
    penalty: Decimal


class Policy(NamedTuple):
    """What is to be paid ahead, until when, and what cancelling costs from when on."""

    deposit: Decimal
    deposit_due: dt.datetime | None
    """None without a deposit."""
    cancellation: Sequence[CancellationCost]
    """Earliest first; what begins in the past begins at once. Before the first, free."""


@dataclass(frozen=True, slots=True)
class Charges:
    """What terms charge for a quote, whenever the stay is."""

    deposit: Decimal
    penalties: Sequence[tuple[dt.timedelta, Decimal]]
    """How long before the arrival cancelling begins to cost so much; earliest first."""


def charges(terms: Terms, quote: Quote) -> Charges:
    """What the terms charge for a quote."""
    steps = sorted(terms.cancellation, key=lambda step: -step.hours_before)
    penalties = [
        (dt.timedelta(hours=one.hours_before), _charge(one.penalty, quote)) for one in steps
    ]
    return Charges(_charge(terms.deposit, quote), penalties)


def policy(terms: Terms, charged: Charges, stay: Stay, time_zone: str, now: dt.datetime) -> Policy:
    """What the terms mean for a stay that is booked now."""
    arrival = local(stay.check_in, terms.check_in, time_zone)
    due = terms.deposit_due(arrival, now) if charged.deposit else None
    costs = [
        CancellationCost(max(now, arrival - before), penalty)
        for before, penalty in charged.penalties
    ]
    # Of steps that have begun, the last one holds.
    while len(costs) > 1 and costs[1].start == now:
        del costs[0]
    return Policy(charged.deposit, due, costs)


def _charge(charge: Charge, quote: Quote) -> Decimal:
    return charge.of(quote.nightly_prices, quote.total_price, quote.currency_code)
