"""What a hotel asks for deposits, cancellations, no-shows and late departures, in a file.

What something costs is written `30%`, `1 night`, `2 nights` or as an amount.
"""

import re
from collections.abc import Mapping
from typing import Any

from conserje.booking.v1.reservation_pb2 import (
    CancellationStep,
    Charge,
    LateCheckoutStep,
    ReservationTerms,
)

from cli.inventory_values import from_amount, to_amount, to_fields, to_items, to_number
from cli.places import UsageError

NIGHTS = re.compile(r"([0-9]{1,2}) nights?")
PERCENT = re.compile(r"([0-9]{1,3})%")
HOUR, MINUTE = 3600, 60
FIELDS = (
    "check_in",
    "check_out",
    "deposit",
    "deposit_hours",
    "cancellation",
    "no_show",
    "late_checkout",
    "room_ready_minutes",
)


def from_terms(terms: ReservationTerms) -> dict[str, Any]:
    """The terms as a file has them; without what costs nothing."""
    found: dict[str, Any] = {"check_in": terms.check_in_time, "check_out": terms.check_out_time}
    if _costs(terms.deposit):
        found["deposit"] = _from_charge(terms.deposit)
    found["deposit_hours"] = terms.deposit_period.seconds // HOUR
    if terms.cancellation_steps:
        found["cancellation"] = [
            {
                "hours_before": one.before_arrival.seconds // HOUR,
                "penalty": _from_charge(one.penalty),
            }
            for one in terms.cancellation_steps
        ]
    if _costs(terms.no_show_penalty):
        found["no_show"] = _from_charge(terms.no_show_penalty)
    if terms.late_checkout_steps:
        found["late_checkout"] = [
            {"until": one.until_time, "fee": _from_charge(one.fee)}
            for one in terms.late_checkout_steps
        ]
    found["room_ready_minutes"] = terms.room_ready_period.seconds // MINUTE
    return found


def to_terms(value: object, path: str, currency: str) -> ReservationTerms:
    """The terms in a file."""
    fields = to_fields(value, path, *FIELDS)
    terms = ReservationTerms(
        check_in_time=str(fields.get("check_in", "15:00")),
        check_out_time=str(fields.get("check_out", "11:00")),
        deposit=_to_charge(fields, "deposit", path, currency),
        no_show_penalty=_to_charge(fields, "no_show", path, currency),
        cancellation_steps=[
            _to_step(one, f"{path}.cancellation[{number}]", currency)
            for number, one in enumerate(to_items(fields, "cancellation", path))
        ],
        late_checkout_steps=[
            _to_late_step(one, f"{path}.late_checkout[{number}]", currency)
            for number, one in enumerate(to_items(fields, "late_checkout", path))
        ],
    )
    if "deposit_hours" in fields:
        terms.deposit_period.seconds = to_number(fields, "deposit_hours", path) * HOUR
    if "room_ready_minutes" in fields:
        terms.room_ready_period.seconds = to_number(fields, "room_ready_minutes", path) * MINUTE
    return terms


def _to_step(value: object, path: str, currency: str) -> CancellationStep:
    fields = to_fields(value, path, "hours_before", "penalty")
    step = CancellationStep(penalty=_to_charge(fields, "penalty", path, currency))
    step.before_arrival.seconds = to_number(fields, "hours_before", path) * HOUR
    return step


def _to_late_step(value: object, path: str, currency: str) -> LateCheckoutStep:
    fields = to_fields(value, path, "until", "fee")
    return LateCheckoutStep(
        until_time=str(fields.get("until", "")), fee=_to_charge(fields, "fee", path, currency)
    )


def _to_charge(fields: Mapping[str, Any], name: str, path: str, currency: str) -> Charge:
    written = str(fields.get(name, "0"))
    if match := PERCENT.fullmatch(written):
        return Charge(percent=int(match[1]))
    if match := NIGHTS.fullmatch(written):
        return Charge(night_count=int(match[1]))
    try:
        return Charge(amount=to_amount(written, f"{path}.{name}", currency))
    except UsageError:
        raise UsageError(
            f"{path}.{name}: {written!r} is neither 30%, 1 night nor an amount."
        ) from None


def _from_charge(charge: Charge) -> str:
    match charge.WhichOneof("measure"):
        case "percent":
            return f"{charge.percent}%"
        case "night_count":
            return f"{charge.night_count} night{'s' * (charge.night_count != 1)}"
    return str(from_amount(charge.amount))


def _costs(charge: Charge) -> bool:
    return bool(charge.percent or charge.night_count or charge.amount.units or charge.amount.nanos)
