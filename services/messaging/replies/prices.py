"""Taxes and fees as a guest is told them, and why a room is not sold."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from services.messaging.conversation.state import Missing, Room
from services.messaging.replies import limits
from services.messaging.replies import price_texts as texts
from services.messaging.replies.phrase import Phrase
from services.messaging.replies.voice import Voice

# The names of what cannot be had, and of taxes, get this much of a message each.
_NAMES, _TAXES = 600, 160
_MOST_TAXES = 4
_NIGHTS = {"MINIMUM_STAY": texts.TOO_SHORT, "MAXIMUM_STAY": texts.TOO_LONG}
_PHRASES = {
    "SOLD_OUT": texts.NOT_FREE,
    "TOO_MANY_GUESTS": texts.TOO_SMALL,
    "CLOSED": texts.NOT_ON_SALE,
    "BEYOND_HORIZON": texts.NOT_ON_SALE,
    "CLOSED_TO_ARRIVAL": texts.NO_ARRIVALS,
    "CLOSED_TO_DEPARTURE": texts.NO_DEPARTURES,
}
NOT_SOLD = frozenset(_PHRASES.keys() | _NIGHTS.keys() | {"ADVANCE_NOTICE"}) - {
    "SOLD_OUT",
    "TOO_MANY_GUESTS",
}
"""The hotel's own rules; neither others nor the size of the party are in the way."""


def why_not(voice: Voice, missing: Iterable[Missing]) -> list[str]:
    """A line for each reason why room types cannot be had, with their names."""
    kinds = sorted(missing, key=_kind)
    told = []
    room = _NAMES
    for _, of_one in groupby(kinds, key=_kind):
        rooms = list(of_one)
        names = limits.fit(", ".join(voice.room(one.names) for one in rooms), max(room, 1))
        room -= limits.width(names)
        told.append(_said(voice, rooms[0], names))
    return told


def _kind(room: Missing) -> tuple[str, int]:
    return room.reason, room.detail


def _said(voice: Voice, room: Missing, names: str) -> str:
    if room.reason in _NIGHTS:
        return voice.say(_NIGHTS[room.reason], nights=voice.nights(room.detail), names=names)
    if room.reason == "ADVANCE_NOTICE":
        count: Phrase = texts.DAY if room.detail == 1 else texts.DAYS
        days = voice.say(count, count=room.detail)
        return voice.say(texts.TOO_SOON, days=days, names=names)
    return voice.say(_PHRASES.get(room.reason, texts.NOT_FREE), names=names)


def total_includes(voice: Voice, rooms: Sequence[Room]) -> list[str]:
    """What is in the totals of a list beside the nights; nothing when nothing is."""
    names = dict.fromkeys(voice.room(tax.names) for room in rooms for tax in room.taxes)
    if not names:
        return []
    return [voice.say(texts.TOTAL_INCLUDES, names=limits.fit(", ".join(names), _TAXES))]


def tax_lines(voice: Voice, room: Room) -> list[str]:
    """Each tax and fee of a room and what it comes to."""
    return [
        voice.say(
            texts.TAX_INCLUDED if tax.included else texts.TAX_ADDED,
            name=limits.fit(voice.room(tax.names), _TAXES // 4),
            amount=voice.money(tax.amount),
        )
        for tax in room.taxes[:_MOST_TAXES]
    ]
