"""What becomes of a reservation without its guest: the hotel decides, or its time is over."""

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TypeAlias

from services.messaging.conversation import reserved, search
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.outcomes import (
    DepositApproved,
    DepositLapsed,
    HotelAgreed,
    HotelCancelled,
    HotelModified,
    HotelRefused,
)
from services.messaging.conversation.queries import Answer, Availability, Query, SearchAvailability
from services.messaging.conversation.state import (
    Asking,
    Deposit,
    Draft,
    Reservation,
    Room,
    Stay,
)
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import bookings, texts
from services.messaging.replies.model import Text
from services.messaging.replies.phrase import Phrase

News: TypeAlias = (
    HotelAgreed | HotelRefused | HotelCancelled | HotelModified | DepositApproved | DepositLapsed
)


def decided(turn: Turn, outcome: News) -> Steps:
    """Tells the guest, unless the answer to a command has done so already."""
    known = reserved.find(turn, outcome.reservation_id)
    if known is None:
        return Decision(turn.state)
    if isinstance(outcome, HotelCancelled):
        return _cancelled(turn, known, outcome)
    if isinstance(outcome, DepositLapsed):
        return _gone(turn, known).reply(bookings.lapsed(turn.voice, known))
    if isinstance(outcome, DepositApproved):
        return _booked(turn, known, None) if known.deposit else Decision(turn.state)
    if isinstance(outcome, HotelModified):
        return (yield from _modified(turn, known, outcome))
    if not known.pending:
        return Decision(turn.state)
    if isinstance(outcome, HotelAgreed):
        return _booked(turn, known, outcome.deposit)
    return (yield from _refused(turn, known))


def _booked(turn: Turn, known: Reservation, deposit: Deposit | None) -> Decision:
    """The hotel has it, and nothing but this deposit is awaited any more."""
    booked = replace(known, pending=False, deposit=deposit)
    return _with(turn, known, booked).reply(bookings.confirmed(turn.voice, booked))


def _modified(turn: Turn, known: Reservation, outcome: HotelModified) -> Steps:
    """Tells what it is now, unless nothing of it has changed that a guest would see."""
    names = known.room.names
    if outcome.room_type_id != known.room.room_type_id:
        names = yield from _names(outcome.room_type_id, outcome.stay)
    room = Room(outcome.room_type_id, names, outcome.stay, outcome.total)
    # One whose receipt waits for a person is not awaited, and not approved either.
    changed = replace(known, room=room, deposit=outcome.deposit or known.deposit)
    if changed == known:
        return Decision(turn.state)
    told = bookings.hotel_modified(turn.voice, changed, outcome.deposit)
    return _with(turn, known, changed).reply(told)


def _names(room_type_id: str, stay: Stay) -> Generator[Query, Answer, Mapping[str, str]]:
    """What a room type is called: booking says so with what is free, also of what is not."""
    answer = yield SearchAvailability(stay.check_in, stay.check_out, stay.adults, stay.children)
    offers = answer.room_types if isinstance(answer, Availability) else ()
    found = (search.clean(one.names) for one in offers if one.room_type_id == room_type_id)
    return next(found, {})


def _cancelled(turn: Turn, known: Reservation, outcome: HotelCancelled) -> Decision:
    if known.pending:
        return _over(_unasked(turn, known), known, texts.HOTEL_CANCELLED)
    told = bookings.hotel_cancelled(
        turn.voice, known, outcome.penalty, had_deposit=outcome.had_deposit
    )
    return _gone(turn, known).reply(told)


def _gone(turn: Turn, known: Reservation) -> Turn:
    """What the guest was promised is no more; who asks for it later is told so."""
    return _without(_unasked(turn, known).but(cancelled=known), known)


def _unasked(turn: Turn, known: Reservation) -> Turn:
    """There is no reservation any more, so neither is a question whether to cancel it."""
    if turn.state.cancelling != known.reservation_id:
        return turn
    return turn.but(asking=Asking.NOTHING, cancelling="")


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


def _with(turn: Turn, known: Reservation, changed: Reservation) -> Turn:
    kept = tuple(changed if one is known else one for one in turn.state.reservations)
    return turn.but(reservations=kept)


def _without(turn: Turn, known: Reservation) -> Turn:
    return turn.but(reservations=tuple(one for one in turn.state.reservations if one is not known))


def _told(turn: Turn, known: Reservation, phrase: Phrase) -> str:
    voice, room = turn.voice, known.room
    return voice.say(phrase, name=voice.room(room.names), stay=voice.stay(room.stay))
