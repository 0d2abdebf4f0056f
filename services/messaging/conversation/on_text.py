"""What a guest's words lead to."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from services.messaging.conversation import about, keeping, reserved, search
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.state import (
    AfterRelease,
    Asking,
    Draft,
    Lock,
    Room,
)
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import bookings, offers, questions, texts
from services.messaging.replies.model import Text
from services.messaging.replies.voice import spoken_language
from services.messaging.understanding import rooms
from services.messaging.understanding.meaning import (
    MAX_NIGHTS,
    Context,
    DateProblem,
    Dates,
    Intent,
    Meaning,
    Topic,
)
from services.messaging.understanding.reader import understand

_MOST_WISHES = 8
_CANCELLING = (Asking.CANCELLING, Asking.PAYING)


def on_text(turn: Turn, text: str) -> Steps:
    """Reads the text and does the first thing that it can mean."""
    meaning = understand(text, context(turn))
    turn = in_language(_without_past(turn), meaning)
    if not meaning.wants(Intent.AFFIRM):
        turn = turn.talks_on
    cancelling = _answer_to_cancelling(turn, meaning)
    if cancelling is not None:
        return cancelling
    turn = turn.but(asking=_still_asking(turn), cancelling="")
    if _about_reservations(turn, meaning):
        return _reservations(turn, meaning)
    meaning = about.without_its_day(turn, meaning)
    if meaning.dates.problem is DateProblem.TOO_FAR:
        return (yield from search.too_far(_with_guests(turn, meaning)))
    if meaning.dates.problem is not None:
        return search.bad_dates(_with_guests(turn, meaning), meaning.dates.problem)
    if meaning.guests.impossible:
        return search.bad_guests(_with_dates(turn, meaning))
    draft = merged(turn, meaning)
    told = yield from about.answers(turn, meaning)
    news = _differs(draft, turn.state.draft)
    turn = turn.but(draft=draft)
    if news:
        return (yield from restart(turn, (*told, *_notes(turn, meaning))))
    if told and (meaning.is_question or not _rooms_named(turn, meaning)):
        return (yield from about.tell(turn, told, books=_books(meaning)))
    if turn.state.lock is not None:
        decision = _with_lock(turn, turn.state.lock, meaning)
        if decision is not None:
            return decision
    return (yield from _without_news(turn, meaning))


def _books(meaning: Meaning) -> bool:
    """`A room with breakfast, please` wants the room, and not only to know about breakfast."""
    return meaning.wants(Intent.BOOK) and not meaning.is_question


def _about_reservations(turn: Turn, meaning: Meaning) -> bool:
    """Whether the text speaks of what is booked already; its dates then say which, not when."""
    if meaning.wants(Intent.CANCEL_RESERVATION):
        asks = Topic.CANCELLATION in meaning.topics
        return bool(turn.coming) or (turn.live_lock is None and not asks)
    # `wifi code` is not the code of a reservation.
    return meaning.wants(Intent.SHOW_RESERVATION) and bool(turn.coming) and not meaning.topics


def _reservations(turn: Turn, meaning: Meaning) -> Decision:
    if meaning.wants(Intent.CANCEL):
        return reserved.ask_cancel(turn)
    if meaning.wants(Intent.CHANGE):
        return turn.say(texts.CANNOT_CHANGE_RESERVATION)
    return reserved.show(turn)


def restart(turn: Turn, intro: Sequence[str] = ()) -> Steps:
    """The stay has changed: a room that is kept for the old one is given back first."""
    lock = turn.live_lock
    if lock is not None:
        return keeping.release(turn, lock, AfterRelease.SEARCH)
    return (yield from search.proceed(turn.but(lock=None), intro))


def context(turn: Turn) -> Context:
    """What the words of a guest are read against."""
    draft = _without_past(turn).state.draft
    asking = turn.state.asking
    return Context(
        turn.hotel.today,
        draft.check_in,
        draft.check_out,
        draft.month,
        asking_nights=asking is Asking.NIGHTS,
        asking_guests=asking is Asking.GUESTS,
        children=draft.children if draft.adults is None else 0,
    )


def _without_past(turn: Turn) -> Turn:
    """Dates that have gone by since they were told are not meant any more."""
    draft, today = turn.state.draft, turn.hotel.today
    days = [day for day in (draft.check_in, draft.check_out) if day is not None]
    over = draft.month is not None and draft.month < today.replace(day=1)
    if over or any(day < today for day in days):
        fresh = replace(draft, check_in=None, check_out=None, nights=None, month=None)
        return turn.but(draft=fresh)
    return turn


def in_language(turn: Turn, meaning: Meaning) -> Turn:
    """The turn in the language of the text, where the hotel speaks it."""
    language = meaning.wanted_language or meaning.language
    if language and spoken_language(language, turn.hotel) == language:
        return turn.but(language=language)
    return turn


def _answer_to_cancelling(turn: Turn, meaning: Meaning) -> Decision | None:
    """Yes or no to "do you really want to cancel", only right after the question."""
    state = turn.state
    known = reserved.find(turn, state.cancelling) if state.cancelling else None
    if state.asking not in _CANCELLING or known is None:
        return None
    if meaning.wants(Intent.DENY, Intent.KEEP):
        return reserved.keep(turn, known)
    penalty = known.penalty if state.asking is Asking.PAYING else None
    if meaning.wants(Intent.AFFIRM, Intent.CANCEL_SURE) and not meaning.is_question:
        return reserved.cancel(turn, known, penalty)
    if meaning.wants(Intent.CANCEL) and not meaning.is_question:
        # The same word may have been sent twice: only a yes, or a tap, is an answer.
        return reserved.ask_again(turn, known, penalty)
    return None


def _still_asking(turn: Turn) -> Asking:
    asking = turn.state.asking
    return Asking.NOTHING if asking in _CANCELLING else asking


def merged(turn: Turn, meaning: Meaning) -> Draft:
    """The draft with what the text adds to it or changes in it."""
    draft = _with_guests(_with_dates(turn, meaning), meaning).state.draft
    if not (meaning.dates or meaning.guests or meaning.wants(Intent.BOOK)):
        return draft
    return _wishing(draft, meaning)


def _wishing(draft: Draft, meaning: Meaning) -> Draft:
    """The newest words first; what was wished before stays wished."""
    wish = tuple(dict.fromkeys((*meaning.words, *draft.wish)))
    return replace(draft, wish=wish[:_MOST_WISHES])


def _with_dates(turn: Turn, meaning: Meaning) -> Turn:
    draft = turn.state.draft
    dates = _numbered(turn, meaning)
    if not dates or dates.problem is not None:
        return turn
    if dates.month is not None:
        nights = dates.nights or draft.nights
        other = replace(draft, check_in=None, check_out=None, nights=nights, month=dates.month)
        return turn.but(draft=other)
    check_in = dates.check_in or draft.check_in
    check_out, nights = dates.check_out, dates.nights or draft.nights
    if check_in is None and check_out is not None and nights is not None:
        check_in = check_out - timedelta(days=nights)
    if check_in is not None and check_out is None and nights is not None:
        check_out = check_in + timedelta(days=min(nights, MAX_NIGHTS + 1))
    if check_out is None and draft.check_out is not None:
        later = check_in is None or draft.check_out > check_in
        check_out = draft.check_out if later else None
    nights, month = (nights, draft.month) if check_in is None else (None, None)
    return turn.but(
        draft=replace(draft, check_in=check_in, check_out=check_out, nights=nights, month=month)
    )


def _numbered(turn: Turn, meaning: Meaning) -> Dates:
    """A bare number is the nights when these were asked for."""
    bare = turn.state.asking is Asking.NIGHTS and not meaning.dates
    return Dates(nights=meaning.number) if bare and meaning.number else meaning.dates


def _with_guests(turn: Turn, meaning: Meaning) -> Turn:
    draft = turn.state.draft
    guests = meaning.guests
    if not guests or guests.impossible:
        return turn
    if guests.adults is None:
        return turn.but(draft=replace(draft, children=guests.children or 0))
    adults, rest_adults = divmod(guests.adults, meaning.rooms)
    children, rest_children = divmod(guests.children or 0, meaning.rooms)
    if rest_adults or rest_children:
        # Rooms are booked one at a time, and only the guest knows who sleeps where.
        return turn.but(draft=replace(draft, adults=None, children=0))
    return turn.but(draft=replace(draft, adults=adults, children=children))


def _differs(draft: Draft, before: Draft) -> bool:
    return replace(draft, wish=()) != replace(before, wish=())


def _notes(turn: Turn, meaning: Meaning) -> tuple[str, ...]:
    if meaning.rooms == 1:
        return ()
    known = turn.state.draft.adults is not None
    return (turn.voice.say(texts.ONE_ROOM if known else texts.HOW_MANY_IN_FIRST),)


def _with_lock(turn: Turn, lock: Lock, meaning: Meaning) -> Decision | None:
    """What may be said of a room that is kept; None when the text is about something else."""
    if turn.live_lock is None:
        return keeping.confirm(turn, lock) if meaning.wants(Intent.AFFIRM) else None
    if meaning.wants(Intent.CANCEL, Intent.DENY, Intent.RESTART) and not meaning.is_question:
        return keeping.release(turn, lock)
    other = _other_room(turn, lock, meaning)
    if other is not None:
        return keeping.acquire(turn, other)
    if meaning.wants(Intent.AFFIRM):
        return keeping.confirm(turn, lock)
    if meaning.wants(Intent.CHANGE):
        return keeping.release(turn, lock, AfterRelease.SEARCH)
    if meaning.wants(Intent.SHOW_RESERVATION, Intent.HELP, Intent.THANKS):
        return None
    named = meaning.intents or meaning.wanted_language or _rooms_named(turn, meaning)
    intro = () if named else (_confusion(turn, meaning),)
    return turn.reply(bookings.summary(turn.voice, lock, intro))


def _other_room(turn: Turn, lock: Lock, meaning: Meaning) -> Room | None:
    found = _rooms_named(turn, meaning)
    if len(found) == 1 and found[0].room_type_id != lock.room.room_type_id:
        return found[0]
    return None


def _rooms_named(turn: Turn, meaning: Meaning) -> list[Room]:
    """The rooms of the newest list that the text names, by name or by place."""
    offer = turn.state.offer
    if offer is None:
        return []
    named = rooms.named(meaning.words, [room.names for room in offer.rooms])
    if named or not _chooses(turn, meaning) or meaning.choice is None:
        return [offer.rooms[index] for index in named]
    return list(offer.rooms[meaning.choice : meaning.choice + 1]) if meaning.choice >= 0 else []


def _chooses(turn: Turn, meaning: Meaning) -> bool:
    """Whether a number can be the place of a row: not when we asked for another number."""
    asked = turn.state.asking is not Asking.NOTHING
    return not (asked or meaning.dates or meaning.guests)


def _without_news(turn: Turn, meaning: Meaning) -> Steps:
    """The text changes nothing of the stay: what else does it want?"""
    if meaning.wants(Intent.CANCEL_RESERVATION) or (meaning.wants(Intent.CANCEL) and turn.coming):
        return reserved.ask_cancel(turn)
    if meaning.wants(Intent.CANCEL, Intent.RESTART):
        return _from_scratch(turn, meaning)
    if meaning.wants(Intent.SHOW_RESERVATION):
        return reserved.show(turn)
    found = _rooms_named(turn, meaning)
    if len(found) == 1:
        return keeping.acquire(turn, found[0])
    if found and turn.state.offer is not None:
        which = replace(turn.state.offer, rooms=tuple(found), missing=())
        question = turn.voice.say(texts.WHICH_ROOM)
        return turn.reply(offers.room_list(turn.voice, which, (question,)))
    if _asks_to_search(turn, meaning):
        turn = turn.but(draft=_wishing(turn.state.draft, meaning))
        return (yield from search.proceed(turn, _notes(turn, meaning)))
    if meaning.wanted_language:
        return (yield from _language_named(turn, meaning))
    told = _small_talk(turn, meaning)
    if told is not None:
        return told
    return (yield from _lost(turn, meaning))


def _from_scratch(turn: Turn, meaning: Meaning) -> Decision:
    fresh = turn.but(draft=Draft(), offer=None, lock=None, asking=Asking.NOTHING)
    if meaning.wants(Intent.RESTART):
        return fresh.but(asking=Asking.DATES).reply(questions.ask_dates(turn.voice, ()))
    return fresh.say(texts.NOTHING_TO_CANCEL)


def _asks_to_search(turn: Turn, meaning: Meaning) -> bool:
    if meaning.dates or meaning.guests or meaning.wants(Intent.BOOK, Intent.RETRY):
        return True
    offer = turn.state.offer
    missing = [room.names for room in offer.missing] if offer else []
    return bool(rooms.named(meaning.words, missing))


def _language_named(turn: Turn, meaning: Meaning) -> Steps:
    """The guest asked for a language: goes on in it, where the hotel speaks it."""
    spoken = turn.voice.language == meaning.wanted_language
    phrase = texts.LANGUAGE_SWITCHED if spoken else texts.LANGUAGE_NOT_SPOKEN
    told = turn.voice.say(phrase)
    if turn.state.draft != Draft():
        return (yield from search.proceed(turn, (told,)))
    return turn.reply(Text(told))


def _small_talk(turn: Turn, meaning: Meaning) -> Decision | None:
    """Help, thanks and the like; None when there is nothing of the kind in the text."""
    known = bool(turn.coming)
    if meaning.wants(Intent.HELP):
        return turn.reply(questions.help_text(turn.voice, has_reservations=known))
    if meaning.wants(Intent.CHANGE, Intent.DENY):
        only_reserved = known and turn.state.draft == Draft() and meaning.wants(Intent.CHANGE)
        return turn.say(texts.CANNOT_CHANGE_RESERVATION if only_reserved else texts.ASK_CHANGE)
    if meaning.wants(Intent.THANKS):
        return turn.say(texts.THANKS)
    if meaning.wants(Intent.GREET) and turn.state.asking is Asking.NOTHING:
        fresh = turn.but(draft=Draft(), offer=None)
        return fresh.reply(questions.greeting(turn.voice, has_reservations=known))
    return None


def _lost(turn: Turn, meaning: Meaning) -> Steps:
    """Nothing was understood, or only a nod: asks again, or says what could be written."""
    nod = meaning.wants(Intent.AFFIRM, Intent.GREET)
    if turn.state.asking is not Asking.NOTHING or (nod and turn.state.draft != Draft()):
        intro = () if nod else (_confusion(turn, meaning),)
        return (yield from search.proceed(turn, intro))
    hint = texts.HINT if turn.state.offer is None else texts.HINT_WITH_OFFER
    told = turn.voice.say(hint, example=turn.voice.example())
    there = (yield from about.reception(turn)) if meaning.is_question else ""
    return turn.reply(Text(" ".join(filter(None, (_confusion(turn, meaning), there, told)))))


def _confusion(turn: Turn, meaning: Meaning) -> str:
    """A question that is not about free rooms is for the reception to answer."""
    return turn.voice.say(texts.CANNOT_TELL if meaning.is_question else texts.NOT_UNDERSTOOD)
