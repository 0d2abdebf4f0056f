"""From a text to its meaning."""

import re

from services.messaging.understanding import (
    guests,
    intents,
    language,
    mentions,
    rooms,
    stays,
    topics,
)
from services.messaging.understanding.meaning import Context, Meaning
from services.messaging.understanding.words import normal

_ROOMS = re.compile(
    r"\b(?P<n>\d{1,2})\s+(?:habitacion(?:es)?|cuartos?|rooms?|dobles|doubles|individuales|singles"
    r"|triples|suites|(?:double|single|twin|triple|family|individual) rooms)\b"
)
_NUMBER = re.compile(r"^\W*(?P<n>\d{1,3})\W*$")


def understand(text: str, context: Context) -> Meaning:
    """Reads any text; what it does not understand is simply not in the meaning."""
    plain = normal(text)
    found = _days(plain, context)
    several = _ROOMS.search(found.rest)
    number = _NUMBER.match(plain)
    return Meaning(
        language=language.written_in(text[:1000], plain),
        wanted_language=language.asked_for(plain),
        intents=intents.read(plain),
        topics=topics.read(plain),
        is_question="?" in plain,
        dates=stays.read(found, context),
        speaks_of_staying=intents.names_staying(plain) or _from_to(found),
        guests=guests.read(
            found.rest, asked=context.asking_guests, children_known=context.children
        ),
        rooms=max(int(several["n"]), 1) if several else 1,
        number=int(number["n"]) if number else None,
        choice=rooms.ordinal(plain),
        words=rooms.telling_words(found.rest),
    )


def _from_to(found: mentions.Found) -> bool:
    """Whether two days are named; a weekend is one time, though it has two."""
    return len(found.mentions) > 1 and not all(day.fixed for day in found.mentions)


def _days(plain: str, context: Context) -> mentions.Found:
    """The days that are named; `2 y 1` are guests, not days, when these were asked for.

    `10` is a day when that of a month was asked for.
    """
    if context.asking_guests and guests.is_bare(plain):
        return mentions.Found((), None, plain)
    number = _NUMBER.match(plain)
    if context.month is not None and number:
        return mentions.Found((mentions.Mention(number.start("n"), int(number["n"])),), None, "")
    return mentions.find(plain, context.today)
