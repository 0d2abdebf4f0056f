"""The state as JSON: what is stored between two steps.

Reading is tolerant, because versions of the program overlap during a deploy and
a conversation that cannot be read would never be answered again: unknown keys
are ignored, missing ones have their defaults, and a part that is damaged is
left out without taking the others with it.
"""

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from meshkit.money import Money
from services.messaging.conversation.state import (
    AfterRelease,
    Asking,
    CommandKind,
    Deposit,
    Draft,
    Lock,
    Missing,
    Offer,
    OpenCommand,
    Reservation,
    Room,
    State,
    Stay,
    Tax,
)

VERSION = 1

_Part = TypeVar("_Part")
# What any count and PostgreSQL's bigint stay below.
_MOST = 2**63
_DAMAGED = (KeyError, TypeError, ValueError, AttributeError, InvalidOperation)


def to_json(state: State) -> str:
    """The whole state as ASCII; `from_json` gives an equal one back.

    Equal states give the same text, in whatever order names came over the wire.
    """
    whole = {
        "version": VERSION,
        "language": state.language,
        "asking": state.asking.value,
        "cancelling": state.cancelling,
        "draft": _from_draft(state.draft),
        "offer": _from_offer(state.offer) if state.offer else None,
        "lock": _from_lock(state.lock) if state.lock else None,
        "open": _from_open(state.open) if state.open else None,
        "reservations": [_from_reservation(known) for known in state.reservations],
        "cancelled": _from_reservation(state.cancelled) if state.cancelled else None,
        "command_count": state.command_count,
        "offer_count": state.offer_count,
    }
    return json.dumps(whole, separators=(",", ":"), sort_keys=True)


def from_json(text: str | bytes) -> State:
    """The state that was stored; a fresh one when nothing of it can be read."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return State()
    if not isinstance(whole, dict):
        return State()
    return State(
        language=_part(whole, "language", _text, ""),
        asking=_part(whole, "asking", Asking, Asking.NOTHING),
        cancelling=_part(whole, "cancelling", _text, ""),
        draft=_part(whole, "draft", _draft, Draft()),
        offer=_part(whole, "offer", _offer, None),
        lock=_part(whole, "lock", _lock, None),
        open=_part(whole, "open", _open, None),
        reservations=_reservations(whole.get("reservations")),
        cancelled=_part(whole, "cancelled", _reservation, None),
        command_count=_part(whole, "command_count", _count, 0),
        offer_count=_part(whole, "offer_count", _count, 0),
    )


def _part(whole: dict[str, Any], key: str, read: Callable[[Any], _Part], default: _Part) -> _Part:
    value = whole.get(key)
    if value is None:
        return default
    try:
        return read(value)
    except _DAMAGED:
        return default


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise TypeError("not a count")
    return value


def _count_or_none(value: Any) -> int | None:
    return None if value is None else _count(value)


def _day(value: Any) -> date | None:
    return None if value is None else date.fromisoformat(value)


def _from_day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _instant(value: Any) -> datetime:
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError("an instant without a zone")
    return instant


def _from_money(money: Money) -> list[str]:
    return [str(money.amount), money.currency]


def _money(value: Any) -> Money:
    return Money(Decimal(value[0]), value[1])


def _from_stay(stay: Stay) -> list[Any]:
    days = (stay.check_in.isoformat(), stay.check_out.isoformat())
    return [*days, stay.adults, stay.children]


def _stay(value: Any) -> Stay:
    check_in, check_out = date.fromisoformat(value[0]), date.fromisoformat(value[1])
    return Stay(check_in, check_out, _count(value[2]), _count(value[3]))


def _from_draft(draft: Draft) -> dict[str, Any]:
    return {
        "check_in": _from_day(draft.check_in),
        "check_out": _from_day(draft.check_out),
        "nights": draft.nights,
        "adults": draft.adults,
        "children": draft.children,
        "wish": list(draft.wish),
        "month": _from_day(draft.month),
    }


def _draft(value: Any) -> Draft:
    return Draft(
        _day(value.get("check_in")),
        _day(value.get("check_out")),
        _count_or_none(value.get("nights")),
        _count_or_none(value.get("adults")),
        _count(value.get("children", 0)),
        tuple(_text(word) for word in value.get("wish", ())),
        _day(value.get("month")),
    )


def _names(value: Any) -> dict[str, str]:
    return {_text(code): _text(name) for code, name in value.items()}


def _from_room(room: Room) -> dict[str, Any]:
    return {
        "type": room.room_type_id,
        "names": dict(room.names),
        "stay": _from_stay(room.stay),
        "total": _from_money(room.total),
        "free": room.free_count,
        "taxes": [_from_tax(tax) for tax in room.taxes],
    }


def _from_tax(tax: Tax) -> dict[str, Any]:
    return {
        "names": dict(tax.names),
        "amount": _from_money(tax.amount),
        "included": tax.included,
    }


def _tax(value: Any) -> Tax:
    return Tax(_names(value["names"]), _money(value["amount"]), bool(value["included"]))


def _room(value: Any) -> Room:
    stay, total = _stay(value["stay"]), _money(value["total"])
    free = _count(value.get("free", 0))
    taxes = tuple(_tax(tax) for tax in value.get("taxes", ()))
    return Room(_text(value["type"]), _names(value["names"]), stay, total, free, taxes)


def _from_offer(offer: Offer) -> dict[str, Any]:
    return {
        "number": offer.number,
        "rooms": [_from_room(room) for room in offer.rooms],
        "missing": [
            {"names": dict(room.names), "reason": room.reason, "detail": room.detail}
            for room in offer.missing
        ],
        "elsewhen": offer.elsewhen,
    }


def _offer(value: Any) -> Offer:
    rooms = tuple(_room(room) for room in value["rooms"])
    missing = tuple(
        Missing(_names(room["names"]), _text(room["reason"]), _count(room.get("detail", 0)))
        for room in value.get("missing", ())
    )
    return Offer(_count(value["number"]), rooms, missing, bool(value.get("elsewhen", False)))


def _from_lock(lock: Lock) -> dict[str, Any]:
    return {
        "id": lock.lock_id,
        "token": lock.owner_token,
        "fence": lock.fencing_number,
        "room": _from_room(lock.room),
        "nightly": [_from_money(price) for price in lock.nightly],
        "expires": lock.expire_time.isoformat(),
    }


def _lock(value: Any) -> Lock:
    nightly = tuple(_money(price) for price in value["nightly"])
    expires, room = _instant(value["expires"]), _room(value["room"])
    ids = (_text(value["id"]), _text(value["token"]), _count(value["fence"]))
    return Lock(*ids, room, nightly, expires)


def _from_open(opened: OpenCommand) -> dict[str, Any]:
    return {
        "number": opened.number,
        "kind": opened.kind.value,
        "room": _from_room(opened.room) if opened.room else None,
        "after": opened.after.value,
        "reservation": opened.reservation_id,
    }


def _open(value: Any) -> OpenCommand:
    room = value.get("room")
    return OpenCommand(
        _count(value["number"]),
        CommandKind(value["kind"]),
        _room(room) if room else None,
        AfterRelease(value.get("after", AfterRelease.NOTHING.value)),
        _text(value.get("reservation", "")),
    )


def _from_reservation(known: Reservation) -> dict[str, Any]:
    return {
        "id": known.reservation_id,
        "code": known.code,
        "lock": known.lock_id,
        "room": _from_room(known.room),
        "penalty": _from_money(known.penalty) if known.penalty else None,
        "deposit": _from_deposit(known.deposit) if known.deposit else None,
        "pending": known.pending,
    }


def _from_deposit(deposit: Deposit) -> dict[str, Any]:
    return {"amount": _from_money(deposit.amount), "due": deposit.due_time.isoformat()}


def _deposit(value: Any) -> Deposit:
    return Deposit(_money(value["amount"]), _instant(value["due"]))


def _reservations(value: Any) -> tuple[Reservation, ...]:
    """Each by itself: one that is damaged does not hide the others."""
    stored = value if isinstance(value, list) else []
    read = (_part({"it": known}, "it", _reservation, None) for known in stored)
    return tuple(known for known in read if known is not None)


def _reservation(value: Any) -> Reservation:
    ids = (_text(value["id"]), _text(value["code"]), _text(value.get("lock", "")))
    penalty = _part(value, "penalty", _money, None)
    deposit = _part(value, "deposit", _deposit, None)
    pending = value.get("pending") is True
    return Reservation(*ids, _room(value["room"]), penalty, deposit, pending)
