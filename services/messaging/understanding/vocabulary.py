"""The words and fragments of patterns that dates are told with, in both languages."""

from services.messaging.understanding.words import any_of, listed

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "enero ene january jan",
            "febrero feb february",
            "marzo mar march",
            "abril abr april apr",
            "mayo may",
            "junio jun june",
            "julio jul july",
            "agosto ago august aug",
            "septiembre setiembre sept sep set september",
            "octubre oct october",
            "noviembre nov november",
            "diciembre dic december dec",
        ),
        start=1,
    )
    for name in names.split()
}
_LONG_WEEKDAYS = (
    "lunes monday",
    "martes tuesday",
    "miercoles wednesday",
    "jueves thursday",
    "viernes friday",
    "sabado saturday",
    "domingo sunday",
)
# These are other words too (a room with sun), so they count after a word of time only.
_SHORT_WEEKDAYS = (
    "mon lun",
    "tues tue",
    "wed mie",
    "thurs thur thu jue",
    "fri vie",
    "sat sab",
    "sun dom",
)
WEEKDAYS = {
    name: number
    for names_by_day in (_LONG_WEEKDAYS, _SHORT_WEEKDAYS)
    for number, names in enumerate(names_by_day)
    for name in names.split()
}

MONTH = rf"(?P<m>{any_of(*MONTHS)})\b\.?"
# Short ones are other words too (may I, el mar).
LONG_MONTH = rf"{any_of(*(name for name in MONTHS if len(name) > 4 or name == 'mayo'))}\b"
ANY_MONTH = rf"{any_of(*MONTHS)}\b"
WEEKDAY = rf"(?P<w>{any_of(*WEEKDAYS)})\b"
LONG_WEEKDAY = rf"(?P<w>{any_of(*' '.join(_LONG_WEEKDAYS).split())})\b"
TIME_WORD = (
    r"(?:on|from|to|till|until|through|next|this|coming|del?|al|el|este|proximo|y|and|-|por|for)"
)

_UNIT = any_of(
    *listed(
        """
        noche night nt adult nin child kid person pax people ppl guest huesped habitac room dia
        day semana week menor bebe hij baby babies infant amig friend eur usd mxn peso dollar € %
        hora hrs
        """
    ),
    *("of us", r"am\b", r"pm\b", r"hs?\b"),
)
# A number with a unit after it is a count, not a day.
NO_UNIT = rf"(?!\d)(?![\s-]*{_UNIT})"
# `10dic` is a day as well: no border is asked for where a month follows.
_ORDINAL = rf"(?:(?:st|nd|rd|th|ero|ro|o)\b|\b|(?={any_of(*MONTHS)}))"
DAY = rf"(?P<d>\d{{1,2}}){_ORDINAL}"
DAY2 = rf"(?P<d2>\d{{1,2}}){_ORDINAL}"
OF = r"(?:\s+(?:de|del|of)(?:\s+mes\s+de)?)?\s*"
# Any year is read, also one that nobody can book in: dropped, the next one would be offered.
_ANY_YEAR = rf"20\d\d\b|(?<=\b(?:de|of|en|in) )\d{{4,6}}\b|\d{{4,6}}\b{NO_UNIT}"
_OF_YEAR = rf",?\s*(?:(?:del?|of|en|in)\s+)?(?:(?:ano|year)\s+)?(?P<y>{_ANY_YEAR})"
YEAR = rf"(?:{_OF_YEAR})?"
MONTH_OF_YEAR = rf"\b{MONTH}{_OF_YEAR}"
TO = (
    r"\s*(?:-|\b(?:al?|hasta|to|until|till|til|through|thru|y|and)\b)"
    r"\s*(?:el\s+|the\s+)?(?:dia\s+)?"
)
COMING = r"(?:\s+(?:que viene|proximo|siguiente))?"
