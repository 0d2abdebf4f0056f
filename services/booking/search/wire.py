"""What a search found, as protobuf."""

from __future__ import annotations

from conserje.booking.v1.booking_service_pb2 import SearchAvailabilityResponse
from conserje.booking.v1.inventory_pb2 import Photo
from conserje.booking.v1.lock_pb2 import QuoteLine as QuoteLineMessage
from conserje.booking.v1.room_type_pb2 import (
    FRESHNESS_CACHED,
    FRESHNESS_LIVE,
    FRESHNESS_UNCONFIRMED,
    AlternativeStay,
    RateOffer,
    RoomTypeAvailability,
    UnavailableReason,
)

from meshkit.dates import from_date
from services.booking.domain import QuoteLine
from services.booking.inventory.domain import Inventory as Sold
from services.booking.inventory.policy import Policy
from services.booking.inventory.pricing import Refused
from services.booking.search.domain import (
    Alternative,
    Availability,
    Inventory,
    Offer,
    PlanOffer,
)
from services.booking.wire import from_line, money, write_quote


def from_availability(
    availability: Availability, inventory: Inventory, *, cached: bool, unconfirmed: bool = False
) -> SearchAvailabilityResponse:
    """The answer to a search."""
    sold = inventory.page.inventory
    response = SearchAvailabilityResponse(
        room_types=[_from_offer(one, sold) for one in availability.offers],
        alternative_stays=[_from_alternative(one) for one in availability.alternatives],
        freshness=FRESHNESS_CACHED if cached else FRESHNESS_LIVE,
    )
    if unconfirmed:
        response.freshness = FRESHNESS_UNCONFIRMED
    response.as_of.FromDatetime(inventory.counters.as_of)
    return response


def _from_offer(offer: Offer, sold: Sold) -> RoomTypeAvailability:
    kind, standard = offer.room_type, offer.standard
    message = RoomTypeAvailability(
        room_type_id=kind.room_type_id,
        display_names=kind.display_names,
        max_guest_count=kind.max_guest_count,
        free_count=offer.free_count,
        descriptions=kind.details.descriptions,
        photos=[Photo(url=one.url, captions=one.captions) for one in kind.details.photos],
        lines=_from_lines(offer.quote.lines, sold.currency_code),
        other_rates=[_from_plan(one, sold) for one in offer.others],
    )
    currency = sold.currency_code
    message.nightly_prices.extend(money(one, currency) for one in offer.quote.nightly_prices)
    message.total_price.CopyFrom(money(offer.quote.total_price, currency))
    if standard.refused is not None:
        message.unavailable_reason = _reason(standard.refused)
        message.required_night_count = standard.refused.facts.get("nights", 0)
        message.required_notice_days = standard.refused.facts.get("days", 0)
    if standard.policy is not None:
        _write_policy(standard.policy, sold.currency_code, message)
    if offer.nearest is not None:
        message.nearest_stay.CopyFrom(_from_alternative(offer.nearest))
    return message


def _from_plan(offer: PlanOffer, sold: Sold) -> RateOffer:
    message = RateOffer(rate_plan_id=offer.rate_plan_id)
    plan = sold.house.plan(offer.rate_plan_id)
    if plan is not None:
        message.display_names.update(plan.display_names)
    if offer.refused is not None:
        message.unavailable_reason = _reason(offer.refused)
    if offer.quote is not None:
        write_quote(offer.quote, message.quote)
    if offer.policy is not None:
        _write_policy(offer.policy, sold.currency_code, message)
    return message


def _from_lines(lines: tuple[QuoteLine, ...], currency_code: str) -> list[QuoteLineMessage]:
    return [from_line(one, currency_code) for one in lines]


def _write_policy(
    policy: Policy, currency_code: str, into: RoomTypeAvailability | RateOffer
) -> None:
    if policy.deposit_due is not None:
        into.deposit.CopyFrom(money(policy.deposit, currency_code))
        into.deposit_due_time.FromDatetime(policy.deposit_due)
    for one in policy.cancellation:
        cost = into.cancellation_costs.add()
        cost.start_time.FromDatetime(one.start)
        cost.penalty.CopyFrom(money(one.penalty, currency_code))


def _reason(refused: Refused) -> UnavailableReason.ValueType:
    return UnavailableReason.Value(f"UNAVAILABLE_REASON_{refused.reason}")


def _from_alternative(alternative: Alternative) -> AlternativeStay:
    message = AlternativeStay(room_type_id=alternative.room_type_id)
    quote = alternative.quote
    from_date(alternative.stay.check_in, message.check_in_date)
    from_date(alternative.stay.check_out, message.check_out_date)
    message.total_price.CopyFrom(money(quote.total_price, quote.currency_code))
    return message
