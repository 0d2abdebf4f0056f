"""What the ids of buttons and rows mean.

An id says what it refers to and nothing that is believed: a price, a right or a
token never comes from it. It is short by construction: an id of the booking
service that would not fit is replaced by its digest.
"""

from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from meshkit.money import Money
from services.messaging.conversation.state import Offer, Room, Stay

_BETWEEN = "|"
_LONGEST_REFERENCE = 120
# More than any list of ours has; beyond it the id was not written by us.
_LONGEST_ID = 256


@dataclass(frozen=True)
class RoomTap:
    """A room of a list: of which list, which stay and which type."""

    offer: int
    stay: Stay
    room: str


@dataclass(frozen=True)
class MoreTap:
    """The rest of a list, from a row on."""

    offer: int
    start: int


@dataclass(frozen=True)
class DatesTap:
    """Dates that we proposed."""

    check_in: date
    check_out: date


@dataclass(frozen=True)
class GuestsTap:
    """A number of adults that we proposed."""

    adults: int


@dataclass(frozen=True)
class ActionTap:
    """Something to do; `about` refers to the lock or reservation, where there is one."""

    action: str
    about: str = ""


Tap = RoomTap | MoreTap | DatesTap | GuestsTap | ActionTap

CONFIRM = "confirm"
CHANGE = "change"
RELEASE = "release"
CANCEL = "cancel"
CANCEL_SURE = "cancel-sure"
CANCEL_PAYING = "cancel-paying"
KEEP = "keep"
RETRY = "retry"
BOOK = "book"
RESERVATIONS = "reservations"
HELP = "help"
_ACTIONS = {
    *(CONFIRM, CHANGE, RELEASE, CANCEL, CANCEL_SURE, CANCEL_PAYING, KEEP),
    *(RETRY, BOOK, RESERVATIONS, HELP),
}


def room(offer: Offer, wanted: Room) -> str:
    """The id of a row that offers a room."""
    stay = wanted.stay
    days = (stay.check_in.isoformat(), stay.check_out.isoformat())
    guests = (str(stay.adults), str(stay.children))
    reference = refer(wanted.room_type_id)
    return _BETWEEN.join(("room", str(offer.number), *days, *guests, reference))


def more(offer: Offer, start: int) -> str:
    """The id of the row that leads to the rest of a list."""
    return _BETWEEN.join(("more", str(offer.number), str(start)))


def dates(check_in: date, check_out: date) -> str:
    """The id of a button that proposes dates."""
    return _BETWEEN.join(("dates", check_in.isoformat(), check_out.isoformat()))


def guests(adults: int) -> str:
    """The id of a button that proposes a number of adults."""
    return _BETWEEN.join(("guests", str(adults)))


def action(name: str, about: str = "") -> str:
    """The id of a button that does something, to the lock or reservation `about`."""
    return _BETWEEN.join((name, refer(about))) if about else name


def paying(reservation_id: str, penalty: Money) -> str:
    """What a button is about that accepts a penalty: it is worth nothing for another amount."""
    return f"{reservation_id} {penalty.amount} {penalty.currency}"


def refer(opaque_id: str) -> str:
    """An opaque id as it is, or its digest where it is long or not plain ASCII."""
    if opaque_id.isascii() and opaque_id.isprintable() and len(opaque_id) <= _LONGEST_REFERENCE:
        return opaque_id
    return "sha256-" + sha256(opaque_id.encode(errors="surrogatepass")).hexdigest()


def parse(reply_id: str) -> Tap | None:
    """What was tapped; None for an id that is not ours or is damaged."""
    if len(reply_id) > _LONGEST_ID:
        return None
    kind, _, rest = reply_id.partition(_BETWEEN)
    try:
        return _read(kind, rest)
    except ValueError:
        return None


def _read(kind: str, rest: str) -> Tap | None:
    if kind in _ACTIONS:
        return ActionTap(kind, rest)
    if kind == "room":
        return _room(rest)
    if kind == "more":
        offer, start = rest.split(_BETWEEN)
        return MoreTap(_whole(offer), _whole(start))
    if kind == "dates":
        check_in, check_out = rest.split(_BETWEEN)
        return DatesTap(date.fromisoformat(check_in), date.fromisoformat(check_out))
    return GuestsTap(_whole(rest)) if kind == "guests" else None


def _room(rest: str) -> RoomTap:
    offer, check_in, check_out, adults, children, reference = rest.split(_BETWEEN, 5)
    stay = Stay(
        date.fromisoformat(check_in),
        date.fromisoformat(check_out),
        _whole(adults),
        _whole(children),
    )
    return RoomTap(_whole(offer), stay, reference)


def _whole(written: str) -> int:
    """A number as we write it: a few ASCII digits."""
    if not (written.isascii() and written.isdecimal() and len(written) <= 9):
        raise ValueError(written)
    return int(written)
