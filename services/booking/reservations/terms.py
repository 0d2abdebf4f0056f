"""What a hotel asks for deposits, cancellations, no-shows and late departures.

The terms are kept with each reservation as they were when it was booked; what
the hotel changes later concerns later guests. Amounts are rounded half up to
the currency's smallest coin, once, at the end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo

from meshkit.money import smallest_coin

LEAST_TO_PAY = dt.timedelta(hours=1)
"""For a deposit: the shortest period that terms can name."""


class ChargeKind(Enum):
    """What a charge is measured by."""

    PERCENT = "PERCENT"
    NIGHTS = "NIGHTS"
    FIXED = "FIXED"


@dataclass(frozen=True, slots=True)
class Charge:
    """A share of the total price, the price of the first nights, or an amount."""

    kind: ChargeKind
    value: Decimal

    def of(self, nightly: Sequence[Decimal], total: Decimal, currency_code: str) -> Decimal:
        """What it comes to, never more than `total`; `nightly` in the order they count."""
        if self.kind is ChargeKind.PERCENT:
            amount = total * self.value / 100
        elif self.kind is ChargeKind.NIGHTS:
            amount = sum(nightly[: int(self.value)], Decimal())
        else:
            amount = self.value
        return rounded(min(amount, total), currency_code)


FREE = Charge(ChargeKind.FIXED, Decimal())


@dataclass(frozen=True, slots=True)
class CancellationStep:
    """From so many hours before arrival on, cancelling costs `penalty`."""

    hours_before: int
    penalty: Charge


@dataclass(frozen=True, slots=True)
class LateCheckoutStep:
    """Leaving by this local time of the day of departure costs `fee`."""

    until: dt.time
    fee: Charge


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one hotel, or of one reservation.

    Without steps cancelling is free and nobody leaves late. `room_ready` is how
    long before the next arrival (at `check_in`) a room must be empty.
    """

    check_in: dt.time = dt.time(15)
    check_out: dt.time = dt.time(11)
    cancellation: tuple[CancellationStep, ...] = ()
    no_show: Charge = FREE
    deposit: Charge = FREE
    deposit_hours: int = 24
    late_checkout: tuple[LateCheckoutStep, ...] = ()
    room_ready: dt.timedelta = dt.timedelta(hours=2)

    def penalty_at(
        self, arrival: dt.datetime, now: dt.datetime
    ) -> tuple[Charge, dt.datetime | None]:
        """What cancelling costs now, and when it begins to cost more (None: never)."""
        steps = sorted(self.cancellation, key=lambda step: -step.hours_before)
        starts = [arrival - dt.timedelta(hours=step.hours_before) for step in steps]
        passed = sum(start <= now for start in starts)
        charge = steps[passed - 1].penalty if passed else FREE
        return charge, starts[passed] if passed < len(starts) else None

    def deposit_due(self, arrival: dt.datetime, now: dt.datetime) -> dt.datetime:
        """Until when the deposit of a booking of now is waited for.

        Not beyond the arrival; who books for the same day, or later, still has time to pay.
        """
        period = dt.timedelta(hours=self.deposit_hours)
        return min(now + period, max(arrival, now + LEAST_TO_PAY))

    def late_fee(self, until: dt.time) -> Charge | None:
        """The fee for leaving by `until`; None when that is later than the hotel allows."""
        steps = sorted(self.late_checkout, key=lambda step: step.until)
        return next((step.fee for step in steps if until <= step.until), None)


NO_TERMS = Terms()
"""A hotel that asks for nothing."""


def rounded(amount: Decimal, currency_code: str) -> Decimal:
    """Half up to the currency's smallest coin."""
    return amount.quantize(smallest_coin(currency_code), ROUND_HALF_UP)


@lru_cache(maxsize=4096)
def local(day: dt.date, time: dt.time, time_zone: str) -> dt.datetime:
    """A time of the hotel's clocks as an instant.

    Of a time that the clocks show twice the first is meant; one that they skip
    is read by the offset from before.
    """
    return dt.datetime.combine(day, time, ZoneInfo(time_zone)).astimezone(dt.UTC)
