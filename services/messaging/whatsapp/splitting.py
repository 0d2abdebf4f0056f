"""Long texts in pieces that WhatsApp takes: cut where a reader would pause."""

from __future__ import annotations

import re
import unicodedata

from services.messaging.replies.limits import width

# Where to cut, best first: between paragraphs, lines, sentences, words.
_PAUSES = (
    re.compile(r"\n[^\S\n]*\n\s*"),
    re.compile(r"\s*\n\s*"),
    re.compile(r"(?<=[.!?…。！？])[)\]\"'»”*_]*\s+"),
    re.compile(r"\s+"),
)
_JOINER = "\u200d"


def split(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` UTF-16 units; only white space at the cuts is lost."""
    pieces, rest = [], text.strip()
    while width(rest) > limit:
        head, rest = _first(rest, limit)
        pieces.append(head)
    return [*pieces, rest] if rest or not pieces else pieces


def _first(text: str, limit: int) -> tuple[str, str]:
    """The longest piece that ends in a good place, and what follows."""
    most = _prefix(text, limit)
    for pause in _PAUSES:
        # Not before the middle: a short piece is worse than a cut inside a paragraph.
        ends = [one for one in pause.finditer(text, most // 2, most + 1) if one.start() <= most]
        for end in reversed(ends):
            head = (text[: end.start()] + end.group().rstrip()).rstrip()
            if head and width(head) <= limit:
                return head, text[end.end() :].lstrip()
    cut = _between_signs(text, most)
    return text[:cut], text[cut:].lstrip()


def _prefix(text: str, limit: int) -> int:
    """How many signs fit."""
    room = limit
    for place, sign in enumerate(text):
        room -= width(sign)
        if room < 0:
            return place
    return len(text)


def _between_signs(text: str, most: int) -> int:
    """The last place up to `most` that is not inside an emoji or an accented letter."""
    for cut in range(most, max(most - 32, 0), -1):
        if not _sticks(text[cut]) and text[cut - 1] != _JOINER:
            return cut
    return most


def _sticks(sign: str) -> bool:
    """Whether a sign belongs to the one before it."""
    skin = "\U0001f3fb" <= sign <= "\U0001f3ff"
    return skin or sign == _JOINER or unicodedata.category(sign) in ("Mn", "Me")
