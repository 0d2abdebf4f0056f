"""`conserje inventory`: what a hotel sells, as a file."""

import argparse
import datetime as dt
import difflib
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import grpc
import yaml
from conserje.booking.v1.inventory_pb2 import (
    Inventory,
    InventoryRoom,
    InventoryRoomType,
    NightlyPrice,
)
from conserje.booking.v1.inventory_service_pb2 import GetInventoryRequest, ImportInventoryRequest
from conserje.booking.v1.inventory_service_pb2_grpc import InventoryServiceStub
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money as MoneyMessage

from cli.asking import Act, asks
from cli.places import UsageError
from meshkit.dates import from_date
from meshkit.money import Money, from_proto, to_proto

TIMEOUT_SECONDS = 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("inventory", help="what a hotel sells: rooms and prices")
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(verbs, "show", "what a hotel sells, in short", _show)
    _add(verbs, "export", "what a hotel sells, as a file for `import`", _export)
    importing = _add(verbs, "import", "make a hotel sell what a file says", _import)
    importing.add_argument("file", metavar="FILE", help="YAML as `export` writes it; - is stdin")
    importing.add_argument(
        "--dry-run", action="store_true", help="print what would change and write nothing"
    )


def to_yaml(inventory: Inventory) -> str:
    """The file for an inventory."""
    document = {
        "etag": inventory.etag,
        "time_zone": inventory.time_zone,
        "currency_code": inventory.currency_code,
        "last_night": _day(inventory.last_night_date),
        "room_types": [_from_type(one) for one in inventory.room_types],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def from_yaml(text: str) -> Inventory:
    """The inventory in a file; UsageError says where it cannot be read."""
    try:
        # Every scalar as it was written: a price must never be a float.
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds only texts
    except yaml.YAMLError as error:
        raise UsageError(f"the file is no YAML: {error}") from None
    fields = _fields(
        document, "file", "etag", "time_zone", "currency_code", "last_night", "room_types"
    )
    currency = str(fields.get("currency_code", ""))
    return Inventory(
        etag=str(fields.get("etag", "")),
        time_zone=str(fields.get("time_zone", "")),
        currency_code=currency,
        last_night_date=_to_day(fields.get("last_night"), "last_night"),
        room_types=[
            _to_type(one, f"room_types[{number}]", currency)
            for number, one in enumerate(_items(fields, "room_types", "room_types"))
        ],
    )


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help: str, act: Act
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help)
    verb.add_argument("tenant_id", metavar="HOTEL", help="the hotel's id")
    asks(verb, "booking", InventoryServiceStub, act)
    return verb


def _get(stub: InventoryServiceStub, tenant_id: str) -> Inventory:
    request = GetInventoryRequest(tenant_id=tenant_id)
    found: Inventory = stub.GetInventory(request, timeout=TIMEOUT_SECONDS).inventory
    return found


def _show(stub: InventoryServiceStub, options: argparse.Namespace) -> Iterator[str]:
    found = _get(stub, options.tenant_id)
    last = _day(found.last_night_date)
    yield f"{options.tenant_id}  {found.time_zone}  {found.currency_code}  sold until {last}"
    for one in found.room_types:
        numbers = ", ".join(room.room_number for room in one.rooms)
        prices = sorted(
            {_amount(rule.price) for rule in one.nightly_prices if rule.price.ByteSize()}
        )
        span = f"{prices[0]} to {prices[-1]}" if prices else "not on sale"
        yield f"{one.room_type_id}  {one.max_guest_count} guests  {span}  rooms {numbers}"


def _export(stub: InventoryServiceStub, options: argparse.Namespace) -> Iterator[str]:
    yield to_yaml(_get(stub, options.tenant_id)).rstrip()


def _import(stub: InventoryServiceStub, options: argparse.Namespace) -> Iterator[str]:
    wanted = from_yaml(_read(options.file))
    before = _before(stub, options.tenant_id)
    request = ImportInventoryRequest(
        tenant_id=options.tenant_id, inventory=wanted, validate_only=options.dry_run
    )
    after = stub.ImportInventory(request, timeout=TIMEOUT_SECONDS).inventory
    old, new = (_lines(one) for one in (before, after))
    yield from difflib.unified_diff(old, new, "now", "then", lineterm="")
    if old == new:
        yield "Nothing changes."
    elif options.dry_run:
        yield "Nothing was written."
    else:
        yield f"Imported; the next import of this hotel needs etag: '{after.etag}'"


def _before(stub: InventoryServiceStub, tenant_id: str) -> Inventory:
    try:
        return _get(stub, tenant_id)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return Inventory()
        raise


def _lines(inventory: Inventory) -> list[str]:
    """The file without its etag, line by line; nothing for nothing."""
    return to_yaml(inventory).splitlines()[1:] if inventory.time_zone else []


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None


def _from_type(one: InventoryRoomType) -> dict[str, Any]:
    return {
        "room_type_id": one.room_type_id,
        "display_names": dict(sorted(one.display_names.items())),
        "max_guest_count": one.max_guest_count,
        "rooms": {room.room_id: room.room_number for room in one.rooms},
        "nightly_prices": [_from_price(rule) for rule in one.nightly_prices],
    }


def _from_price(rule: NightlyPrice) -> dict[str, Any]:
    found: dict[str, Any] = {
        "first_night": _day(rule.first_night_date),
        "last_night": _day(rule.last_night_date),
    }
    if rule.weekdays:
        found["weekdays"] = [WEEKDAYS[day - 1] for day in rule.weekdays]
    if rule.HasField("price"):
        found["price"] = str(_amount(rule.price))
    return found


def _to_type(value: object, path: str, currency: str) -> InventoryRoomType:
    fields = _fields(
        value, path, "room_type_id", "display_names", "max_guest_count", "rooms", "nightly_prices"
    )
    count = str(fields.get("max_guest_count", ""))
    if not (count.isascii() and count.isdigit() and len(count) < 5):
        raise UsageError(f"{path}.max_guest_count: {count!r} is no number.")
    rooms = _texts(fields, "rooms", path)
    return InventoryRoomType(
        room_type_id=str(fields.get("room_type_id", "")),
        display_names=_texts(fields, "display_names", path),
        max_guest_count=int(count),
        rooms=[InventoryRoom(room_id=key, room_number=number) for key, number in rooms.items()],
        nightly_prices=[
            _to_price(one, f"{path}.nightly_prices[{number}]", currency)
            for number, one in enumerate(_items(fields, "nightly_prices", path))
        ],
    )


def _to_price(value: object, path: str, currency: str) -> NightlyPrice:
    fields = _fields(value, path, "first_night", "last_night", "weekdays", "price")
    days = _items(fields, "weekdays", path)
    unknown = [day for day in days if day not in WEEKDAYS]
    if unknown:
        raise UsageError(f"{path}.weekdays: {unknown[0]!r} is none of {', '.join(WEEKDAYS)}.")
    rule = NightlyPrice(
        first_night_date=_to_day(fields.get("first_night"), f"{path}.first_night"),
        last_night_date=_to_day(fields.get("last_night"), f"{path}.last_night"),
        weekdays=[WEEKDAYS.index(day) + 1 for day in days],
    )
    if "price" in fields:
        try:
            to_proto(Money(Decimal(fields["price"]), currency), rule.price)
        except (InvalidOperation, TypeError, ValueError):
            raise UsageError(f"{path}.price: {fields['price']!r} is no price.") from None
    return rule


def _fields(value: object, path: str, *known: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: must have {', '.join(known)}.")
    unknown = [str(name) for name in value if name not in known]
    if unknown:
        raise UsageError(f"{path}: {unknown[0]} is none of {', '.join(known)}.")
    return value


def _items(fields: Mapping[str, Any], name: str, path: str) -> list[Any]:
    found = fields.get(name, [])
    if not isinstance(found, list):
        raise UsageError(f"{path}: {name} must be a list.")
    return found


def _texts(fields: Mapping[str, Any], name: str, path: str) -> dict[str, str]:
    found = fields.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise UsageError(f"{path}.{name}: must be a mapping of texts.")
    return found


def _to_day(value: object, path: str) -> Date:
    try:
        return from_date(dt.date.fromisoformat(str(value)))
    except ValueError:
        raise UsageError(f"{path}: {value!r} is no day such as 2027-03-31.") from None


def _amount(price: MoneyMessage) -> Decimal:
    amount = from_proto(price).amount
    cents = amount.quantize(Decimal("0.01"))
    return cents if cents == amount else amount.normalize()


def _day(date: Date) -> str:
    return f"{date.year:04}-{date.month:02}-{date.day:02}"
