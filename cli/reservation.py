"""`conserje reservation`: what the people of a hotel do with reservations."""

import argparse
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID, uuid4

from conserje.booking.v1 import booking_service_pb2 as pb
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.reservation_pb2 import (
    RESERVATION_STATE_CANCELLED,
    Reservation,
    ReservationAction,
    ReservationState,
)
from google.type.money_pb2 import Money as MoneyMessage

from cli.asking import SECONDS, Act, add_hotel, asks, or_else, pages
from cli.counts import counted
from cli.places import UsageError
from cli.times import from_day, second
from cli.user import staff
from meshkit.dates import from_date
from meshkit.money import Money, from_proto, minor_digits, to_proto

STATES = [
    name.removeprefix("RESERVATION_STATE_").lower()
    for name, number in ReservationState.items()
    if number
]


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "reservation",
        description="Speaks to the booking service for the people of a hotel.",
    )
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_list(actions)
    _add_code(_parser(actions, "show", _show, "a reservation and its history"))
    _add(actions, "check-in", _check_in, "the guests are given their rooms")
    _add(actions, "check-out", _check_out, "the guests leave")
    _add(actions, "no-show", _no_show, "nobody came")
    _add_cancel(actions)
    _add_modify(actions)
    _add_deposit(actions)


def _parser(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, act: Act, help: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help, description=f"{help.capitalize()}.")
    add_hotel(parser)
    asks(parser, "booking", BookingServiceStub, act)
    return parser


def _add(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, act: Act, help: str
) -> argparse.ArgumentParser:
    parser = _parser(actions, name, act, help)
    _add_code(parser)
    parser.add_argument("--reason", default="", help="why, for the history")
    return parser


def _add_code(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "confirmation_code",
        metavar="CODE",
        help="the code that the guest was told, or the id that other commands tell",
    )


def _add_list(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _parser(actions, "list", _list, "reservations by day of arrival")
    parser.add_argument("--state", dest="states", action="append", default=[], choices=STATES)
    parser.add_argument(
        "--from", dest="first_check_in_date", type=_day, metavar="DAY", help="arrivals from"
    )
    parser.add_argument(
        "--to", dest="last_check_in_date", type=_day, metavar="DAY", help="arrivals up to"
    )
    parser.add_argument("--night", type=_day, metavar="DAY", help="who sleeps here that night")


def _add_cancel(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(actions, "cancel", _cancel, "cancel; without --accept only quotes the penalty")
    parser.add_argument(
        "--accept",
        dest="accepted_penalty",
        metavar="AMOUNT",
        help="the penalty the guest has agreed to",
    )
    parser.add_argument("--waive", action="store_true", help="let the guest off the penalty")


def _add_modify(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(actions, "modify", _modify, "other dates, rooms or guests")
    parser.add_argument("--check-in", dest="check_in_date", type=_day, metavar="DAY")
    parser.add_argument("--check-out", dest="check_out_date", type=_day, metavar="DAY")
    parser.add_argument(
        "--room",
        dest="rooms",
        action="append",
        default=[],
        metavar="TYPE:ADULTS[:CHILDREN]",
        help="a room as it should be; name all of them",
    )
    parser.add_argument(
        "--accept",
        dest="accepted_total_price",
        metavar="AMOUNT",
        help="the total the guest has agreed to",
    )


def _add_deposit(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(actions, "deposit", _deposit, "what a person found about a deposit")
    parser.add_argument(
        "verdict", choices=("approve", "reject"), metavar="VERDICT", help="approve or reject"
    )


@or_else("no reservations")
def _list(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    if options.night and (options.first_check_in_date or options.last_check_in_date):
        raise UsageError("--night is who sleeps here, --from and --to are arrivals: one of both.")
    request = pb.ListReservationsRequest(tenant_id=options.tenant_id)
    request.states.extend(
        ReservationState.Value(f"RESERVATION_STATE_{one.upper()}") for one in options.states
    )
    for day, into in (
        (options.first_check_in_date, request.first_check_in_date),
        (options.last_check_in_date, request.last_check_in_date),
        (options.night, request.night),
    ):
        if day is not None:
            from_date(day, into)
    heading = f"{'code':<9} {'arrival':<10} {'departure':<10} {'state':<17} {'total':>14}  rooms\n"
    for page in pages(stub.ListReservations, request):
        for one in page.reservations:
            yield heading + (
                f"{one.confirmation_code:<9} {from_day(one.check_in_date)} "
                f"{from_day(one.check_out_date)} {_state(one):<17} {_amount(one.total_price):>14}  "
                f"{_rooms(one)}"
            )
            heading = ""


def _show(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    found = _find(stub, options)
    yield from _described(found)
    yield ""
    request = pb.ListReservationEventsRequest(
        tenant_id=options.tenant_id, reservation_id=found.reservation_id
    )
    for page in pages(stub.ListReservationEvents, request):
        for event in page.events:
            action = ReservationAction.Name(event.action).removeprefix("RESERVATION_ACTION_")
            who = event.actor_id or ("guest" if event.actor_kind == 1 else "the service")
            why = f": {event.reason}" if event.reason else ""
            yield f"{second(event.event_time)}  {_words(action)} by {who}{why}"


def _check_in(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = pb.CheckInReservationRequest(reason=options.reason, **_about(stub, options))
    yield from _described(stub.CheckInReservation(request, timeout=SECONDS).reservation)


def _check_out(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = pb.CheckOutReservationRequest(reason=options.reason, **_about(stub, options))
    yield from _described(stub.CheckOutReservation(request, timeout=SECONDS).reservation)


def _no_show(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RecordNoShowRequest(reason=options.reason, **_about(stub, options))
    yield from _described(stub.RecordNoShow(request, timeout=SECONDS).reservation)


def _cancel(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    found = _find(stub, options)
    if found.state == RESERVATION_STATE_CANCELLED:
        yield f"{found.confirmation_code} is cancelled already: nothing was changed"
        return
    key: dict[str, Any] = {"tenant_id": options.tenant_id, "reservation_id": found.reservation_id}
    quote = stub.QuoteCancellation(pb.QuoteCancellationRequest(**key), timeout=SECONDS)
    yield f"cancelling costs {_amount(quote.penalty)}"
    if options.accepted_penalty is None and not options.waive:
        yield f"to do it: --accept {_plain(quote.penalty)}, or --waive"
        return
    request = pb.CancelReservationRequest(
        reason=options.reason, penalty_waived=options.waive, **_about(stub, options)
    )
    if options.accepted_penalty is not None:
        request.accepted_penalty.CopyFrom(_money(options.accepted_penalty, found))
    yield from _described(stub.CancelReservation(request, timeout=SECONDS).reservation)


def _modify(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    if options.check_in_date is None and options.check_out_date is None and not options.rooms:
        raise UsageError("one is needed: --check-in, --check-out or --room")
    found = _find(stub, options)
    request = pb.ModifyReservationRequest(
        reason=options.reason,
        etag=found.etag,
        rooms=[_room(one) for one in options.rooms],
        **_about(stub, options),
    )
    if options.check_in_date is not None:
        from_date(options.check_in_date, request.check_in_date)
    if options.check_out_date is not None:
        from_date(options.check_out_date, request.check_out_date)
    if options.accepted_total_price is not None:
        request.accepted_total_price.CopyFrom(_money(options.accepted_total_price, found))
    yield from _described(stub.ModifyReservation(request, timeout=SECONDS).reservation)


def _deposit(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    about = _about(stub, options)
    if options.verdict == "approve":
        approve = pb.ApproveDepositRequest(reason=options.reason, **about)
        yield from _described(stub.ApproveDeposit(approve, timeout=SECONDS).reservation)
    else:
        reject = pb.RejectDepositRequest(reason=options.reason, **about)
        yield from _described(stub.RejectDeposit(reject, timeout=SECONDS).reservation)


def _find(stub: BookingServiceStub, options: argparse.Namespace) -> Reservation:
    told = options.confirmation_code
    key = {"reservation_id" if _is_id(told) else "confirmation_code": told}
    request = pb.GetReservationRequest(tenant_id=options.tenant_id, **key)
    return stub.GetReservation(request, timeout=SECONDS).reservation


def _is_id(told: str) -> bool:
    try:
        UUID(told)
    except ValueError:
        return False
    return True


def _about(stub: BookingServiceStub, options: argparse.Namespace) -> dict[str, Any]:
    """What every change names: the reservation, and who types."""
    return {
        "tenant_id": options.tenant_id,
        "request_id": str(uuid4()),
        "reservation_id": _find(stub, options).reservation_id,
        "actor": staff(),
    }


def _described(one: Reservation) -> Iterator[str]:
    yield f"{one.confirmation_code}  {_state(one)}"
    yield f"  stay       {from_day(one.check_in_date)} to {from_day(one.check_out_date)}"
    for room in one.rooms:
        number = room.room_number or "not assigned"
        guests = counted(room.adult_count, "adult")
        guests += f", {counted(room.child_count, 'child', 'children')}"
        price = _amount(room.quote.total_price)
        yield f"  room {room.stay_number}     {room.room_type_id}, {guests}, {number}, {price}"
    yield f"  total      {_amount(one.total_price)}"
    if one.HasField("deposit"):
        due = second(one.deposit.due_time)
        receipt = f", receipt {one.deposit.receipt_reference}" * bool(one.deposit.receipt_reference)
        yield f"  deposit    {_amount(one.deposit.amount)}, due {due}{receipt}"
    if one.HasField("penalty"):
        yield f"  penalty    {_amount(one.penalty)}"
    if one.HasField("late_checkout"):
        until = second(one.late_checkout.until_time)
        yield f"  leaves     {until}, {_amount(one.late_checkout.fee)}"


def _rooms(one: Reservation) -> str:
    return ", ".join(f"{room.room_type_id} {room.room_number}".rstrip() for room in one.rooms)


def _state(one: Reservation) -> str:
    return _words(ReservationState.Name(one.state).removeprefix("RESERVATION_STATE_"))


def _words(name: str) -> str:
    return name.replace("_", " ").lower()


def _plain(message: MoneyMessage) -> str:
    amount = from_proto(message).amount
    return f"{amount:.{minor_digits(message.currency_code)}f}"


def _amount(message: MoneyMessage) -> str:
    return f"{_plain(message)} {message.currency_code}"


def _money(text: str, found: Reservation) -> MoneyMessage:
    try:
        return to_proto(Money(Decimal(text), found.total_price.currency_code))
    except (InvalidOperation, ValueError):
        raise UsageError(f"{text!r} is not an amount such as 120.50.") from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2027-03-28") from None


def _room(text: str) -> pb.RoomRequest:
    room_type_id, *counts = text.split(":")
    if not (room_type_id and 1 <= len(counts) <= 2 and all(one.isdecimal() for one in counts)):
        raise UsageError(f"{text!r} is not TYPE:ADULTS[:CHILDREN].")
    adults, children = (*map(int, counts), 0)[:2]
    return pb.RoomRequest(room_type_id=room_type_id, adult_count=adults, child_count=children)
