"""Reservations that the hotel's own system had still to agree to, once it has decided."""

from dataclasses import replace

from services.messaging.conversation import reserved, search
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.outcomes import HotelAgreed, HotelRefused
from services.messaging.conversation.state import Draft, Reservation
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import bookings, texts
from services.messaging.replies.model import Text


def decided(turn: Turn, outcome: HotelAgreed | HotelRefused) -> Steps:
    """Tells the guest, unless the answer to the confirmation has done so already."""
    known = reserved.find(turn, outcome.reservation_id)
    if known is None or not known.pending:
        return Decision(turn.state)
    if isinstance(outcome, HotelAgreed):
        return _agreed(turn, known, outcome)
    return (yield from _refused(turn, known))


def _agreed(turn: Turn, known: Reservation, outcome: HotelAgreed) -> Decision:
    booked = replace(known, pending=False, deposit=outcome.deposit)
    kept = tuple(booked if one is known else one for one in turn.state.reservations)
    return turn.but(reservations=kept).reply(bookings.confirmed(turn.voice, booked))


def _refused(turn: Turn, known: Reservation) -> Steps:
    """There is no reservation; shows what else is free when the guest is at nothing else."""
    kept = tuple(one for one in turn.state.reservations if one is not known)
    turn = turn.but(reservations=kept)
    voice, stay = turn.voice, known.room.stay
    told = voice.say(texts.HOTEL_REFUSED, name=voice.room(known.room.names), stay=voice.stay(stay))
    state = turn.state
    if state.open is not None or turn.live_lock is not None or state.draft != Draft():
        return turn.reply(Text(told))
    draft = Draft(stay.check_in, stay.check_out, None, stay.adults, stay.children)
    return (yield from search.proceed(turn.but(draft=draft), (told,)))
