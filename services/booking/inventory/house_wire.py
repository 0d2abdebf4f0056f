"""Taxes, fees, rate plans and restrictions: protobuf in, domain out, and back."""

from __future__ import annotations

from decimal import Decimal

from conserje.booking.v1 import inventory_pb2 as messages

from meshkit.dates import from_date, to_date
from services.booking.inventory.catalogue import Basis, House, Levy, RatePlan, Restriction
from services.booking.inventory.rates import EVERY_DAY
from services.booking.inventory.wire_parts import from_amount, from_weekdays, to_amount
from services.booking.reservations.terms_wire import from_terms, to_terms


def to_house(message: messages.Inventory) -> House:
    """What holds for all types of an inventory that was sent."""
    currency = message.currency_code
    return House(
        levies=tuple(
            _to_levy(one, f"inventory.levies[{number}]", currency)
            for number, one in enumerate(message.levies)
        ),
        rate_plans=tuple(
            _to_plan(one, f"inventory.rate_plans[{number}]", currency)
            for number, one in enumerate(message.rate_plans)
        ),
        restrictions=tuple(
            _to_restriction(one, f"inventory.restrictions[{number}]")
            for number, one in enumerate(message.restrictions)
        ),
    )


def write_house(house: House, currency_code: str, into: messages.Inventory) -> None:
    """What holds for all types."""
    into.levies.extend(_from_levy(one, currency_code) for one in house.levies)
    into.rate_plans.extend(_from_plan(one, currency_code) for one in house.rate_plans)
    into.restrictions.extend(_from_restriction(one) for one in house.restrictions)


def _to_levy(message: messages.Levy, path: str, currency_code: str) -> Levy:
    fixed = message.HasField("amount")
    return Levy(
        levy_id=message.levy_id,
        display_names=dict(message.display_names),
        basis=Basis(messages.LevyBasis.Name(message.basis).removeprefix("LEVY_BASIS_")),
        included=message.included,
        percent=None if fixed else Decimal(message.percent),
        amount=to_amount(message.amount, f"{path}.amount", currency_code) if fixed else None,
        adults_only=message.adults_only,
    )


def _from_levy(levy: Levy, currency_code: str) -> messages.Levy:
    message = messages.Levy(
        levy_id=levy.levy_id,
        display_names=levy.display_names,
        basis=messages.LevyBasis.Value(f"LEVY_BASIS_{levy.basis.value}"),
        included=levy.included,
        adults_only=levy.adults_only,
    )
    if levy.percent is not None:
        message.percent = str(levy.percent)
    if levy.amount is not None:
        from_amount(levy.amount, currency_code, message.amount)
    return message


def _to_plan(message: messages.RatePlan, path: str, currency_code: str) -> RatePlan:
    own = message.HasField("terms")
    return RatePlan(
        message.rate_plan_id,
        dict(message.display_names),
        to_terms(message.terms, f"{path}.terms", currency_code) if own else None,
    )


def _from_plan(plan: RatePlan, currency_code: str) -> messages.RatePlan:
    return messages.RatePlan(
        rate_plan_id=plan.rate_plan_id,
        display_names=plan.display_names,
        terms=None if plan.terms is None else from_terms(plan.terms, currency_code),
    )


def _to_restriction(message: messages.Restriction, path: str) -> Restriction:
    return Restriction(
        first=to_date(message.first_night_date, f"{path}.first_night_date"),
        last=to_date(message.last_night_date, f"{path}.last_night_date"),
        weekdays=frozenset(message.weekdays) or EVERY_DAY,
        room_type_ids=frozenset(message.room_type_ids),
        rate_plan_ids=frozenset(message.rate_plan_ids),
        min_nights_on_arrival=message.min_nights_on_arrival,
        min_nights_through=message.min_nights_through,
        max_nights=message.max_nights,
        closed=message.closed,
        closed_to_arrival=message.closed_to_arrival,
        closed_to_departure=message.closed_to_departure,
        min_notice_days=message.min_notice_days,
    )


def _from_restriction(restriction: Restriction) -> messages.Restriction:
    return messages.Restriction(
        first_night_date=from_date(restriction.first),
        last_night_date=from_date(restriction.last),
        weekdays=from_weekdays(restriction.weekdays),
        room_type_ids=sorted(restriction.room_type_ids),
        rate_plan_ids=sorted(restriction.rate_plan_ids),
        min_nights_on_arrival=restriction.min_nights_on_arrival,
        min_nights_through=restriction.min_nights_through,
        max_nights=restriction.max_nights,
        closed=restriction.closed,
        closed_to_arrival=restriction.closed_to_arrival,
        closed_to_departure=restriction.closed_to_departure,
        min_notice_days=restriction.min_notice_days,
    )
