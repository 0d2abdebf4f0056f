"""Commands as requests, answers as outcomes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from conserje.booking.v1 import booking_service_pb2 as pb
from conserje.booking.v1.reservation_pb2 import (
    RESERVATION_STATE_AWAITING_DEPOSIT,
    RESERVATION_STATE_CONFIRMED,
    Reservation,
    ReservationState,
)

from meshkit.errors import (
    Aborted,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    MeshError,
    NotFound,
    PermissionDenied,
)
from meshkit.money import Money
from meshkit.status import to_status
from meshkit.validation import validate
from services.messaging.clients import (
    BOOKING,
    HOTEL_CANCELLED,
    HOTEL_MODIFIED,
    code_in,
    outcome_of,
    request_of,
)
from services.messaging.conversation import commands, outcomes
from services.messaging.conversation.state import Deposit

DUE = datetime(2027, 1, 9, 12, tzinfo=UTC)
REQUEST_ID = UUID("6f1c2a54-5a0e-4f4b-9a0c-3d9b7a1e8c12")
TYPES: dict[str, Any] = {
    "AcquireLock": pb.AcquireLockRequest,
    "ReleaseLock": pb.ReleaseLockRequest,
    "ConfirmReservation": pb.ConfirmReservationRequest,
    "CancelReservation": pb.CancelReservationRequest,
}
COMMANDS: dict[str, commands.Command] = {
    "AcquireLock": commands.AcquireLock(1, "doble", date(2027, 1, 10), date(2027, 1, 12), 2, 1),
    "ReleaseLock": commands.ReleaseLock(2, "lock-1", "token"),
    "ConfirmReservation": commands.ConfirmReservation(3, "lock-1", "token", 7),
    "CancelReservation": commands.CancelReservation(4, "res-1"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_valid_request_under_its_id(name: str) -> None:
    made = [
        request_of(COMMANDS[name], tenant_id="hotel", mailbox_id=7, request_id=REQUEST_ID)
        for _ in range(2)
    ]
    assert made[0] == made[1]
    method, raw = made[0]
    assert method == f"{BOOKING}/{name}"
    request = TYPES[name].FromString(raw)
    validate(request)
    assert (request.tenant_id, request.request_id) == ("hotel", str(REQUEST_ID))
    assert request.SerializeToString(deterministic=True) == raw


def test_a_lock_is_asked_for_as_the_guest_wanted_it() -> None:
    _, raw = request_of(
        COMMANDS["AcquireLock"], tenant_id="hotel", mailbox_id=7, request_id=REQUEST_ID
    )
    request = pb.AcquireLockRequest.FromString(raw)
    assert (request.check_in_date.day, request.check_out_date.day) == (10, 12)
    assert (request.adult_count, request.child_count) == (2, 1)
    assert request.guest_id == "mailbox-7"


def test_an_accepted_penalty_is_sent_and_without_one_the_request_is_as_ever() -> None:
    plain = pb.CancelReservationRequest.FromString(_cancel(None))
    assert not plain.HasField("accepted_penalty")
    paying = pb.CancelReservationRequest.FromString(_cancel(Money(Decimal("99.50"), "EUR")))
    accepted = paying.accepted_penalty
    assert (accepted.units, accepted.nanos) == (99, 500_000_000)
    assert accepted.currency_code == "EUR"


def _cancel(accepted: Money | None) -> bytes:
    command = commands.CancelReservation(4, "res-1", accepted)
    return request_of(command, tenant_id="hotel", mailbox_id=7, request_id=REQUEST_ID)[1]


@pytest.mark.parametrize(
    ("state", "deposit"),
    [
        (RESERVATION_STATE_AWAITING_DEPOSIT, Deposit(Money(Decimal(50), "EUR"), DUE)),
        (RESERVATION_STATE_CONFIRMED, None),
    ],
)
def test_a_deposit_is_told_only_while_it_is_awaited(
    state: ReservationState.ValueType, deposit: Deposit | None
) -> None:
    reservation = Reservation(state=state)
    reservation.check_in_date.year = reservation.check_out_date.year = 2027
    reservation.check_in_date.month = reservation.check_out_date.month = 1
    reservation.check_in_date.day, reservation.check_out_date.day = 10, 11
    reservation.quote.total_price.currency_code = "EUR"
    reservation.deposit.amount.units, reservation.deposit.amount.currency_code = 50, "EUR"
    reservation.deposit.due_time.FromDatetime(DUE)
    raw = pb.ConfirmReservationResponse(reservation=reservation).SerializeToString()
    outcome = outcome_of(f"{BOOKING}/ConfirmReservation", ok=True, answer=raw)
    assert isinstance(outcome, outcomes.ReservationConfirmed)
    assert outcome.deposit == deposit
    reservation.total_price.currency_code = "EUR"
    news = reservation.SerializeToString()
    modified = outcome_of(HOTEL_MODIFIED, ok=True, answer=news)
    assert isinstance(modified, outcomes.HotelModified)
    assert modified.deposit == deposit
    # Paid or not: what becomes of it is a question once the hotel has cancelled.
    cancelled = outcome_of(HOTEL_CANCELLED, ok=True, answer=news)
    assert isinstance(cancelled, outcomes.HotelCancelled)
    assert cancelled.had_deposit


def test_a_granted_lock() -> None:
    response = pb.AcquireLockResponse()
    lock = response.lock
    lock.lock_id, lock.owner_token, lock.fencing_number = "lock-1", "token", 7
    lock.room_type_id = "doble"
    lock.check_in_date.year, lock.check_in_date.month, lock.check_in_date.day = 2027, 1, 10
    lock.check_out_date.year, lock.check_out_date.month, lock.check_out_date.day = 2027, 1, 11
    lock.expire_time.seconds = 1_800_000_000
    lock.quote.nightly_prices.add(currency_code="EUR", units=99, nanos=500_000_000)
    lock.quote.total_price.currency_code = "EUR"
    lock.quote.total_price.units, lock.quote.total_price.nanos = 99, 500_000_000
    price = Money(Decimal("99.5"), "EUR")
    raw = response.SerializeToString()
    assert outcome_of(f"{BOOKING}/AcquireLock", ok=True, answer=raw) == outcomes.LockGranted(
        lock_id="lock-1",
        owner_token="token",
        fencing_number=7,
        room_type_id="doble",
        check_in=date(2027, 1, 10),
        check_out=date(2027, 1, 11),
        nightly=(price,),
        total=price,
        expire_time=datetime.fromtimestamp(1_800_000_000, UTC),
    )


REFUSED: list[tuple[str, MeshError, outcomes.Outcome]] = [
    ("AcquireLock", FailedPrecondition("SOLD_OUT"), outcomes.LockRefused("SOLD_OUT")),
    ("AcquireLock", NotFound("ROOM_TYPE_UNKNOWN"), outcomes.LockRefused("ROOM_TYPE_UNKNOWN")),
    ("AcquireLock", InvalidArgument("CHECK_IN_PAST"), outcomes.LockRefused("CHECK_IN_PAST")),
    (
        "AcquireLock",
        InvalidArgument("BEYOND_HORIZON", last_night="2028-02-01"),
        outcomes.LockRefused("BEYOND_HORIZON", date(2028, 2, 1)),
    ),
    ("AcquireLock", InvalidArgument("INVALID_REQUEST"), outcomes.CommandFailed("INVALID_REQUEST")),
    (
        "AcquireLock",
        FailedPrecondition("REQUEST_ID_REUSED"),
        outcomes.CommandFailed("REQUEST_ID_REUSED"),
    ),
    ("AcquireLock", Internal("INTERNAL"), outcomes.CommandFailed("INTERNAL")),
    ("ConfirmReservation", Aborted("STALE_FENCE"), outcomes.ConfirmRefused("STALE_FENCE")),
    (
        "ConfirmReservation",
        FailedPrecondition("LOCK_EXPIRED"),
        outcomes.ConfirmRefused("LOCK_EXPIRED"),
    ),
    ("ReleaseLock", PermissionDenied("NOT_LOCK_OWNER"), outcomes.ReleaseRefused("NOT_LOCK_OWNER")),
    (
        "CancelReservation",
        NotFound("RESERVATION_UNKNOWN"),
        outcomes.CancelRefused("RESERVATION_UNKNOWN"),
    ),
    (
        "CancelReservation",
        FailedPrecondition("PENALTY_CHANGED", penalty="99.50", currency_code="EUR"),
        outcomes.CancelRefused("PENALTY_CHANGED", Money(Decimal("99.50"), "EUR")),
    ),
    (
        "CancelReservation",
        FailedPrecondition("PENALTY_CHANGED", penalty="many", currency_code="EUR"),
        outcomes.CancelRefused("PENALTY_CHANGED"),
    ),
]


@pytest.mark.parametrize(("name", "error", "outcome"), REFUSED)
def test_a_refusal_is_told_apart_from_a_fault(
    name: str, error: MeshError, outcome: outcomes.Outcome
) -> None:
    answer = to_status(error, "booking.conserje").SerializeToString()
    assert outcome_of(f"{BOOKING}/{name}", ok=False, answer=answer) == outcome


def test_only_a_confirmation_tells_a_code() -> None:
    response = pb.ConfirmReservationResponse()
    response.reservation.confirmation_code = "K7M2QX9P"
    raw = response.SerializeToString()
    assert code_in(f"{BOOKING}/ConfirmReservation", raw) == "K7M2QX9P"
    assert code_in(f"{BOOKING}/ReleaseLock", raw) is None
