"""What a conversation wants the booking service to do; one at a time."""

from dataclasses import dataclass
from datetime import date

from meshkit.money import Money


@dataclass(frozen=True)
class AcquireLock:
    """Keep one room of a type for the stay `[check_in, check_out)`."""

    number: int
    room_type_id: str
    check_in: date
    check_out: date
    adults: int
    children: int


@dataclass(frozen=True)
class ReleaseLock:
    """Give a kept room back."""

    number: int
    lock_id: str
    owner_token: str


@dataclass(frozen=True)
class ConfirmReservation:
    """Turn a kept room into a reservation."""

    number: int
    lock_id: str
    owner_token: str
    fencing_number: int


@dataclass(frozen=True)
class CancelReservation:
    """Cancel a reservation, at no more than the penalty that the guest has agreed to."""

    number: int
    reservation_id: str
    accepted_penalty: Money | None = None


# `number` counts the commands of one conversation from 1 and never repeats in it;
# the answer comes back under it as `EffectAnswer.number`.
Command = AcquireLock | ReleaseLock | ConfirmReservation | CancelReservation
