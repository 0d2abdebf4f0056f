"""What was understood of one text."""

from dataclasses import dataclass
from datetime import date
from enum import Enum, auto

MAX_NIGHTS = 90
MAX_GUESTS = 20


class Intent(Enum):
    """What a guest may want besides telling dates and guests."""

    GREET = auto()
    HELP = auto()
    BOOK = auto()
    AFFIRM = auto()
    DENY = auto()
    KEEP = auto()
    CANCEL = auto()
    CANCEL_SURE = auto()
    """A yes beside it, and nothing else: the answer to whether it is meant."""
    CANCEL_RESERVATION = auto()
    SHOW_RESERVATION = auto()
    CHANGE = auto()
    RETRY = auto()
    RESTART = auto()
    THANKS = auto()


class Topic(Enum):
    """What of the hotel a guest may ask about: the contract's `InfoTopic`, and what is told
    from the hotel's hours and terms.
    """

    LOCATION = auto()
    CHECK_IN = auto()
    CHECK_OUT = auto()
    HOURS = auto()
    PARKING = auto()
    WIFI = auto()
    BREAKFAST = auto()
    RESTAURANT = auto()
    POOL = auto()
    PETS = auto()
    TRANSPORT = auto()
    ACCESSIBILITY = auto()
    LUGGAGE = auto()
    PAYMENT = auto()
    CHILDREN = auto()
    CONTACT = auto()
    FITNESS = auto()
    CANCELLATION = auto()
    DEPOSIT = auto()


class DateProblem(Enum):
    """Why the dates that were named are no stay."""

    NO_SUCH_DAY = auto()
    REVERSED = auto()
    PAST = auto()
    TOO_LONG = auto()
    TOO_FAR = auto()


@dataclass(frozen=True)
class Dates:
    """The days that were named. With a problem nothing else is set.

    `month` is the first day of a month that was named without the day of arrival.
    """

    check_in: date | None = None
    check_out: date | None = None
    nights: int | None = None
    problem: DateProblem | None = None
    month: date | None = None

    def __bool__(self) -> bool:
        return self != Dates()


@dataclass(frozen=True)
class Guests:
    """How many sleep in the room; `impossible` when it is none or more than 20."""

    adults: int | None = None
    children: int | None = None
    impossible: bool = False

    def __bool__(self) -> bool:
        return self != Guests()


@dataclass(frozen=True)
class Context:
    """What a text is read against: the hotel's today and what is known or asked already.

    `children` are those that were named while nobody knows of the adults.
    """

    today: date
    check_in: date | None = None
    check_out: date | None = None
    month: date | None = None
    asking_nights: bool = False
    asking_guests: bool = False
    children: int = 0


@dataclass(frozen=True)
class Meaning:
    """What was understood.

    `language` is what it is written in, `wanted_language` the one asked for; both
    may be empty. `topics` are what of the hotel is named. `rooms` is how many were
    asked for, `number` a text that is one number, `choice` the index of a row that
    was named by its place, `words` what may name a room. `speaks_of_staying`: with a
    word of rooms or nights, or from one day to another; a month alone is neither.
    """

    language: str = ""
    wanted_language: str = ""
    intents: frozenset[Intent] = frozenset()
    topics: tuple[Topic, ...] = ()
    is_question: bool = False
    dates: Dates = Dates()
    speaks_of_staying: bool = False
    guests: Guests = Guests()
    rooms: int = 1
    number: int | None = None
    choice: int | None = None
    words: tuple[str, ...] = ()

    def wants(self, *intents: Intent) -> bool:
        """Whether any of these was meant."""
        return not self.intents.isdisjoint(intents)
