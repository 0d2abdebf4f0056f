"""What a search found, as protobuf."""

from __future__ import annotations

import datetime as dt

from conserje.booking.v1.booking_service_pb2 import SearchAvailabilityResponse
from conserje.booking.v1.room_type_pb2 import (
    FRESHNESS_CACHED,
    FRESHNESS_LIVE,
    FRESHNESS_UNCONFIRMED,
    AlternativeStay,
    RoomTypeAvailability,
    UnavailableReason,
)

from meshkit.dates import from_date
from meshkit.money import Money, to_proto
from services.booking.search.domain import Alternative, Availability, Offer


def from_availability(
    availability: Availability, as_of: dt.datetime, *, cached: bool, unconfirmed: bool = False
) -> SearchAvailabilityResponse:
    """The answer to a search."""
    response = SearchAvailabilityResponse(
        room_types=[_from_offer(one) for one in availability.offers],
        alternative_stays=[_from_alternative(one) for one in availability.alternatives],
        freshness=FRESHNESS_CACHED if cached else FRESHNESS_LIVE,
    )
    if unconfirmed:
        response.freshness = FRESHNESS_UNCONFIRMED
    response.as_of.FromDatetime(as_of)
    return response


def _from_offer(offer: Offer) -> RoomTypeAvailability:
    message = RoomTypeAvailability(
        room_type_id=offer.room_type.room_type_id,
        display_names=offer.room_type.display_names,
        max_guest_count=offer.room_type.max_guest_count,
        free_count=offer.free_count,
    )
    if offer.unavailable is not None:
        name = f"UNAVAILABLE_REASON_{offer.unavailable.value}"
        message.unavailable_reason = UnavailableReason.Value(name)
    for price in offer.quote.nightly_prices:
        to_proto(Money(price, offer.quote.currency_code), message.nightly_prices.add())
    to_proto(Money(offer.quote.total_price, offer.quote.currency_code), message.total_price)
    return message


def _from_alternative(alternative: Alternative) -> AlternativeStay:
    message = AlternativeStay(room_type_id=alternative.room_type_id)
    quote = alternative.quote
    from_date(alternative.stay.check_in, message.check_in_date)
    from_date(alternative.stay.check_out, message.check_out_date)
    to_proto(Money(quote.total_price, quote.currency_code), message.total_price)
    return message
