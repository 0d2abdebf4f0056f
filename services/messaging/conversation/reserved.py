"""Reservations that the guest has: showing them and cancelling them."""

from collections.abc import Sequence
from dataclasses import replace

from meshkit.money import Money
from services.messaging.conversation import taps
from services.messaging.conversation.commands import CancelReservation
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.state import (
    Asking,
    CommandKind,
    OpenCommand,
    Reservation,
)
from services.messaging.conversation.turn import Turn
from services.messaging.replies import bookings, texts
from services.messaging.replies.model import Button, Buttons


def show(turn: Turn) -> Decision:
    """The reservations of this chat that are not over."""
    return turn.reply(bookings.known(turn.voice, turn.coming))


def find(turn: Turn, reservation_id: str) -> Reservation | None:
    """A reservation by its id or by what a button calls it."""
    for known in turn.state.reservations:
        if reservation_id in _ids(known):
            return known
    return None


def find_paying(turn: Turn, about: str) -> Reservation | None:
    """The reservation whose penalty a button accepts, if that is the one told last."""
    for known in turn.state.reservations:
        if known.penalty is not None and about == _paying(known, known.penalty):
            return known
    return None


def ask_cancel(turn: Turn) -> Decision:
    """Asks for the confirmation; with several reservations, first for which one."""
    coming = turn.coming
    if not coming and turn.cancelled is not None:
        return turn.say(texts.ALREADY_CANCELLED, code=turn.cancelled.code)
    if turn.live_lock is not None and coming:
        return _ask_what(turn, coming)
    if len(coming) != 1:
        return show(turn)
    return ask_cancel_this(turn, coming[0])


def ask_cancel_this(turn: Turn, reservation: Reservation, intro: Sequence[str] = ()) -> Decision:
    """Asks whether this reservation is to be cancelled."""
    asking = turn.but(asking=Asking.CANCELLING, cancelling=reservation.reservation_id)
    return asking.reply(bookings.ask_cancel(turn.voice, reservation, intro))


def ask_paying(turn: Turn, reservation_id: str, penalty: Money) -> Decision:
    """Cancelling costs something: tells what, and asks whether it is still meant."""
    known = find(turn, reservation_id)
    if known is None:
        return turn.say(texts.CANCEL_AT_RECEPTION)
    told = replace(known, penalty=penalty)
    kept = tuple(told if one is known else one for one in turn.state.reservations)
    asking = turn.but(reservations=kept, asking=Asking.PAYING, cancelling=reservation_id)
    return asking.reply(bookings.ask_paying(turn.voice, told, penalty))


def ask_again(turn: Turn, reservation: Reservation, penalty: Money | None) -> Decision:
    """The question that is open, once more."""
    if penalty is None:
        return ask_cancel_this(turn, reservation)
    return ask_paying(turn, reservation.reservation_id, penalty)


def cancel(turn: Turn, reservation: Reservation, accepted: Money | None = None) -> Decision:
    """Cancels, after the guest has said that it is meant and, if it costs, at what penalty."""
    number = turn.next_number
    command = CancelReservation(number, reservation.reservation_id, accepted)
    opened = OpenCommand(number, CommandKind.CANCEL, reservation_id=reservation.reservation_id)
    return _asked(turn).send(command, opened)


def keep(turn: Turn, reservation: Reservation) -> Decision:
    """The guest would rather keep it."""
    return _asked(turn).say(texts.STILL_RESERVED, code=reservation.code)


def cancelled(turn: Turn, reservation_id: str) -> Decision:
    """It is cancelled, and remembered as that; the hotel may have been faster."""
    gone = find(turn, reservation_id)
    if gone is None:
        return not_there(turn, reservation_id)
    return _without(turn, reservation_id).but(cancelled=gone).say(texts.CANCELLED, code=gone.code)


def not_there(turn: Turn, about: str) -> Decision:
    """What was meant is no reservation: says so of the one that was cancelled, else shows all."""
    gone = turn.cancelled
    if gone is not None and about in _names(gone):
        return turn.say(texts.ALREADY_CANCELLED, code=gone.code)
    return show(turn)


def not_found(turn: Turn, reservation_id: str) -> Decision:
    """The hotel does not know it, so neither do we any more."""
    return _without(turn, reservation_id).say(texts.RESERVATION_GONE)


def not_cancelled_now(turn: Turn, reservation_id: str) -> Decision:
    """Nobody knows whether it is cancelled; the guest may ask again."""
    known = find(turn, reservation_id)
    if known is None:
        return turn.say(texts.CANNOT_CANCEL)
    return ask_cancel_this(turn, known, (turn.voice.say(texts.CANNOT_CANCEL),))


def _ask_what(turn: Turn, coming: tuple[Reservation, ...]) -> Decision:
    voice = turn.voice
    lock = turn.live_lock
    assert lock is not None
    one = coming[0].reservation_id if len(coming) == 1 else ""
    booked = taps.action(taps.CANCEL, one) if one else taps.action(taps.RESERVATIONS)
    buttons = (
        Button(taps.action(taps.RELEASE, lock.lock_id), voice.say(texts.BUTTON_RELEASE)),
        Button(booked, voice.say(texts.BUTTON_RESERVATION)),
    )
    return turn.reply(Buttons(voice.say(texts.WHAT_TO_CANCEL), buttons))


def _ids(known: Reservation) -> tuple[str, ...]:
    return (known.reservation_id, taps.refer(known.reservation_id))


def _paying(known: Reservation, penalty: Money) -> str:
    return taps.refer(taps.paying(known.reservation_id, penalty))


def _names(known: Reservation) -> tuple[str, ...]:
    """All that a button may call it."""
    paying = (_paying(known, known.penalty),) if known.penalty is not None else ()
    return (*_ids(known), *paying)


def _asked(turn: Turn) -> Turn:
    return turn.but(asking=Asking.NOTHING, cancelling="")


def _without(turn: Turn, reservation_id: str) -> Turn:
    kept = tuple(
        known for known in turn.state.reservations if known.reservation_id != reservation_id
    )
    return turn.but(reservations=kept)
