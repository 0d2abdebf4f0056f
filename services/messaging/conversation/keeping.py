"""Keeping a room, giving it back, confirming it: the commands and what follows them."""

from collections.abc import Sequence
from dataclasses import replace

from services.messaging.conversation import search
from services.messaging.conversation.commands import AcquireLock, ConfirmReservation, ReleaseLock
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.outcomes import (
    ConfirmRefused,
    LockGranted,
    LockRefused,
    ReservationConfirmed,
)
from services.messaging.conversation.state import (
    AfterRelease,
    CommandKind,
    Draft,
    Lock,
    OpenCommand,
    Reservation,
    Room,
    Stay,
)
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import bookings, limits, price_texts, prices, questions, texts

# A guest with more open stays than these sees the newest.
_MOST_RESERVATIONS = 10
_LOST_LOCK = {
    "LOCK_RELEASED": texts.TAKEN_BACK,
    "PRICE_CHANGED": texts.PRICE_CHANGED,
    "SOLD_OUT": texts.JUST_TAKEN,
    "PMS_REFUSED": texts.HOTEL_REFUSED,
}


def acquire(turn: Turn, room: Room) -> Decision:
    """Keeps a room for the guest; one that is kept already is given back first."""
    stay = room.stay
    wish = turn.state.draft.wish
    draft = Draft(stay.check_in, stay.check_out, None, stay.adults, stay.children, wish)
    turn = turn.but(draft=draft)
    if turn.live_lock is not None:
        return release(turn, turn.live_lock, AfterRelease.LOCK, room)
    number = turn.next_number
    command = AcquireLock(
        number, room.room_type_id, stay.check_in, stay.check_out, stay.adults, stay.children
    )
    return turn.but(lock=None).send(command, OpenCommand(number, CommandKind.ACQUIRE, room))


def release(
    turn: Turn, lock: Lock, after: AfterRelease = AfterRelease.NOTHING, room: Room | None = None
) -> Decision:
    """Gives a kept room back; `after` is what the guest wanted it for."""
    command = ReleaseLock(turn.next_number, lock.lock_id, lock.owner_token)
    return turn.send(command, OpenCommand(command.number, CommandKind.RELEASE, room, after))


def confirm(turn: Turn, lock: Lock) -> Decision:
    """Asks for the reservation, also after the time ran out: booking knows whether it can be."""
    command = ConfirmReservation(
        turn.next_number, lock.lock_id, lock.owner_token, lock.fencing_number
    )
    return turn.send(command, OpenCommand(command.number, CommandKind.CONFIRM))


def granted(turn: Turn, wanted: Room, outcome: LockGranted) -> Decision:
    """The room is kept: shows what, until when and for how much."""
    stay = Stay(outcome.check_in, outcome.check_out, wanted.stay.adults, wanted.stay.children)
    taxes = search.clean_taxes(outcome.taxes)
    room = Room(outcome.room_type_id, wanted.names, stay, outcome.total, taxes=taxes)
    lock = Lock(
        outcome.lock_id,
        outcome.owner_token,
        outcome.fencing_number,
        room,
        outcome.nightly,
        outcome.expire_time,
    )
    voice = turn.voice
    moved = []
    if outcome.total != wanted.total:
        before, now = voice.money(wanted.total), voice.money(outcome.total)
        moved.append(voice.say(texts.PRICE_MOVED, before=before, now=now))
    return turn.but(lock=lock).reply(bookings.summary(voice, lock, moved))


def not_granted(turn: Turn, wanted: Room, outcome: LockRefused) -> Steps:
    """The room cannot be kept: says why and what is free instead."""
    voice = turn.voice
    reason = outcome.reason
    if search.refuses_dates(reason):
        last_night = voice.day(outcome.last_night) if outcome.last_night else None
        return search.refused_dates(turn, reason, last_night)
    if reason == "TOO_MANY_LOCKS":
        return turn.reply(questions.retry(voice, (voice.say(texts.TOO_MANY_LOCKS),)))
    phrases = {
        "SOLD_OUT": texts.JUST_TAKEN,
        "TOO_MANY_GUESTS": texts.WISH_TOO_SMALL,
        "ROOM_TYPE_UNKNOWN": texts.NOT_SOLD_ANY_MORE,
    }
    phrases |= dict.fromkeys(prices.NOT_SOLD, price_texts.WISH_NOT_SOLD)
    if reason not in phrases:
        return not_kept_now(turn)
    guests = voice.guests(wanted.stay.adults, wanted.stay.children)
    told = voice.say(phrases[reason], name=voice.room(wanted.names), guests=guests)
    return (yield from search.proceed(_without_wish(turn), (told,)))


def not_kept_now(turn: Turn) -> Decision:
    """Nobody knows whether the room is kept; the guest may try again."""
    voice = turn.voice
    return turn.reply(questions.retry(voice, (voice.say(texts.CANNOT_LOCK),)))


def released(turn: Turn, opened: OpenCommand) -> Steps:
    """The room is given back: goes on with what it was given back for."""
    lock = turn.state.lock
    turn = turn.but(lock=None)
    voice = turn.voice
    name = voice.room(lock.room.names) if lock else ""
    if opened.after is AfterRelease.LOCK and opened.room is not None:
        return acquire(turn, opened.room)
    if opened.after is AfterRelease.SEARCH:
        told = (voice.say(texts.RELEASED_FOR_CHANGE, name=name),) if lock else ()
        return (yield from search.proceed(turn, told))
    turn = turn.but(draft=Draft(), offer=None)
    return turn.reply(questions.suggest_dates(voice, (voice.say(texts.RELEASED, name=name),)))


def not_released_now(turn: Turn, opened: OpenCommand) -> Steps:
    """Nobody knows whether the room is given back; one whose time is over is gone anyhow."""
    lock = turn.live_lock
    if lock is None:
        return (yield from released(turn, opened))
    voice = turn.voice
    stay = lock.room.stay
    draft = Draft(stay.check_in, stay.check_out, None, stay.adults, stay.children)
    return turn.but(draft=draft).reply(
        bookings.summary(voice, lock, (voice.say(texts.CANNOT_RELEASE),))
    )


def confirmed(turn: Turn, lock: Lock, outcome: ReservationConfirmed) -> Decision:
    """The room is sold, or asked for where the hotel has still to agree: tells which."""
    stay = replace(lock.room.stay, check_in=outcome.check_in, check_out=outcome.check_out)
    room = Room(outcome.room_type_id, lock.room.names, stay, outcome.total)
    code = limits.line(outcome.code)
    booked = Reservation(
        outcome.reservation_id,
        code,
        lock.lock_id,
        room,
        deposit=outcome.deposit,
        pending=outcome.pending,
    )
    others = [known for known in turn.coming if known.reservation_id != booked.reservation_id]
    kept = (*others, booked)[-_MOST_RESERVATIONS:]
    turn = turn.but(reservations=kept, lock=None, draft=Draft(), offer=None)
    return turn.reply(bookings.confirmed(turn.voice, booked))


def not_confirmed(turn: Turn, lock: Lock, outcome: ConfirmRefused) -> Steps:
    """The lock is worth nothing any more: says so and shows what is free now."""
    if outcome.reason == "LOCK_CONVERTED":
        return already_reserved(turn, lock)
    voice = turn.voice
    phrase = _LOST_LOCK.get(outcome.reason, texts.LAPSED)
    stay = voice.stay(lock.room.stay)
    told = voice.say(phrase, name=voice.room(lock.room.names), stay=stay)
    return (yield from search.proceed(_back_to_draft(turn, lock), (told,)))


def not_confirmed_now(turn: Turn, lock: Lock) -> Decision:
    """Nobody knows whether the room is sold; the same lock can be confirmed again."""
    voice = turn.voice
    return turn.reply(bookings.summary(voice, lock, (voice.say(texts.CANNOT_CONFIRM),)))


def already_reserved(turn: Turn, lock: Lock | None) -> Decision:
    """The lock has become a reservation, which this chat may know or not."""
    voice = turn.voice
    lock_id = lock.lock_id if lock else ""
    turn = turn.but(lock=None, draft=Draft(), offer=None)
    known = [booked for booked in turn.state.reservations if booked.lock_id == lock_id]
    if not known:
        return turn.say(texts.RESERVED_WITHOUT_CODE)
    return turn.reply(bookings.known(voice, known, bookings.already(voice, known[0])))


def lapsed(turn: Turn, intro: Sequence[str]) -> Steps:
    """A lock that is over was tapped: shows what is free for its stay, or for the draft."""
    lock = turn.state.lock
    turn = _back_to_draft(turn, lock) if lock else turn
    return (yield from search.proceed(turn, intro))


def _back_to_draft(turn: Turn, lock: Lock) -> Turn:
    stay = lock.room.stay
    draft = Draft(stay.check_in, stay.check_out, None, stay.adults, stay.children)
    return turn.but(draft=draft, lock=None)


def _without_wish(turn: Turn) -> Turn:
    """What was wished for has just been told about; it is not told again."""
    return turn.but(draft=replace(turn.state.draft, wish=()))
