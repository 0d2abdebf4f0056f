"""Protobuf in, domain out, and back."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator

from conserje.booking.v1.inventory_pb2 import (
    AdultSupplement,
    InventoryRoom,
    InventoryRoomType,
    PlanPrices,
)
from conserje.booking.v1.inventory_pb2 import Inventory as InventoryMessage
from conserje.booking.v1.inventory_pb2 import Photo as PhotoMessage
from google.protobuf.duration_pb2 import Duration

from meshkit.dates import from_date, to_date
from meshkit.errors import InvalidArgument
from services.booking.inventory.catalogue import Photo, TypeDetails
from services.booking.inventory.domain import SoldType
from services.booking.inventory.draft import Draft, TypeDraft
from services.booking.inventory.house_wire import to_house, write_house
from services.booking.inventory.rates import rules
from services.booking.inventory.store import Stored
from services.booking.inventory.wire_parts import (
    from_amount,
    from_rules,
    to_amount,
    to_rules,
)
from services.booking.reservations.terms_wire import from_terms, to_terms


def to_draft(message: InventoryMessage) -> Draft:
    """What is to be sold; a bad date or price names its field."""
    currency = message.currency_code
    own = message.HasField("terms")
    return Draft(
        etag=message.etag,
        time_zone=message.time_zone,
        currency_code=currency,
        last_night=to_date(message.last_night_date, "inventory.last_night_date"),
        room_types=[
            _to_type(one, f"inventory.room_types[{number}]", currency)
            for number, one in enumerate(message.room_types)
        ],
        house=to_house(message),
        terms=to_terms(message.terms, "inventory.terms", currency) if own else None,
        lock_seconds=_to_seconds(message.lock_period),
        locks_per_guest=message.locks_per_guest or None,
    )


def _to_seconds(period: Duration) -> int | None:
    """How long a room is kept; None when the import does not say."""
    if period.nanos or period.seconds % 60:
        raise InvalidArgument.field("inventory.lock_period", "must be whole minutes")
    return period.seconds or None


def _to_type(message: InventoryRoomType, path: str, currency_code: str) -> TypeDraft:
    return TypeDraft(
        message.room_type_id,
        dict(message.display_names),
        message.max_guest_count,
        [(room.room_id, room.room_number) for room in message.rooms],
        to_rules(message.nightly_prices, f"{path}.nightly_prices", currency_code),
        _to_details(message, path, currency_code),
    )


def _to_details(message: InventoryRoomType, path: str, currency_code: str) -> TypeDetails:
    given = message.HasField
    counts = (one.adult_count for one in message.adult_supplements)
    _refuse_twice(counts, f"{path}.adult_supplements")
    _refuse_twice((one.rate_plan_id for one in message.plan_prices), f"{path}.plan_prices")
    return TypeDetails(
        descriptions=dict(message.descriptions),
        photos=tuple(_to_photos(message.photos)),
        max_adult_count=message.max_adult_count if given("max_adult_count") else None,
        max_child_count=message.max_child_count if given("max_child_count") else None,
        adult_supplements={
            one.adult_count: to_amount(
                one.supplement, f"{path}.adult_supplements[{number}].supplement", currency_code
            )
            for number, one in enumerate(message.adult_supplements)
        },
        child_supplement=to_amount(
            message.child_supplement, f"{path}.child_supplement", currency_code
        )
        if given("child_supplement")
        else TypeDetails().child_supplement,
        plan_prices={
            one.rate_plan_id: to_rules(
                one.nightly_prices, f"{path}.plan_prices[{number}].nightly_prices", currency_code
            )
            for number, one in enumerate(message.plan_prices)
        },
    )


def _to_photos(messages: Iterable[PhotoMessage]) -> Iterator[Photo]:
    for one in messages:
        yield Photo(one.url, dict(one.captions))


def _refuse_twice(keys: Iterable[object], field: str) -> None:
    for key, count in Counter(keys).items():
        if count > 1:
            raise InvalidArgument.field(field, f"has {key} twice")


def from_stored(stored: Stored) -> InventoryMessage:
    """What is sold, under its etag."""
    inventory = stored.inventory
    message = InventoryMessage(
        etag=stored.etag,
        time_zone=inventory.time_zone,
        currency_code=inventory.currency_code,
        last_night_date=from_date(inventory.last_night),
        room_types=[
            _from_type(one, stored.today, inventory.last_night, inventory.currency_code)
            for _, one in sorted(inventory.room_types.items())
        ],
        terms=from_terms(inventory.terms, inventory.currency_code),
        locks_per_guest=inventory.locks_per_guest,
    )
    message.lock_period.seconds = inventory.lock_seconds
    write_house(inventory.house, inventory.currency_code, message)
    return message


def _from_type(
    one: SoldType, today: dt.date, last_night: dt.date, currency_code: str
) -> InventoryRoomType:
    message = InventoryRoomType(
        room_type_id=one.room_type_id,
        display_names=one.display_names,
        max_guest_count=one.max_guest_count,
        rooms=[
            InventoryRoom(room_id=room_id, room_number=number)
            for room_id, number in sorted(one.rooms.items())
        ],
        nightly_prices=from_rules(rules(one.prices, today, last_night), currency_code),
    )
    _write_details(one.details, currency_code, message)
    return message


def _write_details(details: TypeDetails, currency_code: str, into: InventoryRoomType) -> None:
    into.descriptions.update(details.descriptions)
    into.photos.extend(PhotoMessage(url=one.url, captions=one.captions) for one in details.photos)
    if details.max_adult_count is not None:
        into.max_adult_count = details.max_adult_count
    if details.max_child_count is not None:
        into.max_child_count = details.max_child_count
    into.adult_supplements.extend(
        AdultSupplement(adult_count=count, supplement=from_amount(supplement, currency_code))
        for count, supplement in sorted(details.adult_supplements.items())
    )
    if details.child_supplement:
        from_amount(details.child_supplement, currency_code, into.child_supplement)
    into.plan_prices.extend(
        PlanPrices(rate_plan_id=plan, nightly_prices=from_rules(found, currency_code))
        for plan, found in details.plan_prices.items()
    )
