"""`conserje lock`: what a hotel keeps for its guests, and what was decided about it."""

import argparse
import uuid
from collections.abc import Iterator

from conserje.booking.v1.booking_service_pb2 import (
    GetLockRequest,
    ListLockEventsRequest,
    ListLocksRequest,
    ReleaseLockRequest,
    RevokeLockRequest,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.lock_pb2 import Lock, LockEvent, LockEventKind, LockState

from cli import meant
from cli.asking import SECONDS, Act, add_hotel, asks, or_else, pages
from cli.hotel_check import refuse_unknown
from cli.places import UsageError
from cli.times import from_day, second
from cli.user import staff


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser("lock")
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = _add(verbs, "list", "the live locks of a hotel", _list)
    listing.add_argument(
        "--guest", dest="guest_id", default="", metavar="ID", help="only those of this guest"
    )
    listing.add_argument(
        "--type", dest="room_type_id", default="", metavar="ID", help="only those of this room type"
    )

    showing = _add(verbs, "show", "one lock, as its owner", _show)
    releasing = _add(verbs, "release", "free what is kept for a guest", _release)
    for verb in (showing, releasing):
        verb.add_argument("lock_id", metavar="LOCK", help="its id, as `list` shows it")
    showing.add_argument(
        "--owner-token", required=True, metavar="TOKEN", help="what its owner was given"
    )
    releasing.add_argument(
        "--owner-token",
        default="",
        metavar="TOKEN",
        help="give it back as its owner, with what that was given; without it the hotel takes it",
    )
    releasing.add_argument(
        "--reason", default="", metavar="TEXT", help="why the hotel takes it, for the history"
    )
    meant.add_yes(releasing)

    events = _add(verbs, "events", "what was decided about locks, oldest first", _events)
    events.add_argument(
        "--lock", dest="lock_id", default="", metavar="LOCK", help="only about this lock"
    )


def describe(lock: Lock) -> str:
    """A lock on one line; its price as it was offered."""
    total = lock.total_price
    price = f"{total.units + total.nanos / 1e9:.2f} {total.currency_code}"
    state = LockState.Name(lock.state).removeprefix("LOCK_STATE_")
    return (
        f"{lock.lock_id}  {state:<9}  {_rooms(lock)}  {_nights(lock)}  "
        f"until {second(lock.expire_time)}  {price}  guest {lock.guest_id}"
    )


def describe_event(event: LockEvent) -> str:
    """A decision on one line."""
    why = event.reason
    if event.HasField("actor_id"):
        why = ": ".join(filter(None, (f"by {event.actor_id or 'the hotel'}", why)))
    kind = LockEventKind.Name(event.kind).removeprefix("LOCK_EVENT_KIND_")
    return (
        f"{second(event.event_time)}  {kind:<9}  {event.lock_id or '-':<36}  {event.room_type_id}  "
        f"{_nights(event)}  guest {event.guest_id}  {why}"
    ).rstrip()


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help: str, act: Act
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help)
    add_hotel(verb)
    asks(verb, "booking", BookingServiceStub, act)
    return verb


@or_else("no live locks")
def _list(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = ListLocksRequest(
        tenant_id=options.tenant_id, guest_id=options.guest_id, room_type_id=options.room_type_id
    )
    for page in pages(stub.ListLocks, request):
        yield from map(describe, page.locks)


def _show(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = GetLockRequest(
        tenant_id=options.tenant_id, lock_id=options.lock_id, owner_token=options.owner_token
    )
    yield describe(stub.GetLock(request, timeout=SECONDS).lock)


def _release(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    if not options.owner_token:
        yield from _revoke(stub, options)
        return
    if options.reason:
        raise UsageError("--reason is why the hotel takes a lock: it goes without --owner-token")
    request = ReleaseLockRequest(
        tenant_id=options.tenant_id,
        request_id=str(uuid.uuid4()),
        lock_id=options.lock_id,
        owner_token=options.owner_token,
    )
    yield describe(stub.ReleaseLock(request, timeout=SECONDS).lock)


def _revoke(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    refuse_unknown(options.tenant_id, options.target)
    warning = f"{_at_stake(stub, options)}Its guest loses it, and hears of it when he goes on."
    meant.ask(options, options.lock_id, done="released", warning=warning)
    request = RevokeLockRequest(
        tenant_id=options.tenant_id,
        request_id=str(uuid.uuid4()),
        lock_id=options.lock_id,
        actor=staff(),
        reason=options.reason,
    )
    yield describe(stub.RevokeLock(request, timeout=SECONDS).lock)


def _at_stake(stub: BookingServiceStub, options: argparse.Namespace) -> str:
    """The lock on a line of its own while it is live; without its token only the list has it."""
    pages_of_locks = pages(stub.ListLocks, ListLocksRequest(tenant_id=options.tenant_id))
    locks = (one for page in pages_of_locks for one in page.locks)
    return next((f"{describe(one)}\n" for one in locks if one.lock_id == options.lock_id), "")


@or_else("nothing was decided about locks")
def _events(stub: BookingServiceStub, options: argparse.Namespace) -> Iterator[str]:
    request = ListLockEventsRequest(tenant_id=options.tenant_id, lock_id=options.lock_id)
    for page in pages(stub.ListLockEvents, request):
        yield from map(describe_event, page.events)


def _rooms(lock: Lock) -> str:
    """Every room of it: the particular room, or the type."""
    others = [one.room_id or one.room_type_id for one in lock.other_rooms]
    return ", ".join([lock.room_id or lock.room_type_id, *others])


def _nights(of: Lock | LockEvent) -> str:
    return f"{from_day(of.check_in_date)} to {from_day(of.check_out_date)}"
