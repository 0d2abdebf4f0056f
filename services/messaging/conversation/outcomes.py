"""What became of a command.

A *refusal* is booking's definite no; its `reason` is the one of the ErrorInfo.
`CommandFailed` means that nobody knows or that nothing was done for a reason
that may pass; the guest may try again.
"""

from dataclasses import dataclass
from datetime import date, datetime

from meshkit.money import Money
from services.messaging.conversation.state import Deposit, Stay, Tax


@dataclass(frozen=True)
class LockGranted:
    """A room is kept until `expire_time`, an aware instant."""

    lock_id: str
    owner_token: str
    fencing_number: int
    room_type_id: str
    check_in: date
    check_out: date
    nightly: tuple[Money, ...]
    total: Money
    expire_time: datetime
    taxes: tuple[Tax, ...] = ()


@dataclass(frozen=True)
class LockRefused:
    """`SOLD_OUT`, `TOO_MANY_GUESTS`, `TOO_MANY_LOCKS`, `ROOM_TYPE_UNKNOWN`, `CHECK_IN_PAST`...

    `last_night` comes with `BEYOND_HORIZON`.
    """

    reason: str
    last_night: date | None = None


@dataclass(frozen=True)
class Released:
    """The room is free again."""


@dataclass(frozen=True)
class ReleaseRefused:
    """`LOCK_UNKNOWN`, `NOT_LOCK_OWNER` or `LOCK_CONVERTED`."""

    reason: str


@dataclass(frozen=True)
class ReservationConfirmed:
    """The room is sold to the guest, who is told `code`; not for certain while `deposit` is due."""

    reservation_id: str
    code: str
    room_type_id: str
    check_in: date
    check_out: date
    total: Money
    deposit: Deposit | None = None
    pending: bool = False
    """The hotel has a system of its own, which has not agreed yet."""


@dataclass(frozen=True)
class HotelAgreed:
    """The hotel's own system has the reservation now, which was pending."""

    reservation_id: str
    deposit: Deposit | None = None


@dataclass(frozen=True)
class HotelRefused:
    """The hotel's own system would not have the reservation; there is none."""

    reservation_id: str


@dataclass(frozen=True)
class HotelCancelled:
    """The hotel has cancelled the reservation, by a person or by its own system.

    `penalty` is what the guest owes for it, which may be nothing; None when it was not told.
    `had_deposit`: one was asked for, which the guest may have paid.
    """

    reservation_id: str
    penalty: Money | None = None
    had_deposit: bool = False


@dataclass(frozen=True)
class HotelModified:
    """The hotel has changed the reservation: what it is now, and the deposit that is awaited."""

    reservation_id: str
    room_type_id: str
    stay: Stay
    total: Money
    deposit: Deposit | None = None


@dataclass(frozen=True)
class DepositApproved:
    """The hotel has the deposit: the reservation is certain now."""

    reservation_id: str


@dataclass(frozen=True)
class DepositLapsed:
    """The deposit did not come in time; there is no reservation any more."""

    reservation_id: str


@dataclass(frozen=True)
class ConfirmRefused:
    """`LOCK_EXPIRED`, `PRICE_CHANGED`, `LOCK_RELEASED`, `LOCK_CONVERTED`, `LOCK_UNKNOWN`...

    `SOLD_OUT`: in its time, but the hotel has shut the room that there was for it.
    `PMS_REFUSED`: the hotel's own system would not have it.
    """

    reason: str


@dataclass(frozen=True)
class Cancelled:
    """The reservation is cancelled and its nights are free."""

    reservation_id: str


@dataclass(frozen=True)
class CancelRefused:
    """`RESERVATION_UNKNOWN`, or a no of the terms: `PENALTY_CHANGED`, `WRONG_STATE`.

    `penalty` comes with `PENALTY_CHANGED`: what cancelling costs now.
    """

    reason: str
    penalty: Money | None = None


@dataclass(frozen=True)
class CommandFailed:
    """The command has no definite answer; `reason` is for logs, never for the guest."""

    reason: str


Outcome = (
    LockGranted
    | LockRefused
    | Released
    | ReleaseRefused
    | ReservationConfirmed
    | HotelAgreed
    | HotelRefused
    | HotelCancelled
    | HotelModified
    | DepositApproved
    | DepositLapsed
    | ConfirmRefused
    | Cancelled
    | CancelRefused
    | CommandFailed
)
