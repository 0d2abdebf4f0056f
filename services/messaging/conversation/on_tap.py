"""What a tapped button or row leads to; any of them may be days old."""

from collections.abc import Sequence
from dataclasses import replace

from services.messaging.conversation import keeping, reserved, search, taps
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.on_text import restart
from services.messaging.conversation.state import AfterRelease, Asking, Draft, Room, Stay
from services.messaging.conversation.taps import (
    ActionTap,
    DatesTap,
    GuestsTap,
    MoreTap,
    RoomTap,
)
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import bookings, questions, texts
from services.messaging.replies.phrase import Phrase
from services.messaging.understanding.meaning import MAX_GUESTS

_OF_LOCK = (taps.CONFIRM, taps.CHANGE, taps.RELEASE)


def on_tap(turn: Turn, reply_id: str) -> Steps:
    """Does what the button says, if what it is about still stands; else says that it does not."""
    turn = turn.but(asking=Asking.NOTHING, cancelling="")
    tapped = taps.parse(reply_id)
    if not (isinstance(tapped, ActionTap) and tapped.action in _OF_LOCK):
        turn = turn.talks_on
    match tapped:
        case RoomTap() as tap:
            return (yield from _room(turn, tap))
        case MoreTap() as tap:
            return (yield from _more(turn, tap))
        case DatesTap() as tap:
            draft = replace(
                turn.state.draft,
                check_in=tap.check_in,
                check_out=tap.check_out,
                nights=None,
                month=None,
            )
            return (yield from _stay(turn, draft))
        case GuestsTap(adults) if 1 <= adults <= MAX_GUESTS:
            draft = turn.state.draft
            # Children that were named first come along.
            children = draft.children if draft.adults is None else 0
            draft = replace(draft, adults=adults, children=children)
            return (yield from _stay(turn, draft))
        case ActionTap() as tap:
            return (yield from _action(turn, tap))
        case _:
            return (yield from _old(turn, texts.OLD_BUTTON))


def _room(turn: Turn, tap: RoomTap) -> Steps:
    offer = turn.state.offer
    wanted = _offered(turn, tap)
    if wanted is not None and tap.stay.check_in >= turn.hotel.today:
        return _take(turn, wanted)
    if turn.live_lock is not None or not _possible(tap.stay):
        return (yield from _old(turn, texts.OLD_BUTTON))
    if offer is not None and offer.number == tap.offer:
        return (yield from search.proceed(_of_stay(turn, tap.stay)))
    told = turn.voice.say(texts.OLD_LIST)
    return (yield from search.proceed(_of_stay(turn, tap.stay), (told,)))


def _offered(turn: Turn, tap: RoomTap) -> Room | None:
    """The room of the newest list that was tapped; None when it is of another list."""
    offer = turn.state.offer
    if offer is None or offer.number != tap.offer:
        return None
    for room in offer.rooms:
        if taps.refer(room.room_type_id) == tap.room and room.stay == tap.stay:
            return room
    return None


def _take(turn: Turn, wanted: Room) -> Decision:
    lock = turn.live_lock
    kept = lock.room if lock else None
    if lock and kept and (kept.room_type_id, kept.stay) == (wanted.room_type_id, wanted.stay):
        return turn.reply(bookings.summary(turn.voice, lock))
    return keeping.acquire(turn, wanted)


def _possible(stay: Stay) -> bool:
    return 1 <= stay.adults <= MAX_GUESTS and 0 <= stay.children <= MAX_GUESTS


def _of_stay(turn: Turn, stay: Stay) -> Turn:
    draft = Draft(stay.check_in, stay.check_out, None, stay.adults, stay.children)
    return turn.but(draft=draft, lock=None)


def _more(turn: Turn, tap: MoreTap) -> Steps:
    offer = turn.state.offer
    if offer is not None and offer.number == tap.offer and tap.start < len(offer.rooms):
        stay = offer.rooms[0].stay
        voice = turn.voice
        guests = voice.guests(stay.adults, stay.children)
        head = voice.say(texts.OFFER, stay=voice.stay(stay), guests=guests)
        return search.show(turn, offer, (head,), tap.start)
    return (yield from _old(turn, texts.OLD_LIST))


def _stay(turn: Turn, draft: Draft) -> Steps:
    """The stay as it is after a proposal was taken."""
    lock = turn.live_lock
    if lock is not None and draft.stay == lock.room.stay:
        return turn.reply(bookings.summary(turn.voice, lock))
    return (yield from restart(turn.but(draft=draft)))


def _action(turn: Turn, tap: ActionTap) -> Steps:
    if tap.action in _OF_LOCK:
        return (yield from _about_lock(turn, tap))
    if tap.action == taps.CANCEL_PAYING:
        return _about_penalty(turn, tap)
    if tap.action in (taps.CANCEL, taps.CANCEL_SURE, taps.KEEP):
        return _about_reservation(turn, tap)
    if tap.action == taps.RESERVATIONS:
        return reserved.show(turn)
    if tap.action == taps.HELP:
        return turn.reply(questions.help_text(turn.voice, has_reservations=bool(turn.coming)))
    if turn.live_lock is not None:
        return turn.reply(bookings.summary(turn.voice, turn.live_lock))
    return (yield from search.proceed(turn))


def _about_lock(turn: Turn, tap: ActionTap) -> Steps:
    lock = turn.state.lock
    if lock is None or taps.refer(lock.lock_id) != tap.about:
        return (yield from _other_lock(turn, tap))
    if tap.action == taps.CONFIRM:
        return keeping.confirm(turn, lock)
    if turn.live_lock is None:
        told = turn.voice.say(texts.LAPSED, name=turn.voice.room(lock.room.names))
        return (yield from keeping.lapsed(turn, (told,)))
    after = AfterRelease.SEARCH if tap.action == taps.CHANGE else AfterRelease.NOTHING
    return keeping.release(turn, lock, after)


def _other_lock(turn: Turn, tap: ActionTap) -> Steps:
    """The button is of a room that is not kept any more, or that is reserved by now."""
    for booked in turn.state.reservations:
        if taps.refer(booked.lock_id) == tap.about:
            told = bookings.already(turn.voice, booked)
            return turn.reply(bookings.known(turn.voice, (booked,), told))
    return (yield from _old(turn, texts.NOT_KEPT))


def _about_reservation(turn: Turn, tap: ActionTap) -> Decision:
    known = reserved.find(turn, tap.about)
    if known is None:
        return reserved.not_there(turn, tap.about)
    if tap.action == taps.KEEP:
        return reserved.keep(turn, known)
    if tap.action == taps.CANCEL_SURE:
        return reserved.cancel(turn, known)
    return reserved.ask_cancel_this(turn, known)


def _about_penalty(turn: Turn, tap: ActionTap) -> Decision:
    """A penalty that is not the one told last was not agreed to: shows what can be cancelled."""
    known = reserved.find_paying(turn, tap.about)
    if known is None:
        return reserved.not_there(turn, tap.about)
    return reserved.cancel(turn, known, known.penalty)


def _old(turn: Turn, phrase: Phrase) -> Steps:
    """Says that the button is old and goes on from where the conversation is."""
    told: Sequence[str] = (turn.voice.say(phrase),)
    lock = turn.live_lock
    if lock is not None:
        return turn.reply(bookings.summary(turn.voice, lock, told))
    return (yield from keeping.lapsed(turn, told))
