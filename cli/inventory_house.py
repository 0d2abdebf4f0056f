"""Taxes and fees, rate plans and restrictions in the file of an inventory."""

from collections.abc import Mapping
from typing import Any

from conserje.booking.v1.inventory_pb2 import Levy, LevyBasis, RatePlan, Restriction

from cli.inventory_terms import from_terms, to_terms
from cli.inventory_values import (
    from_amount,
    from_span,
    to_amount,
    to_day,
    to_fields,
    to_flag,
    to_items,
    to_number,
    to_texts,
    to_weekdays,
)
from cli.places import UsageError

BASES = {
    "night": LevyBasis.LEVY_BASIS_NIGHT,
    "stay": LevyBasis.LEVY_BASIS_STAY,
    "person_night": LevyBasis.LEVY_BASIS_PERSON_NIGHT,
}
COUNTS = ("min_nights_on_arrival", "min_nights_through", "max_nights", "min_notice_days")
FLAGS = ("closed", "closed_to_arrival", "closed_to_departure")


def from_levy(levy: Levy) -> dict[str, Any]:
    """A tax or a fee."""
    found: dict[str, Any] = {
        "id": levy.levy_id,
        "display_names": dict(sorted(levy.display_names.items())),
    }
    if levy.HasField("amount"):
        found["amount"] = str(from_amount(levy.amount))
    else:
        found["percent"] = levy.percent
    found["per"] = next(name for name, basis in BASES.items() if basis == levy.basis)
    found["included"] = levy.included
    if levy.adults_only:
        found["adults_only"] = True
    return found


def to_levy(value: object, path: str, currency: str) -> Levy:
    """A tax or a fee."""
    fields = to_fields(
        value, path, "id", "display_names", "percent", "amount", "per", "included", "adults_only"
    )
    per = fields.get("per")
    if per not in BASES:
        raise UsageError(f"{path}.per: {per!r} is none of {', '.join(BASES)}.")
    if ("percent" in fields) == ("amount" in fields):
        raise UsageError(f"{path}: must have either percent or amount.")
    levy = Levy(
        levy_id=str(fields.get("id", "")),
        display_names=to_texts(fields, "display_names", path),
        basis=BASES[per],
        included=to_flag(fields, "included", path),
        adults_only=to_flag(fields, "adults_only", path),
    )
    if "percent" in fields:
        levy.percent = str(fields["percent"])
    else:
        levy.amount.CopyFrom(to_amount(fields["amount"], f"{path}.amount", currency))
    return levy


def from_plan(plan: RatePlan) -> dict[str, Any]:
    """Another way of selling the same rooms."""
    found: dict[str, Any] = {
        "rate_plan_id": plan.rate_plan_id,
        "display_names": dict(sorted(plan.display_names.items())),
    }
    if plan.HasField("terms"):
        found["terms"] = from_terms(plan.terms)
    return found


def to_plan(value: object, path: str, currency: str) -> RatePlan:
    """Another way of selling the same rooms."""
    fields = to_fields(value, path, "rate_plan_id", "display_names", "terms")
    return RatePlan(
        rate_plan_id=str(fields.get("rate_plan_id", "")),
        display_names=to_texts(fields, "display_names", path),
        terms=to_terms(fields["terms"], f"{path}.terms", currency) if "terms" in fields else None,
    )


def from_restriction(restriction: Restriction) -> dict[str, Any]:
    """Which stays are not taken; without what restricts nothing."""
    found = from_span(
        restriction.first_night_date, restriction.last_night_date, restriction.weekdays
    )
    for name, ids in (
        ("room_types", restriction.room_type_ids),
        ("rate_plans", restriction.rate_plan_ids),
    ):
        if ids:
            found[name] = list(ids)
    for name in (*COUNTS, *FLAGS):
        if getattr(restriction, name):
            found[name] = getattr(restriction, name)
    return found


def to_restriction(value: object, path: str) -> Restriction:
    """Which stays are not taken."""
    fields = to_fields(
        value,
        path,
        *("first_night", "last_night", "weekdays", "room_types", "rate_plans"),
        *COUNTS,
        *FLAGS,
    )
    return Restriction(
        first_night_date=to_day(fields.get("first_night"), f"{path}.first_night"),
        last_night_date=to_day(fields.get("last_night"), f"{path}.last_night"),
        weekdays=to_weekdays(fields, path),
        room_type_ids=_to_ids(fields, "room_types", path),
        rate_plan_ids=_to_ids(fields, "rate_plans", path),
        min_nights_on_arrival=to_number(fields, "min_nights_on_arrival", path),
        min_nights_through=to_number(fields, "min_nights_through", path),
        max_nights=to_number(fields, "max_nights", path),
        min_notice_days=to_number(fields, "min_notice_days", path),
        closed=to_flag(fields, "closed", path),
        closed_to_arrival=to_flag(fields, "closed_to_arrival", path),
        closed_to_departure=to_flag(fields, "closed_to_departure", path),
    )


def _to_ids(fields: Mapping[str, Any], name: str, path: str) -> list[str]:
    return [str(one) for one in to_items(fields, name, path)]
