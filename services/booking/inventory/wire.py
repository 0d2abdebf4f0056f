"""Protobuf in, domain out, and back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from conserje.booking.v1.inventory_pb2 import Inventory as InventoryMessage
from conserje.booking.v1.inventory_pb2 import InventoryRoom, InventoryRoomType, NightlyPrice

from meshkit.dates import from_date, to_date
from meshkit.errors import InvalidArgument
from meshkit.money import Money, from_proto, to_proto
from services.booking.domain import storable
from services.booking.inventory.domain import Draft, SoldType, TypeDraft
from services.booking.inventory.rates import EVERY_DAY, PriceRule, rules
from services.booking.inventory.store import Stored


def to_draft(message: InventoryMessage) -> Draft:
    """What is to be sold; a bad date or price names its field."""
    return Draft(
        etag=message.etag,
        time_zone=message.time_zone,
        currency_code=message.currency_code,
        last_night=to_date(message.last_night_date, "inventory.last_night_date"),
        room_types=[
            _to_type(one, f"inventory.room_types[{number}]", message.currency_code)
            for number, one in enumerate(message.room_types)
        ],
    )


def _to_type(message: InventoryRoomType, path: str, currency_code: str) -> TypeDraft:
    storable([(f"{path}.room_type_id", message.room_type_id)])
    storable((f"{path}.display_names", text) for text in message.display_names)
    storable((f"{path}.display_names", text) for text in message.display_names.values())
    storable(
        (f"{path}.rooms[{number}]", one.room_id + one.room_number)
        for number, one in enumerate(message.rooms)
    )
    return TypeDraft(
        message.room_type_id,
        dict(message.display_names),
        message.max_guest_count,
        [(room.room_id, room.room_number) for room in message.rooms],
        [
            _to_rule(one, f"{path}.nightly_prices[{number}]", currency_code)
            for number, one in enumerate(message.nightly_prices)
        ],
    )


def _to_rule(message: NightlyPrice, path: str, currency_code: str) -> PriceRule:
    return PriceRule(
        first=to_date(message.first_night_date, f"{path}.first_night_date"),
        last=to_date(message.last_night_date, f"{path}.last_night_date"),
        weekdays=frozenset(message.weekdays) or EVERY_DAY,
        price=_to_price(message, f"{path}.price", currency_code),
    )


def _to_price(message: NightlyPrice, field: str, currency_code: str) -> Decimal | None:
    if not message.HasField("price"):
        return None
    price = from_proto(message.price, field)
    if price.currency != currency_code:
        raise InvalidArgument.field(field, f"is not in {currency_code}")
    return price.amount


def from_stored(stored: Stored) -> InventoryMessage:
    """What is sold, under its etag."""
    inventory = stored.inventory
    return InventoryMessage(
        etag=stored.etag,
        time_zone=inventory.time_zone,
        currency_code=inventory.currency_code,
        last_night_date=from_date(inventory.last_night),
        room_types=[
            _from_type(one, stored.today, inventory.last_night, inventory.currency_code)
            for _, one in sorted(inventory.room_types.items())
        ],
    )


def _from_type(
    one: SoldType, today: dt.date, last_night: dt.date, currency_code: str
) -> InventoryRoomType:
    return InventoryRoomType(
        room_type_id=one.room_type_id,
        display_names=one.display_names,
        max_guest_count=one.max_guest_count,
        rooms=[
            InventoryRoom(room_id=room_id, room_number=number)
            for room_id, number in sorted(one.rooms.items())
        ],
        nightly_prices=[
            _from_rule(rule, currency_code) for rule in rules(one.prices, today, last_night)
        ],
    )


def _from_rule(rule: PriceRule, currency_code: str) -> NightlyPrice:
    message = NightlyPrice(
        first_night_date=from_date(rule.first),
        last_night_date=from_date(rule.last),
        weekdays=() if rule.weekdays == EVERY_DAY else sorted(rule.weekdays),
    )
    if rule.price is not None:
        to_proto(Money(rule.price, currency_code), message.price)
    return message
