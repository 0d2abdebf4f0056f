"""Speaking to one guest: the language of the chat and the words for what the hotel sells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from meshkit.money import Money
from services.messaging.conversation.hotel import Hotel
from services.messaging.conversation.state import Stay
from services.messaging.replies import amounts, days, limits, texts
from services.messaging.replies.phrase import Phrase

SPOKEN = ("es", "en")


def spoken_language(chosen: str, hotel: Hotel) -> str:
    """The guest's language when the hotel answers in it, else the first that we both speak."""
    offered = [_base(code) for code in (hotel.default_language, *hotel.languages)]
    for language in (chosen, *offered):
        if language in SPOKEN and language in offered:
            return language
    return "en"


def _base(code: str) -> str:
    return code.split("-")[0].lower()


@dataclass(frozen=True)
class Voice:
    """Says phrases in one language, `es` or `en`, for one hotel."""

    language: str
    hotel: Hotel

    def say(self, phrase: Phrase, **values: object) -> str:
        """The phrase in the language of the chat."""
        return phrase.told(self.language, **values)

    @property
    def speaks_both(self) -> bool:
        """Whether the hotel answers in every language that we have texts in."""
        return all(spoken_language(language, self.hotel) == language for language in SPOKEN)

    @property
    def hotel_name(self) -> str:
        """The hotel's name, fit to stand in a sentence."""
        return limits.fit(limits.line(self.hotel.display_name), limits.NAME)

    def room(self, names: Mapping[str, str]) -> str:
        """A room type's name in the language of the chat, else in any that it has."""
        wanted = (self.language, _base(self.hotel.default_language))
        ordered = sorted(names, key=lambda code: (_rank(_base(code), wanted), code))
        cleaned = (limits.line(names[code]) for code in ordered)
        name = next((name for name in cleaned if limits.shows(name)), "")
        return limits.fit(name, limits.NAME) or self.say(texts.NAMELESS_ROOM)

    def money(self, value: Money) -> str:
        """An amount with its currency."""
        return amounts.money(value, self.language)

    def day(self, value: date) -> str:
        """A date with its weekday."""
        return days.day(value, self.language, self.hotel.today)

    def month(self, value: date) -> str:
        """The month of a date, and its year."""
        return days.month(value, self.language)

    def short_day(self, value: date) -> str:
        """A date where there is little room."""
        return days.short_day(value, self.language)

    def stay(self, stay: Stay) -> str:
        """Arrival, departure and the number of nights."""
        check_in, check_out = self.day(stay.check_in), self.day(stay.check_out)
        return self.say(
            texts.STAY, check_in=check_in, check_out=check_out, nights=self.nights(stay.nights)
        )

    def nights(self, count: int) -> str:
        """`2 nights`."""
        return self._counted(count, texts.NIGHT, texts.NIGHTS)

    def people(self, count: int) -> str:
        """`4 people`."""
        return self._counted(count, texts.PERSON, texts.PERSONS)

    def guests(self, adults: int, children: int) -> str:
        """`2 adults and 1 child`."""
        told = self._counted(adults, texts.ADULT, texts.ADULTS)
        if not children:
            return told
        young = self._counted(children, texts.CHILD, texts.CHILDREN)
        return self.say(texts.ADULTS_AND_CHILDREN, adults=told, children=young)

    def clock(self, value: time) -> str:
        """A time of the day."""
        return days.clock_time(datetime.combine(self.hotel.today, value), self.language)

    def until(self, moment: datetime) -> str:
        """When something ends, by the clocks of the hotel."""
        local = self.hotel.local(moment)
        time = days.clock_time(local, self.language)
        if local.date() == self.hotel.today:
            return self.say(texts.HOTEL_TIME, time=time)
        return self.say(texts.HOTEL_TIME_OTHER_DAY, time=time, day=self.day(local.date()))

    def per_night(self, nightly: Sequence[Money]) -> str:
        """The price of a night, or between which prices the nights are; empty for one night."""
        prices = sorted(nightly, key=lambda price: price.amount)
        if len(prices) < 2:
            return ""
        if prices[0] == prices[-1]:
            return self.say(texts.PER_NIGHT, price=self.money(prices[0]))
        least, most = self.money(prices[0]), self.money(prices[-1])
        return self.say(texts.PER_NIGHT_BETWEEN, least=least, most=most)

    def example(self) -> str:
        """A stay that a guest could ask for, always ahead of today."""
        today = self.hotel.today
        friday = today + timedelta(days=(4 - today.weekday()) % 7 + 7)
        check_in, check_out = self.short_day(friday), self.short_day(friday + timedelta(days=2))
        return self.say(texts.EXAMPLE, check_in=check_in, check_out=check_out)

    def _counted(self, count: int, one: Phrase, many: Phrase) -> str:
        return self.say(one if count == 1 else many, count=count)


def _rank(code: str, wanted: tuple[str, str]) -> int:
    return wanted.index(code) if code in wanted else len(wanted)
