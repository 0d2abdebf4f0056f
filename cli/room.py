"""`conserje room`: which rooms are out of order, and who has none."""

import argparse
import datetime as dt
import uuid
from collections.abc import Iterator

from conserje.booking.v1.room_pb2 import Debt, RoomClosure
from conserje.booking.v1.room_service_pb2 import (
    AssignRoomsRequest,
    ListDebtsRequest,
    ListRoomClosuresRequest,
    ReopenRoomRequest,
    ShutRoomRequest,
)
from conserje.booking.v1.room_service_pb2_grpc import RoomServiceStub
from google.type.date_pb2 import Date

from cli.asking import Act, add_hotel, asks, or_else, pages
from cli.places import UsageError
from cli.times import from_day
from cli.user import staff
from meshkit.dates import from_date

TIMEOUT_SECONDS = 30


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("room")
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)

    shutting = _add(verbs, "shut", "take a room out of order for some nights", _shut)
    shutting.add_argument("room_id", metavar="ROOM", help="its id, as `inventory export` has it")
    shutting.add_argument(
        "first_night_date", metavar="FIRST", help="the first night, such as 2027-03-31"
    )
    shutting.add_argument(
        "last_night_date", metavar="LAST", help="the last night, itself one of them"
    )
    shutting.add_argument("--reason", default="", metavar="TEXT", help="why")
    shutting.add_argument(
        "--force", action="store_true", help="also if guests have no room then, who are named"
    )

    opening = _add(verbs, "open", "sell a room again that was shut", _open)
    opening.add_argument("closure_id", metavar="CLOSURE", help="its id, as `list` shows it")
    opening.add_argument("--reason", default="", metavar="TEXT", help="why")

    listing = _add(verbs, "list", "the rooms that are or will be shut", _list)
    listing.add_argument(
        "--type", dest="room_type_id", default="", metavar="ID", help="only those of this room type"
    )

    assigning = _add(verbs, "assign", "give rooms to all who have none, with few moves", _assign)
    assigning.add_argument(
        "--room",
        dest="wishes",
        action="append",
        default=[],
        metavar="RESERVATION=ROOM",
        help="who is to have which room; may be repeated",
    )

    _add(verbs, "debt", "the nights that are sold beyond the rooms there are", _debt)


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help: str, act: Act
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help)
    add_hotel(verb)
    asks(verb, "booking", RoomServiceStub, act)
    return verb


def _shut(stub: RoomServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = ShutRoomRequest(
        tenant_id=options.tenant_id,
        request_id=str(uuid.uuid4()),
        room_id=options.room_id,
        actor=staff(),
        reason=options.reason,
        first_night_date=_to_day(options.first_night_date),
        last_night_date=_to_day(options.last_night_date),
        forced=options.force,
    )
    done = stub.ShutRoom(request, timeout=TIMEOUT_SECONDS)
    yield _describe(done.closure)
    for reservation_id in done.reservation_ids:
        yield f"without a room: reservation {reservation_id}"


def _open(stub: RoomServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = ReopenRoomRequest(
        tenant_id=options.tenant_id,
        request_id=str(uuid.uuid4()),
        closure_id=options.closure_id,
        actor=staff(),
        reason=options.reason,
    )
    yield _describe(stub.ReopenRoom(request, timeout=TIMEOUT_SECONDS).closure)


@or_else("no rooms are shut")
def _list(stub: RoomServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = ListRoomClosuresRequest(
        tenant_id=options.tenant_id, room_type_id=options.room_type_id
    )
    for page in pages(stub.ListRoomClosures, request):
        yield from map(_describe, page.closures)


@or_else("everybody has a room")
def _assign(stub: RoomServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = AssignRoomsRequest(
        tenant_id=options.tenant_id, request_id=str(uuid.uuid4()), actor=staff()
    )
    for wish in options.wishes:
        reservation_id, given, room_id = wish.partition("=")
        if not given:
            raise UsageError(f"{wish!r} is no RESERVATION=ROOM.")
        request.wishes.add(reservation_id=reservation_id, room_id=room_id)
    done = stub.AssignRooms(request, timeout=TIMEOUT_SECONDS)
    for move in done.moves:
        before = f"room {move.previous_room_number}" if move.previous_room_number else "no room"
        yield f"{move.reservation_id}  {move.room_type_id}  {before} to room {move.room_number}"
    for reservation_id in done.reservation_ids:
        yield f"without a room: reservation {reservation_id}"


@or_else("no night is sold beyond its rooms")
def _debt(stub: RoomServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = ListDebtsRequest(tenant_id=options.tenant_id)
    for page in pages(stub.ListDebts, request):
        yield from map(_describe_debt, page.debts)


def _describe(closure: RoomClosure) -> str:
    nights = f"{from_day(closure.first_night_date)} to {from_day(closure.last_night_date)}"
    state = "open again" if closure.HasField("end_time") else "shut"
    return (
        f"{closure.closure_id}  {closure.room_type_id}  room {closure.room_number}  {nights}  "
        f"{state}  {closure.actor_id or '-'}  {closure.reason}"
    ).rstrip()


def _describe_debt(debt: Debt) -> str:
    night, without = from_day(debt.night), ", ".join(debt.reservation_ids) or "nobody yet"
    return f"{night}  {debt.room_type_id}  {debt.room_count} too many  without: {without}"


def _to_day(text: str) -> Date:
    try:
        return from_date(dt.date.fromisoformat(text))
    except ValueError:
        raise UsageError(f"{text!r} is no day such as 2027-03-31.") from None
