"""What a conversation remembers between two events.

Everything here is frozen and small. It never holds a phone number: who the
guest is belongs to the mailbox, not to the conversation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from meshkit.money import Money


@dataclass(frozen=True)
class Stay:
    """Nights `[check_in, check_out)` in one room for these guests."""

    check_in: date
    check_out: date
    adults: int
    children: int

    @property
    def nights(self) -> int:
        """How many nights; the day of departure is none."""
        return (self.check_out - self.check_in).days


@dataclass(frozen=True)
class Draft:
    """What the guest has said so far about the stay; `wish` are words that may name a room.

    `nights` is set only while the arrival is not known yet, as is `month`: the first
    day of the month in which it will be.
    """

    check_in: date | None = None
    check_out: date | None = None
    nights: int | None = None
    adults: int | None = None
    children: int = 0
    wish: tuple[str, ...] = ()
    month: date | None = None

    @property
    def stay(self) -> Stay | None:
        """The stay, when nothing is missing any more."""
        if self.check_in is None or self.check_out is None or self.adults is None:
            return None
        return Stay(self.check_in, self.check_out, self.adults, self.children)


@dataclass(frozen=True)
class Tax:
    """A tax or a fee in a total; one that is `included` is part of the nightly prices."""

    names: Mapping[str, str]
    amount: Money
    included: bool


@dataclass(frozen=True)
class Room:
    """A room type as it was offered for a stay, at the price it had then.

    `free_count` is 0 where the offer did not tell it.
    """

    room_type_id: str
    names: Mapping[str, str]
    stay: Stay
    total: Money
    free_count: int = 0
    taxes: tuple[Tax, ...] = ()


@dataclass(frozen=True)
class Missing:
    """A room type that could not be had for the stay of an offer."""

    names: Mapping[str, str]
    reason: str
    detail: int = 0
    """How many nights, or days ahead, would do."""


@dataclass(frozen=True)
class Offer:
    """The newest list that the guest was shown; `number` grows with every list.

    `elsewhen`: nothing was free, and the rooms are for other dates close by.
    """

    number: int
    rooms: tuple[Room, ...]
    missing: tuple[Missing, ...] = ()
    elsewhen: bool = False


@dataclass(frozen=True)
class Lock:
    """A room that is kept for the guest until `expire_time`."""

    lock_id: str
    owner_token: str
    fencing_number: int
    room: Room
    nightly: tuple[Money, ...]
    expire_time: datetime


@dataclass(frozen=True)
class Deposit:
    """What a hotel awaits before a reservation is certain; `due_time` is an aware instant."""

    amount: Money
    due_time: datetime


@dataclass(frozen=True)
class Reservation:
    """A reservation of this guest; `lock_id` is the lock that it was.

    `penalty` is what cancelling costs, as the guest was told last; None before
    it was told. `deposit` is what is awaited, as it was told last.
    """

    reservation_id: str
    code: str
    lock_id: str
    room: Room
    penalty: Money | None = None
    deposit: Deposit | None = None
    pending: bool = False
    """The hotel has not agreed to it yet."""


class CommandKind(Enum):
    """Which command is open."""

    ACQUIRE = "acquire"
    RELEASE = "release"
    CONFIRM = "confirm"
    CANCEL = "cancel"


class AfterRelease(Enum):
    """What the guest wanted when a room was given back."""

    NOTHING = "nothing"
    SEARCH = "search"
    LOCK = "lock"


@dataclass(frozen=True)
class OpenCommand:
    """The command whose outcome is awaited.

    `room` is the one to lock: now, or after the release. `reservation_id` is
    the one to cancel.
    """

    number: int
    kind: CommandKind
    room: Room | None = None
    after: AfterRelease = AfterRelease.NOTHING
    reservation_id: str = ""


class Asking(Enum):
    """What we asked last, which gives a bare number or a "yes" its meaning."""

    NOTHING = "nothing"
    DATES = "dates"
    NIGHTS = "nights"
    GUESTS = "guests"
    CANCELLING = "cancelling"
    PAYING = "paying"


@dataclass(frozen=True)
class State:
    """One conversation.

    `language` is empty until the guest shows one; `cancelling` is the id of the
    reservation whose cancellation was asked to be confirmed, with its penalty
    while `asking` is `PAYING`. `cancelled` is the reservation that was cancelled
    last, by whomever.
    """

    language: str = ""
    asking: Asking = Asking.NOTHING
    cancelling: str = ""
    draft: Draft = Draft()
    offer: Offer | None = None
    lock: Lock | None = None
    open: OpenCommand | None = None
    reservations: tuple[Reservation, ...] = ()
    cancelled: Reservation | None = None
    command_count: int = 0
    offer_count: int = 0
