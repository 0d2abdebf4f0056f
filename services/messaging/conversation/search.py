"""From a draft to a list of what is free: questions, the search, the offer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from services.messaging.conversation.decision import Decision
from services.messaging.conversation.queries import (
    Availability,
    Failed,
    RoomOffer,
    SearchAvailability,
)
from services.messaging.conversation.state import Asking, Draft, Missing, Offer, Room, Stay, Tax
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import limits, offers, price_texts, prices, questions, texts
from services.messaging.replies.model import Text
from services.messaging.understanding import rooms
from services.messaging.understanding.meaning import MAX_GUESTS, MAX_NIGHTS, DateProblem

_DATE_PROBLEMS = {
    DateProblem.NO_SUCH_DAY: texts.NO_SUCH_DAY,
    DateProblem.REVERSED: texts.REVERSED,
    DateProblem.PAST: texts.PAST,
    DateProblem.TOO_LONG: texts.TOO_LONG,
    DateProblem.TOO_FAR: texts.TOO_FAR,
}
_BEYOND_ALL_SALES = timedelta(days=3660)
_FAILURES = {"CHECK_IN_PAST": DateProblem.PAST, "BEYOND_HORIZON": DateProblem.TOO_FAR}


def proceed(turn: Turn, intro: Sequence[str] = ()) -> Steps:
    """Asks for the first thing that is missing, or searches when nothing is."""
    draft = turn.state.draft
    stay = draft.stay
    if draft.check_in is not None and draft.check_in < turn.hotel.today:
        return bad_dates(turn, DateProblem.PAST, intro)
    if stay is None:
        return _ask(turn, draft, intro)
    fault = _fault(stay)
    if fault is not None:
        return bad_dates(turn, fault, intro)
    return (yield from _search(turn.but(asking=Asking.NOTHING), stay, intro))


def bad_dates(turn: Turn, problem: DateProblem, intro: Sequence[str] = ()) -> Decision:
    """Says what is wrong with the dates and forgets them."""
    voice = turn.voice
    told = voice.say(_DATE_PROBLEMS[problem], today=voice.day(turn.hotel.today), limit=MAX_NIGHTS)
    return _without_dates(turn).reply(questions.suggest_dates(voice, (*intro, told)))


def too_far(turn: Turn) -> Steps:
    """The dates lie beyond all that can be on sale: booking knows the last night that is."""
    far = turn.hotel.today + _BEYOND_ALL_SALES
    answer = yield SearchAvailability(far, far + timedelta(days=1), 1, 0)
    if isinstance(answer, Failed) and refuses_dates(answer.reason):
        return _not_searched(turn, answer, ())
    return bad_dates(turn, DateProblem.TOO_FAR)


def bad_guests(turn: Turn, intro: Sequence[str] = ()) -> Decision:
    """Says how many a room is for."""
    voice = turn.voice
    told = voice.say(texts.GUESTS_IMPOSSIBLE, limit=MAX_GUESTS)
    return turn.but(asking=Asking.GUESTS).reply(questions.ask_guests(voice, (*intro, told)))


def refused_dates(turn: Turn, reason: str, last_night: object) -> Decision:
    """The booking service does not sell these dates, and said why."""
    voice = turn.voice
    if reason == "BEYOND_HORIZON" and last_night is not None:
        told = voice.say(texts.BEYOND_HORIZON, last_night=last_night)
        return _without_dates(turn).reply(questions.suggest_dates(voice, (told,)))
    return bad_dates(turn, _FAILURES[reason])


def refuses_dates(reason: str) -> bool:
    """Whether a reason of the booking service is about the dates."""
    return reason in _FAILURES


def _without_dates(turn: Turn) -> Turn:
    draft = replace(turn.state.draft, check_in=None, check_out=None, nights=None, month=None)
    return turn.but(draft=draft, asking=Asking.DATES)


def _fault(stay: Stay) -> DateProblem | None:
    if stay.nights < 1:
        return DateProblem.REVERSED
    return DateProblem.TOO_LONG if stay.nights > MAX_NIGHTS else None


def _ask(turn: Turn, draft: Draft, intro: Sequence[str]) -> Decision:
    voice = turn.voice
    if draft.check_in is None and draft.month is not None:
        question = texts.ASK_DAYS_OF_MONTH if draft.nights is None else texts.ASK_ARRIVAL_IN_MONTH
        told = voice.say(question, month=voice.month(draft.month))
        return turn.but(asking=Asking.DATES).reply(Text("\n".join((*intro, told))))
    if draft.check_in is None:
        known = draft.check_out is not None or draft.nights is not None
        question = texts.ASK_ARRIVAL if known else texts.ASK_DATES
        return turn.but(asking=Asking.DATES).reply(questions.ask_dates(voice, intro, question))
    if draft.check_out is None:
        told = voice.say(texts.ASK_NIGHTS, check_in=voice.day(draft.check_in))
        return turn.but(asking=Asking.NIGHTS).reply(Text("\n".join((*intro, told))))
    stay = voice.stay(Stay(draft.check_in, draft.check_out, 1, 0))
    told = voice.say(texts.ASK_GUESTS, stay=stay)
    return turn.but(asking=Asking.GUESTS).reply(questions.ask_guests(voice, (*intro, told)))


def _search(turn: Turn, stay: Stay, intro: Sequence[str]) -> Steps:
    answer = yield SearchAvailability(stay.check_in, stay.check_out, stay.adults, stay.children)
    if isinstance(answer, Failed):
        return _not_searched(turn, answer, intro)
    assert isinstance(answer, Availability)
    if answer.unconfirmed:
        intro = (*intro, turn.voice.say(texts.UNCONFIRMED))
    free = _free(answer)
    if free:
        return _offer_free(turn, stay, answer, free, intro)
    if answer.alternatives:
        return _offer_other_stays(turn, stay, answer, intro)
    return _nothing(turn, stay, answer, intro)


def _free(answer: Availability) -> list[RoomOffer]:
    """What can be had, every type once."""
    free = {
        room.room_type_id: room
        for room in reversed(answer.room_types)
        if not room.reason and room.free_count > 0
    }
    return list(reversed(free.values()))


def _not_searched(turn: Turn, failed: Failed, intro: Sequence[str]) -> Decision:
    voice = turn.voice
    if refuses_dates(failed.reason):
        last_night = voice.day(failed.last_night) if failed.last_night else None
        return refused_dates(turn, failed.reason, last_night)
    if failed.reason == "PROPERTY_UNKNOWN":
        return turn.say(texts.NO_ROOMS)
    told = (*intro, voice.say(texts.CANNOT_CHECK))
    return turn.reply(questions.retry(voice, told))


def _offer_free(
    turn: Turn, stay: Stay, answer: Availability, free: list[RoomOffer], intro: Sequence[str]
) -> Decision:
    wished = rooms.named(turn.state.draft.wish, [room.names for room in free])
    ordered = [free[index] for index in wished]
    ordered += [room for index, room in enumerate(free) if index not in wished]
    offered = tuple(
        Room(
            room.room_type_id,
            clean(room.names),
            stay,
            room.total,
            room.free_count,
            clean_taxes(room.taxes),
        )
        for room in ordered
    )
    offer = Offer(turn.state.offer_count + 1, offered, _missing(answer))
    voice = turn.voice
    head = voice.say(
        texts.OFFER, stay=voice.stay(stay), guests=voice.guests(stay.adults, stay.children)
    )
    return show(turn, offer, (*intro, *_wish_not_met(turn, stay, offer), head))


def _offer_other_stays(
    turn: Turn, stay: Stay, answer: Availability, intro: Sequence[str]
) -> Decision:
    names = {room.room_type_id: room.names for room in answer.room_types}
    offered = tuple(
        Room(
            other.room_type_id,
            clean(names.get(other.room_type_id, {})),
            Stay(other.check_in, other.check_out, stay.adults, stay.children),
            other.total,
        )
        for other in dict.fromkeys(answer.alternatives)
    )
    offer = Offer(turn.state.offer_count + 1, offered, _missing(answer), elsewhen=True)
    voice = turn.voice
    none = _none_free(turn, stay, answer)
    return show(turn, offer, (*intro, none, voice.say(texts.OTHER_STAYS)))


def show(turn: Turn, offer: Offer, intro: Sequence[str], start: int = 0) -> Decision:
    """Ends the step with a list, which is now the newest."""
    shown = turn.but(offer=offer, offer_count=max(offer.number, turn.state.offer_count))
    return shown.reply(offers.room_list(turn.voice, offer, intro, start))


def _nothing(turn: Turn, stay: Stay, answer: Availability, intro: Sequence[str]) -> Decision:
    voice = turn.voice
    reasons = {room.reason for room in answer.room_types}
    if not answer.room_types:
        return turn.say(texts.NO_ROOMS)
    if reasons == {"TOO_MANY_GUESTS"}:
        most = voice.people(max(room.max_guests for room in answer.room_types))
        guests = voice.guests(stay.adults, stay.children)
        told = voice.say(texts.ALL_TOO_SMALL, guests=guests, most=most)
        return turn.but(asking=Asking.GUESTS, offer=None).reply(
            questions.ask_guests(voice, (*intro, told))
        )
    none = _none_free(turn, stay, answer)
    asking = turn.but(asking=Asking.DATES, offer=None)
    lines = [f"{none} {voice.say(texts.TRY_OTHER_DATES)}"]
    if reasons & prices.NOT_SOLD:
        why = prices.why_not(voice, _missing(answer))
        lines = [none, *why, voice.say(texts.TRY_OTHER_DATES)]
    return asking.reply(questions.suggest_dates(voice, (*intro, *lines)))


def _none_free(turn: Turn, stay: Stay, answer: Availability) -> str:
    """That nothing can be had; that others have it only when that is why."""
    voice = turn.voice
    ruled_out = any(room.reason in prices.NOT_SOLD for room in answer.room_types)
    phrase = price_texts.NOTHING_FITS if ruled_out else texts.NONE_FREE
    guests = voice.guests(stay.adults, stay.children)
    return voice.say(phrase, stay=voice.stay(stay), guests=guests)


def _missing(answer: Availability) -> tuple[Missing, ...]:
    return tuple(
        Missing(clean(room.names), room.reason or "SOLD_OUT", room.detail)
        for room in answer.room_types
        if room.reason or room.free_count <= 0
    )


def _wish_not_met(turn: Turn, stay: Stay, offer: Offer) -> list[str]:
    """The truth about the rooms that the guest named and that cannot be had."""
    voice = turn.voice
    every = [room.names for room in offer.rooms] + [room.names for room in offer.missing]
    best = rooms.named(turn.state.draft.wish, every)
    missed = [offer.missing[i - len(offer.rooms)] for i in best if i >= len(offer.rooms)]
    guests = voice.guests(stay.adults, stay.children)
    phrases = dict.fromkeys(prices.NOT_SOLD, price_texts.WISH_NOT_SOLD)
    phrases["TOO_MANY_GUESTS"] = texts.WISH_TOO_SMALL
    return [
        voice.say(
            phrases.get(room.reason, texts.WISH_SOLD_OUT),
            name=voice.room(room.names),
            guests=guests,
        )
        for room in missed
    ]


def clean_taxes(taxes: Sequence[Tax]) -> tuple[Tax, ...]:
    """Taxes as they can be kept and shown."""
    return tuple(replace(tax, names=clean(tax.names)) for tax in taxes)


def clean(names: Mapping[str, str]) -> dict[str, str]:
    """Names as they can be kept and shown."""
    return {
        limits.line(code): limits.fit(limits.line(name), limits.NAME)
        for code, name in names.items()
    }
