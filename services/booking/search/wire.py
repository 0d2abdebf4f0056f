"""What a search found, as protobuf."""

from __future__ import annotations

from functools import lru_cache

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
from services.booking.inventory.book import Page
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
from services.booking.wire import money, timestamp, write_quote


def from_availability(
    availability: Availability, inventory: Inventory, *, cached: bool, unconfirmed: bool = False
) -> SearchAvailabilityResponse:
    """The answer to a search."""
    response = SearchAvailabilityResponse(
        alternative_stays=[_from_alternative(one) for one in availability.alternatives],
        freshness=FRESHNESS_CACHED if cached else FRESHNESS_LIVE,
    )
    for one in availability.offers:
        _write_offer(one, inventory.page, response.room_types.add())
    if unconfirmed:
        response.freshness = FRESHNESS_UNCONFIRMED
    response.as_of.CopyFrom(timestamp(inventory.counters.as_of))
    return response


def _write_offer(offer: Offer, page: Page, into: RoomTypeAvailability) -> None:
    standard, sold = offer.standard, page.inventory
    currency = sold.currency_code
    into.CopyFrom(_room_type(page, offer.room_type.room_type_id))
    into.free_count = offer.free_count
    into.other_rates.extend(_from_plan(one, sold) for one in offer.others)
    for line in offer.quote.lines:
        message = into.lines.add()
        message.CopyFrom(_levy(page, line.levy_id))
        message.amount.CopyFrom(money(line.amount, currency))
    into.nightly_prices.extend(money(one, currency) for one in offer.quote.nightly_prices)
    into.total_price.CopyFrom(money(offer.quote.total_price, currency))
    if standard.refused is not None:
        into.unavailable_reason = _reason(standard.refused)
        into.required_night_count = standard.refused.facts.get("nights", 0)
        into.required_notice_days = standard.refused.facts.get("days", 0)
    if standard.policy is not None:
        _write_policy(standard.policy, currency, into)
    if offer.nearest is not None:
        into.nearest_stay.CopyFrom(_from_alternative(offer.nearest))


@lru_cache(maxsize=4096)
def _room_type(page: Page, room_type_id: str) -> RoomTypeAvailability:
    """What is told of a type for every stay, to be copied."""
    kind = page.inventory.room_types[room_type_id]
    return RoomTypeAvailability(
        room_type_id=kind.room_type_id,
        display_names=kind.display_names,
        max_guest_count=kind.max_guest_count,
        descriptions=kind.details.descriptions,
        photos=[Photo(url=one.url, captions=one.captions) for one in kind.details.photos],
    )


@lru_cache(maxsize=4096)
def _levy(page: Page, levy_id: str) -> QuoteLineMessage:
    """A tax or a fee without its amount, to be copied."""
    levy = next(one for one in page.inventory.house.levies if one.levy_id == levy_id)
    return QuoteLineMessage(
        levy_id=levy_id, display_names=levy.display_names, included=levy.included
    )


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


def _write_policy(
    policy: Policy, currency_code: str, into: RoomTypeAvailability | RateOffer
) -> None:
    if policy.deposit_due is not None:
        into.deposit.CopyFrom(money(policy.deposit, currency_code))
        into.deposit_due_time.CopyFrom(timestamp(policy.deposit_due))
    for one in policy.cancellation:
        cost = into.cancellation_costs.add()
        cost.start_time.CopyFrom(timestamp(one.start))
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
