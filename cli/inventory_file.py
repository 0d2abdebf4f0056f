"""What a hotel sells as a YAML file, and back."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import yaml
from conserje.booking.v1.inventory_pb2 import (
    AdultSupplement,
    Inventory,
    InventoryRoom,
    InventoryRoomType,
    Photo,
    PlanPrices,
)

from cli.files import parse_yaml
from cli.inventory_house import (
    from_levy,
    from_plan,
    from_restriction,
    to_levy,
    to_plan,
    to_restriction,
)
from cli.inventory_terms import MINUTE, from_terms, to_terms
from cli.inventory_values import (
    from_amount,
    from_prices,
    to_amount,
    to_currency,
    to_day,
    to_fields,
    to_items,
    to_number,
    to_prices,
    to_texts,
)
from cli.places import UsageError
from cli.times import from_day

FIELDS = (
    "etag",
    "time_zone",
    "currency_code",
    "last_night",
    "taxes_and_fees",
    "terms",
    "lock_minutes",
    "locks_per_guest",
    "rate_plans",
    "restrictions",
    "room_types",
)
TYPE_FIELDS = (
    "room_type_id",
    "display_names",
    "descriptions",
    "photos",
    "max_guest_count",
    "max_adult_count",
    "max_child_count",
    "adult_supplements",
    "child_supplement",
    "rooms",
    "nightly_prices",
    "plan_prices",
)

T = TypeVar("T")


def to_yaml(inventory: Inventory) -> str:
    """The file for an inventory."""
    document: dict[str, Any] = {
        "etag": inventory.etag,
        "time_zone": inventory.time_zone,
        "currency_code": inventory.currency_code,
        "last_night": from_day(inventory.last_night_date),
        "taxes_and_fees": [from_levy(one) for one in inventory.levies],
        "terms": from_terms(inventory.terms) if inventory.HasField("terms") else {},
        "lock_minutes": inventory.lock_period.seconds // MINUTE,
        "locks_per_guest": inventory.locks_per_guest,
        "rate_plans": [from_plan(one) for one in inventory.rate_plans],
        "restrictions": [from_restriction(one) for one in inventory.restrictions],
        "room_types": [_from_type(one) for one in inventory.room_types],
    }
    said = {name: value for name, value in document.items() if value or name == "room_types"}
    return yaml.safe_dump({"etag": inventory.etag} | said, sort_keys=False, allow_unicode=True)


def from_yaml(text: str, name: str = "the file") -> Inventory:
    """The inventory in a file; UsageError says where it makes no sense."""
    fields = to_fields(parse_yaml(text, name), "file", *FIELDS)
    currency = to_currency(fields.get("currency_code", ""))

    def each(name: str, read: Callable[[object, str, str], T]) -> list[T]:
        found = enumerate(to_items(fields, name, name))
        return [read(one, f"{name}[{number}]", currency) for number, one in found]

    inventory = Inventory(
        etag=str(fields.get("etag", "")),
        time_zone=str(fields.get("time_zone", "")),
        currency_code=currency,
        last_night_date=to_day(fields.get("last_night"), "last_night"),
        levies=each("taxes_and_fees", to_levy),
        terms=to_terms(fields["terms"], "terms", currency) if "terms" in fields else None,
        rate_plans=each("rate_plans", to_plan),
        restrictions=each("restrictions", lambda one, path, _: to_restriction(one, path)),
        room_types=each("room_types", _to_type),
    )
    if "lock_minutes" in fields:
        inventory.lock_period.seconds = to_number(fields, "lock_minutes", "file") * MINUTE
    if "locks_per_guest" in fields:
        inventory.locks_per_guest = to_number(fields, "locks_per_guest", "file")
    return inventory


def _from_type(one: InventoryRoomType) -> dict[str, Any]:
    found: dict[str, Any] = {
        "room_type_id": one.room_type_id,
        "display_names": dict(sorted(one.display_names.items())),
        "descriptions": dict(sorted(one.descriptions.items())),
        "photos": [_from_photo(photo) for photo in one.photos],
        "max_guest_count": one.max_guest_count,
    }
    for name in ("max_adult_count", "max_child_count"):
        if one.HasField(name):
            found[name] = getattr(one, name)
    found["adult_supplements"] = {
        each.adult_count: str(from_amount(each.supplement)) for each in one.adult_supplements
    }
    if one.HasField("child_supplement"):
        found["child_supplement"] = str(from_amount(one.child_supplement))
    found["rooms"] = {room.room_id: room.room_number for room in one.rooms}
    found["nightly_prices"] = from_prices(one.nightly_prices)
    found["plan_prices"] = {
        each.rate_plan_id: from_prices(each.nightly_prices) for each in one.plan_prices
    }
    optional = ("descriptions", "photos", "adult_supplements", "plan_prices")
    return {name: value for name, value in found.items() if value or name not in optional}


def _from_photo(photo: Photo) -> dict[str, Any]:
    captions = dict(sorted(photo.captions.items()))
    return {"url": photo.url} | ({"captions": captions} if captions else {})


def _to_type(value: object, path: str, currency: str) -> InventoryRoomType:
    fields = to_fields(value, path, *TYPE_FIELDS)
    rooms = to_texts(fields, "rooms", path)
    found = InventoryRoomType(
        room_type_id=str(fields.get("room_type_id", "")),
        display_names=to_texts(fields, "display_names", path),
        descriptions=to_texts(fields, "descriptions", path),
        photos=[
            _to_photo(one, f"{path}.photos[{number}]")
            for number, one in enumerate(to_items(fields, "photos", path))
        ],
        max_guest_count=to_number(fields, "max_guest_count", path),
        adult_supplements=_to_supplements(fields, path, currency),
        rooms=[InventoryRoom(room_id=key, room_number=number) for key, number in rooms.items()],
        nightly_prices=to_prices(fields, "nightly_prices", path, currency),
        plan_prices=_to_plan_prices(fields, path, currency),
    )
    if "max_adult_count" in fields:
        found.max_adult_count = to_number(fields, "max_adult_count", path)
    if "max_child_count" in fields:
        found.max_child_count = to_number(fields, "max_child_count", path)
    if "child_supplement" in fields:
        amount = to_amount(fields["child_supplement"], f"{path}.child_supplement", currency)
        found.child_supplement.CopyFrom(amount)
    return found


def _to_photo(value: object, path: str) -> Photo:
    fields = to_fields(value, path, "url", "captions")
    return Photo(url=str(fields.get("url", "")), captions=to_texts(fields, "captions", path))


def _to_supplements(fields: Mapping[str, Any], path: str, currency: str) -> list[AdultSupplement]:
    written = to_texts(fields, "adult_supplements", path)
    where = f"{path}.adult_supplements"
    return [
        AdultSupplement(
            adult_count=to_number({"adults": count}, "adults", where),
            supplement=to_amount(amount, f"{where}.{count}", currency),
        )
        for count, amount in written.items()
    ]


def _to_plan_prices(fields: Mapping[str, Any], path: str, currency: str) -> list[PlanPrices]:
    written = fields.get("plan_prices", {})
    where = f"{path}.plan_prices"
    if not isinstance(written, dict):
        raise UsageError(f"{where}: must be a mapping of rate plans.")
    return [
        PlanPrices(
            rate_plan_id=str(plan), nightly_prices=to_prices(written, str(plan), where, currency)
        )
        for plan in written
    ]
