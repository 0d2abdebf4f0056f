"""`conserje inventory`: what a hotel sells, as a file."""

import argparse
import difflib
from collections.abc import Iterator
from typing import cast

import grpc
from conserje.booking.v1.inventory_pb2 import Inventory
from conserje.booking.v1.inventory_service_pb2 import GetInventoryRequest, ImportInventoryRequest
from conserje.booking.v1.inventory_service_pb2_grpc import InventoryServiceStub

from cli.asking import Act, add_hotel, asks
from cli.counts import counted
from cli.files import read_text
from cli.hotel_check import known_hotel
from cli.inventory_file import from_yaml, to_yaml
from cli.inventory_places import told
from cli.inventory_values import from_amount
from cli.places import UsageError
from cli.times import from_day
from meshkit.errors import InvalidArgument
from meshkit.status import from_rpc_error

TIMEOUT_SECONDS = 60


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("inventory")
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(verbs, "show", "what a hotel sells, in short", _show)
    _add(verbs, "export", "what a hotel sells, as a file for `import`", _export)
    importing = _add(verbs, "import", "make a hotel sell what a file says", _import)
    importing.add_argument("file", metavar="FILE", help="YAML as `export` writes it; - is stdin")
    importing.add_argument(
        "--dry-run", action="store_true", help="print what would change and write nothing"
    )


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help: str, act: Act
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help)
    add_hotel(verb)
    asks(verb, "booking", InventoryServiceStub, act)
    return verb


def _get(stub: InventoryServiceStub, tenant_id: str) -> Inventory:
    request = GetInventoryRequest(tenant_id=tenant_id)
    found: Inventory = stub.GetInventory(request, timeout=TIMEOUT_SECONDS).inventory
    return found


def _show(stub: InventoryServiceStub, options: argparse.Namespace) -> Iterator[str]:
    found = _get(stub, options.tenant_id)
    last = from_day(found.last_night_date)
    yield f"{options.tenant_id}  {found.time_zone}  {found.currency_code}  sold until {last}"
    for one in found.room_types:
        numbers = ", ".join(room.room_number for room in one.rooms)
        prices = sorted(
            {from_amount(rule.price) for rule in one.nightly_prices if rule.price.ByteSize()}
        )
        span = f"{prices[0]} to {prices[-1]}" if prices else "not on sale"
        guests = counted(one.max_guest_count, "guest")
        yield f"{one.room_type_id}  {guests}  {span}  rooms {numbers}"


def _export(stub: InventoryServiceStub, options: argparse.Namespace) -> Iterator[str]:
    yield to_yaml(_get(stub, options.tenant_id)).rstrip()


def _import(stub: InventoryServiceStub, options: argparse.Namespace) -> Iterator[str]:
    wanted = from_yaml(read_text(options.file), options.file)
    _compare(wanted, options)
    before = _before(stub, options.tenant_id)
    request = ImportInventoryRequest(
        tenant_id=options.tenant_id, inventory=wanted, validate_only=options.dry_run
    )
    try:
        after = stub.ImportInventory(request, timeout=TIMEOUT_SECONDS).inventory
    except grpc.RpcError as error:
        _refuse_contradictions(error, wanted)
        raise
    old, new = (_lines(one) for one in (before, after))
    yield from difflib.unified_diff(old, new, "now", "then", lineterm="")
    if old == new:
        yield "Nothing changes."
    elif options.dry_run:
        yield "Nothing was written."
    else:
        yield f"Imported; the next import of this hotel needs etag: '{after.etag}'"


def _compare(wanted: Inventory, options: argparse.Namespace) -> None:
    """Nights and prices are the hotel's own: what says otherwise is meant for another."""
    hotel = known_hotel(options.tenant_id, options.target)
    for name in ("time_zone", "currency_code"):
        if hotel is not None and getattr(wanted, name) != getattr(hotel, name):
            raise UsageError(
                f"{options.file} has {name} {getattr(wanted, name)}, the hotel "
                f"{options.tenant_id} {getattr(hotel, name)}: they must be the same."
            )


def _refuse_contradictions(error: grpc.RpcError, wanted: Inventory) -> None:
    """Raises `UsageError` when it is the file that makes no sense, with every place in it."""
    known = from_rpc_error(cast(grpc.aio.AioRpcError, error))
    if isinstance(known, InvalidArgument) and known.violations:
        raise UsageError("\n".join(told(one, wanted) for one in known.violations)) from None


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
