"""Where a text names days, nights and weekdays.

Every pattern that matches is masked in the text, so that no digit is read
twice and what is left can be read for guests. The order of the patterns is
their priority.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from services.messaging.understanding.vocabulary import (
    ANY_MONTH,
    COMING,
    DAY,
    DAY2,
    LONG_WEEKDAY,
    MONTH,
    MONTH_OF_YEAR,
    MONTHS,
    NO_UNIT,
    OF,
    TIME_WORD,
    TO,
    WEEKDAY,
    WEEKDAYS,
    YEAR,
)
from services.messaging.understanding.words import MASK, OTHER_MASK


@dataclass(frozen=True)
class Mention:
    """One day as it was named; what was not said is None.

    Either `fixed`, or `weekday`, or `day` with what was said of month and year. A
    month of a year without its day is `whole_month`.
    """

    start: int
    day: int = 0
    month: int | None = None
    year: int | None = None
    weekday: int | None = None
    includes_today: bool = False
    fixed: date | None = None
    leaving: bool = False
    whole_month: bool = False


@dataclass(frozen=True)
class Found:
    """The days in the order they were named, the nights, and the text without them.

    `month` is the first month of a year that was named without a day.
    """

    mentions: tuple[Mention, ...]
    nights: int | None
    rest: str
    month: Mention | None = None


_Match = re.Match[str]
_Read = Callable[[_Match, date], Iterator[Mention]]


def find(plain: str, today: date) -> Found:
    """Reads a normal text."""
    rest, nights = _take_nights(_NOISE.sub(lambda found: OTHER_MASK * len(found[0]), plain))
    mentions: list[Mention] = []
    for pattern, read in _PATTERNS:
        for found in pattern.finditer(rest):
            mentions.extend(read(found, today))
        rest = _mask(pattern, rest)
    if nights is None and len(mentions) == 1 and _TONIGHT.search(plain):
        nights = 1
    ordered = sorted(mentions, key=lambda mention: mention.start)
    months = [mention for mention in ordered if mention.whole_month]
    days = tuple(_with_role(one, plain) for one in ordered if not one.whole_month)
    return Found(days, nights, rest, months[0] if months else None)


def _mask(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: MASK * len(found[0]), text)


def _take_nights(text: str) -> tuple[str, int | None]:
    """The nights said; `in 2 weeks` is a day, not a length, and is left alone."""
    kept = [found.span() for found in _IN_SOME_TIME.finditer(text)]
    for pattern in _NIGHTS:
        for found in pattern.finditer(text):
            if not any(start <= found.start() < end for start, end in kept):
                rest = text[: found.start()] + OTHER_MASK * len(found[0]) + text[found.end() :]
                return rest, _days(found)
    return text, None


def _days(found: _Match) -> int:
    """`3 days`, `2 weeks`, `una noche` as a number."""
    count = int(found["n"]) if found["n"].isdecimal() else 1
    return count * (7 if found["unit"][0] in "sw" else 1)


def _with_role(mention: Mention, plain: str) -> Mention:
    """A few words before the day tell whether it is the departure."""
    before = plain[max(0, mention.start - 40) : mention.start]
    return replace(mention, leaving=bool(_LEAVING.search(before)))


def _iso(found: _Match, _today: date) -> Iterator[Mention]:
    day, month, year = int(found["d"]), int(found["n"]), int(found["y"])
    yield Mention(found.start(), day=day, month=month, year=year)


def _numeric(found: _Match, _today: date) -> Iterator[Mention]:
    """`10/12`: the day first, as the hotels' guests write, unless it cannot be."""
    day, month = int(found["d"]), int(found["n"])
    if month > 12 >= day:
        day, month = month, day
    year = int(found["y"]) if found["y"] else None
    if year is not None and year < 100:
        year += 2000
    yield Mention(found.start(), day=day, month=month, year=year)


def _dashed(found: _Match, _today: date) -> Iterator[Mention]:
    yield Mention(found.start("d"), day=int(found["d"]), month=int(found["n"]))
    yield Mention(found.start("d2"), day=int(found["d2"]), month=int(found["n2"]))


def _days_of_number(found: _Match, _today: date) -> Iterator[Mention]:
    for name in ("d", "d2"):
        yield Mention(found.start(name), day=int(found[name]), month=int(found["n"]))


def _days_of_month(found: _Match, _today: date) -> Iterator[Mention]:
    yield _named(found, "d")
    yield _named(found, "d2")


def _day_of_month(found: _Match, _today: date) -> Iterator[Mention]:
    yield _named(found, "d")


def _named(found: _Match, name: str) -> Mention:
    year = int(found["y"]) if found["y"] else None
    return Mention(found.start(name), day=int(found[name]), month=MONTHS[found["m"]], year=year)


def _month_of_year(found: _Match, _today: date) -> Iterator[Mention]:
    month, year = MONTHS[found["m"]], int(found["y"])
    yield Mention(found.start(), month=month, year=year, whole_month=True)


def _in_some_time(found: _Match, today: date) -> Iterator[Mention]:
    yield Mention(found.start(), fixed=today + timedelta(days=_days(found)))


def _after(days: int) -> _Read:
    def read(found: _Match, today: date) -> Iterator[Mention]:
        yield Mention(found.start(), fixed=today + timedelta(days=days))

    return read


def _weekend(found: _Match, today: date) -> Iterator[Mention]:
    """Friday to Sunday; `next` begins after today, `this` may have begun."""
    begun = today.weekday() in (4, 5) and not _NEXT.search(found[0])
    first = today if begun else today + timedelta(days=(4 - today.weekday()) % 7 or 7)
    yield Mention(found.start(), fixed=first)
    yield Mention(found.start() + 1, fixed=first + timedelta(days=6 - first.weekday()))


def _nothing(_found: _Match, _today: date) -> Iterator[Mention]:
    return iter(())


def _bare_days(found: _Match, _today: date) -> Iterator[Mention]:
    yield Mention(found.start("d"), day=int(found["d"]))
    yield Mention(found.start("d2"), day=int(found["d2"]))


def _bare_day(found: _Match, _today: date) -> Iterator[Mention]:
    yield Mention(found.start("d"), day=int(found["d"]))


def _weekday(found: _Match, _today: date) -> Iterator[Mention]:
    includes_today = bool(_THIS.search(found[0]))
    number = WEEKDAYS[found["w"]]
    yield Mention(found.start("w"), weekday=number, includes_today=includes_today)


_AND = r"\s*(?:,|&|\by\b|\band\b)\s*(?:de\s+)?"
_AGES = (
    rf"\bde\s+\d{{1,2}}(?:{_AND}\d{{1,2}})*\s*(?:anos?|meses)\b"
    r"|\bage[sd]?\s+\d{1,2}(?:\s*(?:and|y|&)\s*\d{1,2})*\b"
    r"|\b\d{1,2}[\s-]*(?:anos?|years?|yrs?|meses|months?)\b"
)
# Ages, times of day, prices, long digit strings and "in the morning" are no days.
_NOISE = re.compile(
    _AGES + "|"
    r"\b\d{1,2}:\d{2}(?:\s*(?:am|pm|hs?|hrs)\b)?|\b\d{1,2}\s*(?:am|pm|hs|hrs?|horas?)\b"
    r"|\ba las? \d{1,2}\b|[€$]\s*\d+(?:[.,]\d+)*"
    r"|\b\d+(?:[.,]\d+)*\s*(?:€|\$|(?:euros?|eur|usd|mxn|pesos|dolares|dollars)\b)"
    rf"|(?<!\d)\+?\d{{7,}}{NO_UNIT}"
    r"|\b(?:por|en|de) la manana\b"
)
_TONIGHT = re.compile(r"\b(?:esta noche|tonight|noche del|night of)\b")
_NEXT = re.compile(r"\b(?:next|proximo|que viene|siguiente)\b")
_THIS = re.compile(r"\b(?:this|este)\b")
_NIGHTS = (
    re.compile(r"\b(?P<n>\d+|una?|an?)[\s-]*(?P<unit>noches?|nights?|nts?|semanas?|weeks?)\b"),
    re.compile(r"\b(?:por|for|durante)\s+(?P<n>\d+|una?|an?)\s+(?P<unit>dias?|days?)\b"),
)
_IN_SOME_TIME = re.compile(
    r"\b(?:en|dentro de|in)\s+(?P<n>\d{1,2}|una?|an?)\s+(?P<unit>dias?|days?|semanas?|weeks?)\b"
)
_LEAVING = re.compile(
    r"(?:\b(?:hasta|until|till|til|salida|salimos|salgo|check ?-?out|leaving|leave|depart\w*"
    r"|nos vamos|me voy|al|to|through|thru)\b|-)"
    r"[\W_]*(?:\b(?:el|es|is|on|the|dia|de|sera)\b\W*){0,3}$"
)
_MASK = re.escape(MASK)
_PATTERNS: tuple[tuple[re.Pattern[str], _Read], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (r"(?<!\d)(?P<y>\d{4})[-/.](?P<n>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)", _iso),
        (
            r"(?<![\d/.-])(?P<d>\d{1,2})-(?P<n>\d{1,2})\s*(?:al?|to|hasta|until)\s*(?:el\s+)?"
            r"(?P<d2>\d{1,2})-(?P<n2>\d{1,2})(?![\d-])",
            _dashed,
        ),
        (
            rf"(?<![\d/.-])(?P<d>\d{{1,2}}){TO}(?P<d2>\d{{1,2}})/(?P<n>\d{{1,2}})(?![\d/])",
            _days_of_number,
        ),
        (
            r"(?<![\d/.-])(?P<d>\d{1,2})(?P<s>[/.-])(?P<n>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})(?!\d)",
            _numeric,
        ),
        (r"(?<![\d/.])(?P<d>\d{1,2})[/.](?P<n>\d{1,2})(?P<y>)(?![\d/])", _numeric),
        (rf"(?<!\d){DAY}{TO}{DAY2}{OF}{MONTH}{YEAR}", _days_of_month),
        (
            rf"\b{MONTH},?\s*(?:del\s+|from\s+)?(?:the\s+)?"
            rf"{DAY}{TO}{DAY2}{NO_UNIT}(?!{OF}{ANY_MONTH}){YEAR}",
            _days_of_month,
        ),
        (rf"(?<!\d){DAY}{OF}{MONTH}{YEAR}", _day_of_month),
        (rf"\b{MONTH}\s*(?:the\s+)?{DAY}{NO_UNIT}{YEAR}", _day_of_month),
        (MONTH_OF_YEAR, _month_of_year),
        (_IN_SOME_TIME.pattern, _in_some_time),
        (r"\bpasado manana\b|\b(?:the )?day after tomorrow\b", _after(2)),
        (r"\b(?:manana|tomorrow|tomorow|tmrw)\b", _after(1)),
        (r"\b(?:hoy|today|tonight|esta (?:misma )?noche)\b", _after(0)),
        (r"\b(?:ayer|yesterday|anoche)\b", _after(-1)),
        (
            r"\b(?:(?:this|next|proximo|coming)\s+)?(?:fin de semana|finde|weekend)\b" + COMING,
            _weekend,
        ),
        # A weekday beside a date, or in brackets, only says it again.
        (rf"\b{WEEKDAY},?\s*(?:(?:el|the|dia)\s+){{0,2}}(?={_MASK})", _nothing),
        (rf"\(\s*{WEEKDAY}\s*\)", _nothing),
        (rf"\b{WEEKDAY},?\s*(?:dia\s+|the\s+)?{DAY}{NO_UNIT}", _bare_day),
        (rf"\b(?:(?:this|next|este|proximo|coming)\s+)?{LONG_WEEKDAY}{COMING}", _weekday),
        (rf"\b{TIME_WORD}\s*{WEEKDAY}", _weekday),
        (rf"\b{WEEKDAY}(?=\s*{_MASK})", _weekday),
        (rf"(?<![\d/]){DAY}{TO}{DAY2}{NO_UNIT}", _bare_days),
        (
            rf"(?:\b(?:el|dia|the|on|al|hasta|until|till)\s+|(?<={_MASK})\s*-\s*"
            rf"|(?<={_MASK})\s+(?:a|to)\s+){DAY}{NO_UNIT}",
            _bare_day,
        ),
        (r"(?<!\d)(?P<d>\d{1,2})(?:st|nd|rd|th)\b", _bare_day),
    )
)
