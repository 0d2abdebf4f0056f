"""The legal changes of a reservation: one table, nothing else decides.

`reservation_transition` in the database has the same rows; an event that is not
in it cannot be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from services.booking.domain import ReservationState, refusal

AWAITING = ReservationState.AWAITING_DEPOSIT
RECEIVED = ReservationState.DEPOSIT_RECEIVED
CONFIRMED = ReservationState.CONFIRMED
CHECKED_IN = ReservationState.CHECKED_IN
CHECKED_OUT = ReservationState.CHECKED_OUT
CANCELLED = ReservationState.CANCELLED
NO_SHOW = ReservationState.NO_SHOW
LAPSED = ReservationState.LAPSED
PENDING_PMS = ReservationState.PENDING_PMS
REFUSED = ReservationState.REFUSED


class Origin(Enum):
    """What there was before the reservation."""

    LOCKED = "LOCKED"
    NEW = "NEW"


class Action(Enum):
    """What somebody does with a reservation."""

    CONFIRM = "CONFIRM"
    AWAIT_DEPOSIT = "AWAIT_DEPOSIT"
    SUBMIT_RECEIPT = "SUBMIT_RECEIPT"
    APPROVE_DEPOSIT = "APPROVE_DEPOSIT"
    REJECT_DEPOSIT = "REJECT_DEPOSIT"
    LAPSE = "LAPSE"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"
    CHECK_IN = "CHECK_IN"
    CHECK_OUT = "CHECK_OUT"
    RECORD_NO_SHOW = "RECORD_NO_SHOW"
    ACCEPT_LATE_CHECKOUT = "ACCEPT_LATE_CHECKOUT"
    REQUEST = "REQUEST"
    REFUSE = "REFUSE"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where an action leads, and whether the nights are taken afterwards."""

    to_state: ReservationState
    occupying: bool


TRANSITIONS: Mapping[tuple[Action, ReservationState | Origin], Rule] = MappingProxyType(
    {
        (Action.CONFIRM, Origin.LOCKED): Rule(CONFIRMED, True),
        (Action.CONFIRM, Origin.NEW): Rule(CONFIRMED, True),
        (Action.AWAIT_DEPOSIT, Origin.LOCKED): Rule(AWAITING, True),
        (Action.AWAIT_DEPOSIT, Origin.NEW): Rule(AWAITING, True),
        # The hotel has a system of its own: nothing is certain before it has agreed.
        (Action.REQUEST, Origin.LOCKED): Rule(PENDING_PMS, True),
        (Action.REQUEST, Origin.NEW): Rule(PENDING_PMS, True),
        (Action.CONFIRM, PENDING_PMS): Rule(CONFIRMED, True),
        (Action.AWAIT_DEPOSIT, PENDING_PMS): Rule(AWAITING, True),
        (Action.REFUSE, PENDING_PMS): Rule(REFUSED, False),
        (Action.CANCEL, PENDING_PMS): Rule(CANCELLED, False),
        (Action.SUBMIT_RECEIPT, AWAITING): Rule(RECEIVED, True),
        # Paid at the desk or by transfer: a person may approve without a receipt.
        (Action.APPROVE_DEPOSIT, AWAITING): Rule(CONFIRMED, True),
        (Action.APPROVE_DEPOSIT, RECEIVED): Rule(CONFIRMED, True),
        (Action.REJECT_DEPOSIT, RECEIVED): Rule(AWAITING, True),
        # A receipt that waits for a person never lapses: the guest has done their part.
        (Action.LAPSE, AWAITING): Rule(LAPSED, False),
        (Action.MODIFY, AWAITING): Rule(AWAITING, True),
        (Action.MODIFY, RECEIVED): Rule(RECEIVED, True),
        (Action.MODIFY, CONFIRMED): Rule(CONFIRMED, True),
        (Action.MODIFY, CHECKED_IN): Rule(CHECKED_IN, True),
        (Action.CANCEL, AWAITING): Rule(CANCELLED, False),
        (Action.CANCEL, RECEIVED): Rule(CANCELLED, False),
        (Action.CANCEL, CONFIRMED): Rule(CANCELLED, False),
        # Said again under another request id: nothing changes, and no event tells of it.
        (Action.CANCEL, CANCELLED): Rule(CANCELLED, False),
        (Action.CHECK_IN, CONFIRMED): Rule(CHECKED_IN, True),
        # The nights that were slept stay taken; those that were not are given back.
        (Action.CHECK_OUT, CHECKED_IN): Rule(CHECKED_OUT, True),
        (Action.RECORD_NO_SHOW, CONFIRMED): Rule(NO_SHOW, False),
        (Action.ACCEPT_LATE_CHECKOUT, CONFIRMED): Rule(CONFIRMED, True),
        (Action.ACCEPT_LATE_CHECKOUT, CHECKED_IN): Rule(CHECKED_IN, True),
    }
)


def rule_for(action: Action, state: ReservationState | Origin) -> Rule:
    """The rule of the table; FailedPrecondition `WRONG_STATE` when there is none."""
    rule = TRANSITIONS.get((action, state))
    if rule is None:
        raise refusal("WRONG_STATE", {"state": state.value})
    return rule
