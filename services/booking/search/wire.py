"""What a search found, as protobuf."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache

from conserje.booking.v1.booking_service_pb2 import SearchAvailabilityResponse
from conserje.booking.v1.inventory_pb2 import Photo
from conserje.booking.v1.room_type_pb2 import (
    FRESHNESS_CACHED,
    FRESHNESS_LIVE,
    FRESHNESS_UNCONFIRMED,
    AlternativeStay,
    CancellationCost,
    RateOffer,
    RoomTypeAvailability,
    UnavailableReason,
)

from meshkit.dates import from_date
from meshkit.parts import embedding
from services.booking.domain import MOST_QUOTES, Quote
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
from services.booking.wire import (
    from_line,
    money,
    money_bytes,
    timestamp,
    timestamp_bytes,
    write_quote,
)

_ROOM_TYPES = embedding(SearchAvailabilityResponse, "room_types")
_OTHER_RATES = embedding(RoomTypeAvailability, "other_rates")


class _PolicyFields:
    """The fields of a message that tell a policy."""

    def __init__(self, kind: type[RoomTypeAvailability | RateOffer]) -> None:
        self._deposit = embedding(kind, "deposit")
        self._due = embedding(kind, "deposit_due_time")
        self._costs = embedding(kind, "cancellation_costs")

    def written(self, policy: Policy, currency_code: str) -> list[bytes]:
        """Their bytes."""
        costs = policy.cancellation
        parts = [self._costs(_cost(one.start, one.penalty, currency_code)) for one in costs]
        if policy.deposit_due is not None:
            parts.append(self._deposit(money_bytes(policy.deposit, currency_code)))
            parts.append(self._due(timestamp_bytes(policy.deposit_due)))
        return parts


_OF_TYPE, _OF_PLAN = _PolicyFields(RoomTypeAvailability), _PolicyFields(RateOffer)


def from_availability(
    availability: Availability, inventory: Inventory, *, cached: bool, unconfirmed: bool = False
) -> bytes:
    """The answer to a search, as the bytes of a `SearchAvailabilityResponse`."""
    response = SearchAvailabilityResponse(
        alternative_stays=[_from_alternative(one) for one in availability.alternatives],
        freshness=FRESHNESS_CACHED if cached else FRESHNESS_LIVE,
        as_of=timestamp(inventory.counters.as_of),
    )
    if unconfirmed:
        response.freshness = FRESHNESS_UNCONFIRMED
    offers = [_ROOM_TYPES(_from_offer(one, inventory.page)) for one in availability.offers]
    return b"".join((*offers, response.SerializeToString()))


def _from_offer(offer: Offer, page: Page) -> bytes:
    """What is told of a type for every stay, at these prices, on these dates, and this time."""
    standard, sold = offer.standard, page.inventory
    parts = [_room_type(page, offer.room_type.room_type_id)]
    if standard.refused is None:
        parts.append(_free(offer.free_count))
    else:
        parts.append(_refused(offer, standard.refused))
    if standard.quote is not None:
        parts.append(_from_quote(standard.quote))
    if standard.policy is not None:
        parts += _OF_TYPE.written(standard.policy, sold.currency_code)
    parts += [_OTHER_RATES(_from_plan(one, sold)) for one in offer.others]
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _free(count: int) -> bytes:
    return RoomTypeAvailability(free_count=count).SerializeToString()


def _refused(offer: Offer, refused: Refused) -> bytes:
    message = RoomTypeAvailability(
        free_count=offer.free_count,
        unavailable_reason=_reason(refused),
        required_night_count=refused.facts.get("nights", 0),
        required_notice_days=refused.facts.get("days", 0),
    )
    if offer.nearest is not None:
        message.nearest_stay.CopyFrom(_from_alternative(offer.nearest))
    return message.SerializeToString()


@lru_cache(maxsize=4096)
def _room_type(page: Page, room_type_id: str) -> bytes:
    kind = page.inventory.room_types[room_type_id]
    return RoomTypeAvailability(
        room_type_id=kind.room_type_id,
        display_names=kind.display_names,
        max_guest_count=kind.max_guest_count,
        descriptions=kind.details.descriptions,
        photos=[Photo(url=one.url, captions=one.captions) for one in kind.details.photos],
    ).SerializeToString()


@lru_cache(maxsize=MOST_QUOTES)
def _from_quote(quote: Quote) -> bytes:
    currency = quote.currency_code
    return RoomTypeAvailability(
        nightly_prices=[money(one, currency) for one in quote.nightly_prices],
        total_price=money(quote.total_price, currency),
        lines=[from_line(one, currency) for one in quote.lines],
    ).SerializeToString()


@lru_cache(maxsize=4096)
def _cost(start: dt.datetime, penalty: Decimal, currency_code: str) -> bytes:
    return CancellationCost(
        start_time=timestamp(start), penalty=money(penalty, currency_code)
    ).SerializeToString()


def _from_plan(offer: PlanOffer, sold: Sold) -> bytes:
    message = RateOffer(rate_plan_id=offer.rate_plan_id)
    plan = sold.house.plan(offer.rate_plan_id)
    if plan is not None:
        message.display_names.update(plan.display_names)
    if offer.refused is not None:
        message.unavailable_reason = _reason(offer.refused)
    if offer.quote is not None:
        write_quote(offer.quote, message.quote)
    parts = [message.SerializeToString()]
    if offer.policy is not None:
        parts += _OF_PLAN.written(offer.policy, sold.currency_code)
    return b"".join(parts)


def _reason(refused: Refused) -> UnavailableReason.ValueType:
    return UnavailableReason.Value(f"UNAVAILABLE_REASON_{refused.reason}")


def _from_alternative(alternative: Alternative) -> AlternativeStay:
    message = AlternativeStay(room_type_id=alternative.room_type_id)
    quote = alternative.quote
    from_date(alternative.stay.check_in, message.check_in_date)
    from_date(alternative.stay.check_out, message.check_out_date)
    message.total_price.CopyFrom(money(quote.total_price, quote.currency_code))
    return message
