"""`conserje pms`: a hotel's own system, how it is reached and whether it answers."""

import argparse
from collections.abc import Iterator

import grpc
from conserje.booking.v1.pms_pb2 import PmsConnection, PmsDifferenceKind, PmsKind, PmsRoomType
from conserje.booking.v1.pms_service_pb2 import (
    CheckPmsRequest,
    CheckPmsResponse,
    ComparePmsRequest,
    DeletePmsConnectionRequest,
    GetPmsConnectionRequest,
    SetPmsConnectionRequest,
)
from conserje.booking.v1.pms_service_pb2_grpc import PmsServiceStub

from cli.asking import SECONDS, Act, add_hotel, asks
from cli.counts import counted
from cli.hotel_check import known_hotel
from cli.places import UsageError

KINDS = [name.removeprefix("PMS_KIND_").lower() for name in PmsKind.keys()[1:]]
MOST_RATE = 1000
CHECK_SECONDS = 15.0
"""Hotels' systems may be slow, and the check asks several things."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("pms")
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(verbs, "show", "how a hotel's system is reached", _show)
    setting = _add(verbs, "set", "connect a hotel, or change its connection", _set)
    setting.add_argument("--kind", choices=KINDS, help="which adapter speaks to it")
    setting.add_argument(
        "--url", dest="base_url", default="", metavar="URL", help="where the system is"
    )
    setting.add_argument(
        "--property", dest="property_id", default="", metavar="ID", help="the hotel's id in it"
    )
    setting.add_argument(
        "--map",
        dest="room_types",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="a room type and its counterpart; OURS= takes one away",
    )
    setting.add_argument(
        "--map-proposed", action="store_true", help="map what `check` proposes as well"
    )
    setting.add_argument(
        "--rate",
        dest="requests_per_second",
        type=_rate,
        metavar="N",
        help="requests a second at most",
    )
    setting.add_argument("--tier", default="", help="the tier that metrics show it under")
    _add(verbs, "check", "ask it what it is and sells; propose the mapping", _check)
    _add(verbs, "diff", "every booking on which it and we do not agree", _diff)
    _add(verbs, "remove", "disconnect a hotel; what is booked stays booked", _remove)


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help: str, act: Act
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help)
    add_hotel(verb)
    asks(verb, "booking", PmsServiceStub, act)
    return verb


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= MOST_RATE:  # Of what is no number this is not true either.
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a number above 0 and up to {MOST_RATE}; `pms remove` disconnects"
        )
    return rate


def describe(connection: PmsConnection) -> Iterator[str]:
    """A connection, a line a fact."""
    kind = PmsKind.Name(connection.kind).removeprefix("PMS_KIND_").lower()
    yield f"{connection.tenant_id}: {kind} at {connection.base_url}, hotel {connection.property_id}"
    yield f"  tier {connection.tier}, {connection.requests_per_second:g} requests a second at most"
    for ours, theirs in sorted(connection.room_types.items()):
        yield f"  {ours} = {theirs}"


def _show(stub: PmsServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = GetPmsConnectionRequest(tenant_id=options.tenant_id)
    yield from describe(stub.GetPmsConnection(request, timeout=SECONDS).connection)


def _set(stub: PmsServiceStub, options: argparse.Namespace) -> Iterator[str]:
    known_hotel(options.tenant_id, options.target)
    wanted = _known(stub, options.tenant_id) or PmsConnection(tenant_id=options.tenant_id)
    if options.kind:
        wanted.kind = PmsKind.Value(f"PMS_KIND_{options.kind.upper()}")
    wanted.base_url = options.base_url or wanted.base_url
    wanted.property_id = options.property_id or wanted.property_id
    wanted.tier = options.tier or wanted.tier
    if options.requests_per_second is not None:
        wanted.requests_per_second = options.requests_per_second
    _map(wanted, options.room_types)
    kept = _keep(stub, wanted)
    if options.map_proposed:
        for one in _ask(stub, options.tenant_id).room_types:
            if one.proposed:
                kept.room_types[one.room_type_id] = one.pms_room_type_id
        kept = _keep(stub, kept)
    yield from describe(kept)


def _check(stub: PmsServiceStub, options: argparse.Namespace) -> Iterator[str]:
    told = _ask(stub, options.tenant_id)
    yield from describe(told.connection)
    able = [
        field.name
        for field, value in told.capabilities.ListFields()
        if value is True  # What is false is not listed.
    ]
    yield f"  it is {told.capabilities.system or 'without a name'}"
    yield f"  it can: {', '.join(able) or 'nothing beyond booking'}"
    if told.capabilities.resources:
        yield f"  we may use its {', '.join(told.capabilities.resources)}"
    here, there = told.currency_code, told.capabilities.currency_code
    if here and there and here != there:
        yield f"  it sells in {there}, the hotel here in {here}: it refuses what is booked"
    for one in told.room_types:
        yield _describe_type(one)
    for ours in told.unmapped_room_type_ids:
        yield f"  {ours} has no counterpart: it cannot be booked there"


def _diff(stub: PmsServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = ComparePmsRequest(tenant_id=options.tenant_id)
    told = stub.ComparePms(request, timeout=CHECK_SECONDS)
    for one in told.differences:
        kind = PmsDifferenceKind.Name(one.kind).removeprefix("PMS_DIFFERENCE_KIND_")
        names = f"{one.confirmation_code or '-'}  {one.pms_booking_id or '-'}"
        yield f"{kind}  {names}  here: {one.here or 'nothing'}  there: {one.there or 'nothing'}"
    yield counted(told.difference_count, "difference")


def _remove(stub: PmsServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = DeletePmsConnectionRequest(tenant_id=options.tenant_id)
    stub.DeletePmsConnection(request, timeout=SECONDS)
    yield f"{options.tenant_id} has no system of its own any more"


def _describe_type(one: PmsRoomType) -> str:
    ours = one.room_type_id + (" (proposed)" if one.proposed else "")
    rooms = f"{counted(one.room_count, 'room')} for {one.max_guest_count}"
    return f"  {one.pms_room_type_id}  {one.display_name}, {rooms}  {ours or 'not mapped'}"


def _map(wanted: PmsConnection, pairs: list[str]) -> None:
    for pair in pairs:
        ours, sign, theirs = pair.partition("=")
        if not sign or not ours:
            raise UsageError(f"--map {pair}: write OURS=THEIRS")
        if theirs:
            wanted.room_types[ours] = theirs
        else:
            wanted.room_types.pop(ours, None)


def _known(stub: PmsServiceStub, tenant_id: str) -> PmsConnection | None:
    try:
        request = GetPmsConnectionRequest(tenant_id=tenant_id)
        return stub.GetPmsConnection(request, timeout=SECONDS).connection
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None
        raise


def _keep(stub: PmsServiceStub, wanted: PmsConnection) -> PmsConnection:
    request = SetPmsConnectionRequest(tenant_id=wanted.tenant_id, connection=wanted)
    return stub.SetPmsConnection(request, timeout=SECONDS).connection


def _ask(stub: PmsServiceStub, tenant_id: str) -> CheckPmsResponse:
    return stub.CheckPms(CheckPmsRequest(tenant_id=tenant_id), timeout=CHECK_SECONDS)
