"""From the days that were named to a stay: years, months and order that were left open."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from services.messaging.understanding.meaning import MAX_NIGHTS, Context, DateProblem, Dates
from services.messaging.understanding.mentions import Found, Mention

# "From 12 to 10 December" would be a stay of 363 nights: the guest has mixed the days up.
_TURNED_ROUND = 180
_BARE_DAYS_TURNED_ROUND = 14
_YEARS_AHEAD = 3
# A stay that begins in one of these can be counted with: no night is outside the calendar.
_COUNTABLE_YEARS = range(2, 9991)


class _NoStayError(Exception):
    def __init__(self, problem: DateProblem) -> None:
        self.problem = problem


def read(found: Found, context: Context) -> Dates:
    """The stay that was named, or what is wrong with it."""
    try:
        return _checked(_dates(found, context), context)
    except _NoStayError as fault:
        return Dates(problem=fault.problem)


def _dates(found: Found, context: Context) -> Dates:
    mentions = found.mentions
    if found.month is not None:
        context = replace(context, month=_bookable(found.month, context.today))
        # A weekday of a month that may be far is not the next one.
        mentions = tuple(mention for mention in mentions if mention.day)
        if not mentions:
            return _month_alone(found.nights, context)
    mentions = tuple(_of_year(mention, context.month) for mention in mentions)
    if not mentions:
        return _from_nights(found.nights, context)
    if len(mentions) == 1:
        return _single(mentions[0], found.nights, context)
    arrival, departure = mentions[0], mentions[1]
    check_in = _check_in(arrival, context, departure)
    return Dates(check_in, _check_out(departure, check_in, arrival))


def _bookable(mention: Mention, today: date) -> date:
    """The first day of a month, of which there have to be days that can be asked for."""
    first = _day(mention.year or today.year, mention.month or 1, 1)
    if (first.year, first.month) < (today.year, today.month):
        raise _NoStayError(DateProblem.PAST)
    if first.year > today.year + _YEARS_AHEAD:
        raise _NoStayError(DateProblem.TOO_FAR)
    return first


def _of_year(mention: Mention, month: date | None) -> Mention:
    """`10 January`, beside or after `January 2028`, is of that year."""
    if month is None or mention.year is not None or mention.month != month.month:
        return mention
    return replace(mention, year=month.year)


def _month_alone(nights: int | None, context: Context) -> Dates:
    """A month without a day; that of the arrival that is known says nothing new."""
    month, known = context.month, context.check_in
    if month is None or (known is not None and known.replace(day=1) == month):
        return _from_nights(nights, context)
    if nights is not None:
        _later(month, nights)
    return Dates(nights=nights, month=month)


def _from_nights(nights: int | None, context: Context) -> Dates:
    """A length alone changes the departure, when the arrival is known."""
    if nights is None:
        return Dates()
    check_out = _later(context.check_in or context.today, nights)
    return Dates(check_out=check_out if context.check_in else None, nights=nights)


def _single(mention: Mention, nights: int | None, context: Context) -> Dates:
    known = context.check_in
    if known is not None and (mention.leaving or context.asking_nights):
        return Dates(check_out=_check_out(mention, known))
    if mention.leaving and nights is None:
        return Dates(check_out=_check_in(mention, context))
    if mention.leaving and nights is not None:
        check_out = _check_in(mention, context)
        return Dates(_later(check_out, -nights), check_out)
    check_in = _check_in(mention, context)
    if nights is not None:
        return Dates(check_in, _later(check_in, nights))
    if known is not None and context.check_out is not None:
        return Dates(check_in, check_in + (context.check_out - known))
    return Dates(check_in)


def _check_in(mention: Mention, context: Context, departure: Mention | None = None) -> date:
    if mention.fixed is not None:
        return mention.fixed
    if mention.weekday is not None:
        return _next_weekday(context.today, mention.weekday, mention.includes_today)
    if mention.month is None:
        return _day_without_month(mention.day, context)
    if mention.year is None and departure and departure.year and departure.month:
        end = _day(departure.year, departure.month, departure.day)
        same_year = _day(end.year, mention.month, mention.day)
        return same_year if same_year <= end else _day(end.year - 1, mention.month, mention.day)
    return _first_from(context.today, mention)


def _check_out(mention: Mention, check_in: date, arrival: Mention | None = None) -> date:
    if mention.fixed is not None:
        return mention.fixed
    if mention.weekday is not None:
        return _next_weekday(check_in, mention.weekday, includes_today=False)
    if mention.month is None:
        return _next_day_number(mention.day, check_in, bare=arrival is not None)
    if mention.year is not None:
        return _day(mention.year, mention.month, mention.day)
    check_out = _first_from(check_in, mention)
    if check_out == check_in or (check_out - check_in).days > _TURNED_ROUND:
        raise _NoStayError(DateProblem.REVERSED)
    return check_out


def _first_from(earliest: date, mention: Mention) -> date:
    """The first such day that is not before `earliest`; with a year, that one."""
    month, day = mention.month or 1, mention.day
    if mention.year is not None:
        return _day(mention.year, month, day)
    this_year = _day_or_none(earliest.year, month, day)
    if this_year is not None and this_year >= earliest:
        return this_year
    return _day(earliest.year + 1, month, day)


def _day_without_month(number: int, context: Context) -> date:
    """`the 11th`: of the month that we are talking about, else the next one there is."""
    if context.month is not None:
        return _day(context.month.year, context.month.month, number)
    if context.check_in is not None:
        same = _day_or_none(context.check_in.year, context.check_in.month, number)
        if same is not None and same >= context.today:
            return same
    return _next_number(number, context.today)


def _next_day_number(number: int, check_in: date, *, bare: bool) -> date:
    check_out = _next_number(number, check_in)
    turned_round = bare and check_out.month != check_in.month
    if check_out == check_in or (
        turned_round and (check_out - check_in).days > _BARE_DAYS_TURNED_ROUND
    ):
        raise _NoStayError(DateProblem.REVERSED)
    return check_out


def _next_number(number: int, earliest: date) -> date:
    if not 1 <= number <= 31:
        raise _NoStayError(DateProblem.NO_SUCH_DAY)
    return next(day for day in _days_from(earliest) if day.day == number)


def _days_from(first: date) -> Iterator[date]:
    for days in range(100):
        yield first + timedelta(days=days)


def _next_weekday(after: date, weekday: int, includes_today: bool) -> date:
    ahead = (weekday - after.weekday()) % 7
    return after + timedelta(days=ahead or (0 if includes_today else 7))


def _day(year: int, month: int, day: int) -> date:
    if year not in _COUNTABLE_YEARS:
        raise _NoStayError(DateProblem.TOO_FAR if year > 2 else DateProblem.PAST)
    found = _day_or_none(year, month, day)
    if found is None:
        raise _NoStayError(DateProblem.NO_SUCH_DAY)
    return found


def _day_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _later(day: date, nights: int) -> date:
    if nights == 0:
        raise _NoStayError(DateProblem.REVERSED)
    if abs(nights) > MAX_NIGHTS:
        raise _NoStayError(DateProblem.TOO_LONG)
    return day + timedelta(days=nights)


def _checked(dates: Dates, context: Context) -> Dates:
    named = [day for day in (dates.check_in, dates.check_out) if day is not None]
    if any(day < context.today for day in named):
        raise _NoStayError(DateProblem.PAST)
    if any(day.year > context.today.year + _YEARS_AHEAD for day in named):
        raise _NoStayError(DateProblem.TOO_FAR)
    check_in = dates.check_in or context.check_in
    if check_in is not None and dates.check_out is not None:
        _check_length((dates.check_out - check_in).days)
    return dates


def _check_length(nights: int) -> None:
    if nights <= 0:
        raise _NoStayError(DateProblem.REVERSED)
    if nights > MAX_NIGHTS:
        raise _NoStayError(DateProblem.TOO_LONG)
