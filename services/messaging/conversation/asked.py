"""What the hotel decides about a reservation by itself: whether it agrees, and to cancel."""

from dataclasses import replace

from meshkit.money import Money
from services.messaging.conversation import reserved, search
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.outcomes import HotelAgreed, HotelCancelled, HotelRefused
from services.messaging.conversation.state import Asking, Draft, Reservation
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import bookings, texts
from services.messaging.replies.model import Text
from services.messaging.replies.phrase import Phrase


def decided(turn: Turn, outcome: HotelAgreed | HotelRefused | HotelCancelled) -> Steps:
    """Tells the guest, unless the answer to a command has done so already."""
    known = reserved.find(turn, outcome.reservation_id)
    if known is None:
        return Decision(turn.state)
    if isinstance(outcome, HotelCancelled):
        return _cancelled(turn, known, outcome.penalty)
    if not known.pending:
        return Decision(turn.state)
    if isinstance(outcome, HotelAgreed):
        return _agreed(turn, known, outcome)
    return (yield from _refused(turn, known))


def _agreed(turn: Turn, known: Reservation, outcome: HotelAgreed) -> Decision:
    booked = replace(known, pending=False, deposit=outcome.deposit)
    kept = tuple(booked if one is known else one for one in turn.state.reservations)
    return turn.but(reservations=kept).reply(bookings.confirmed(turn.voice, booked))


def _cancelled(turn: Turn, known: Reservation, penalty: Money | None) -> Decision:
    """There is no reservation any more, so neither is a question whether to cancel it."""
    if turn.state.cancelling == known.reservation_id:
        turn = turn.but(asking=Asking.NOTHING, cancelling="")
    if known.pending:
        return _over(turn, known, texts.HOTEL_CANCELLED)
    turn = turn.but(cancelled=known)
    return _without(turn, known).reply(bookings.hotel_cancelled(turn.voice, known, penalty))


def _refused(turn: Turn, known: Reservation) -> Steps:
    """There is no reservation; shows what else is free when the guest is at nothing else."""
    state = turn.state
    if state.open is not None or turn.live_lock is not None or state.draft != Draft():
        return _over(turn, known, texts.HOTEL_REFUSED)
    told, stay = _told(turn, known, texts.HOTEL_REFUSED), known.room.stay
    turn = _without(turn, known)
    draft = Draft(stay.check_in, stay.check_out, None, stay.adults, stay.children)
    return (yield from search.proceed(turn.but(draft=draft), (told,)))


def _over(turn: Turn, known: Reservation, phrase: Phrase) -> Decision:
    return _without(turn, known).reply(Text(_told(turn, known, phrase)))


def _without(turn: Turn, known: Reservation) -> Turn:
    return turn.but(reservations=tuple(one for one in turn.state.reservations if one is not known))


def _told(turn: Turn, known: Reservation, phrase: Phrase) -> str:
    voice, room = turn.voice, known.room
    return voice.say(phrase, name=voice.room(room.names), stay=voice.stay(room.stay))
