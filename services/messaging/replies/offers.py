"""The list of what can be had."""

from collections.abc import Sequence

from services.messaging.conversation import taps
from services.messaging.conversation.state import Offer, Room
from services.messaging.replies import limits, prices, texts
from services.messaging.replies.model import ListMenu, Row
from services.messaging.replies.voice import Voice


def room_list(voice: Voice, offer: Offer, intro: Sequence[str], start: int = 0) -> ListMenu:
    """The rooms of an offer from `start` on; a last row leads to those that do not fit."""
    left = offer.rooms[start:]
    shown = left if len(left) <= limits.MAX_ROWS else left[: limits.MAX_ROWS - 1]
    rows = [_row(voice, offer, room) for room in shown]
    if len(shown) < len(left):
        rows.append(_more(voice, offer, start + len(shown)))
    lines = [_line(voice, offer, room) for room in shown]
    ending = [
        *prices.total_includes(voice, shown),
        *prices.why_not(voice, offer.missing),
        voice.say(texts.OFFER_CHOOSE),
    ]
    body = "\n\n".join(("\n".join(intro), "\n".join(lines), "\n".join(ending)))
    return ListMenu(body, voice.say(texts.OFFER_BUTTON), tuple(rows))


def _row(voice: Voice, offer: Offer, room: Room) -> Row:
    total = voice.money(room.total)
    if offer.elsewhen:
        days = (voice.short_day(room.stay.check_in), voice.short_day(room.stay.check_out))
        description = voice.say(
            texts.ROW_OTHER_STAY, check_in=days[0], check_out=days[1], total=total
        )
    else:
        nights = voice.nights(room.stay.nights)
        left = _left(voice, room.free_count)
        description = voice.say(texts.ROW_ROOM, total=total, nights=nights, left=left)
    return Row(taps.room(offer, room), voice.room(room.names), description)


def _left(voice: Voice, free_count: int) -> str:
    if free_count == 1:
        return voice.say(texts.ROW_LAST)
    return voice.say(texts.ROW_LEFT, count=free_count) if free_count else ""


def _more(voice: Voice, offer: Offer, start: int) -> Row:
    note = voice.say(texts.MORE_ROOMS_NOTE)
    return Row(taps.more(offer, start), voice.say(texts.MORE_ROOMS), note)


def _line(voice: Voice, offer: Offer, room: Room) -> str:
    name, total = voice.room(room.names), voice.money(room.total)
    if offer.elsewhen:
        return voice.say(texts.OFFER_OTHER_STAY, name=name, stay=voice.stay(room.stay), total=total)
    return voice.say(texts.OFFER_ROOM, name=name, total=total)
