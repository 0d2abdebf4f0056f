"""The booking service, in the words of conversations.

What a conversation asks while it thinks (`search`) is answered at once, with
`Failed` when there is no answer. What it wants done is turned into the exact
bytes of a request (`request_of`), sent by the effects worker (`send`), and read
back as an outcome (`outcome_of`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, assert_never
from uuid import UUID

from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    AcquireLockResponse,
    CancelReservationRequest,
    CancelReservationResponse,
    ConfirmReservationRequest,
    ConfirmReservationResponse,
    GetReservationTermsRequest,
    GetReservationTermsResponse,
    ReleaseLockRequest,
    SearchAvailabilityRequest,
    SearchAvailabilityResponse,
)
from conserje.booking.v1.lock_pb2 import Lock, QuoteLine
from conserje.booking.v1.reservation_pb2 import (
    RESERVATION_STATE_AWAITING_DEPOSIT,
    RESERVATION_STATE_PENDING_PMS,
    RESERVATION_STATE_REFUSED,
    Reservation,
    ReservationTerms,
)
from conserje.booking.v1.reservation_pb2 import Charge as ChargeMessage
from conserje.booking.v1.room_type_pb2 import (
    FRESHNESS_UNCONFIRMED,
    UNAVAILABLE_REASON_UNSPECIFIED,
    RoomTypeAvailability,
    UnavailableReason,
)
from conserje.booking.v1.room_type_pb2 import AlternativeStay as AlternativeStayMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from meshkit import dates, money
from meshkit.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    MeshError,
    NotFound,
    PermissionDenied,
)
from meshkit.money import Money
from meshkit.status import from_status, to_grpc_code, to_status
from services.messaging.conversation import commands, outcomes
from services.messaging.conversation.outcomes import Outcome
from services.messaging.conversation.queries import (
    AlternativeStay,
    Answer,
    AskTerms,
    Availability,
    Charge,
    Failed,
    HouseTerms,
    RoomOffer,
    SearchAvailability,
)
from services.messaging.conversation.state import Deposit, Stay, Tax
from services.messaging.store.steps import Read

if TYPE_CHECKING:
    from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceAsyncStub

BOOKING = "conserje.booking.v1.BookingService"
DOMAIN = "booking.conserje"
# Prefixed, so that nobody takes it for a phone number.
GUEST_ID = "mailbox-{}"
HOTEL_DECIDED = f"{BOOKING}/WatchReservations"
HOTEL_CANCELLED = f"{HOTEL_DECIDED}/cancelled"
HOTEL_MODIFIED = f"{HOTEL_DECIDED}/modified"
DEPOSIT_APPROVED = f"{HOTEL_DECIDED}/approved"
LAPSED = f"{HOTEL_DECIDED}/lapsed"
"""What the news of a reservation are kept under, among the answers of commands."""
# The booking service looked and said no. Everything else, bad input included,
# is a fault of ours that the guest cannot help.
REFUSALS = (FailedPrecondition, NotFound, PermissionDenied, Aborted)
REFUSED_INPUT = frozenset({"CHECK_IN_PAST", "BEYOND_HORIZON"})
FAULTS = frozenset({"REQUEST_ID_REUSED"})


@dataclass(frozen=True, slots=True)
class _Method:
    """One RPC for commands, and how its request is read back."""

    call: Callable[..., Awaitable[Message]]
    request_type: type[Message]


class Booking:
    """The booking service behind one channel."""

    def __init__(self, stub: BookingServiceAsyncStub) -> None:
        self._stub = stub
        calls: dict[str, tuple[Any, type[Message]]] = {
            "AcquireLock": (stub.AcquireLock, AcquireLockRequest),
            "ReleaseLock": (stub.ReleaseLock, ReleaseLockRequest),
            "ConfirmReservation": (stub.ConfirmReservation, ConfirmReservationRequest),
            "CancelReservation": (stub.CancelReservation, CancelReservationRequest),
        }
        self._methods = {f"{BOOKING}/{name}": _Method(*call) for name, call in calls.items()}

    async def search(self, tenant_id: str, query: SearchAvailability) -> tuple[Answer, Read]:
        """What is free, and the answer as it came."""
        request = SearchAvailabilityRequest(
            tenant_id=tenant_id, adult_count=query.adults, child_count=query.children
        )
        dates.from_date(query.check_in, request.check_in_date)
        dates.from_date(query.check_out, request.check_out_date)
        try:
            response: SearchAvailabilityResponse = await self._stub.SearchAvailability(request)
        except MeshError as error:
            return failed(error)
        return _availability(response), Read(True, response.SerializeToString())

    async def terms(self, tenant_id: str) -> tuple[Answer, Read]:
        """What the hotel asks of those who book now, and the answer as it came."""
        request = GetReservationTermsRequest(tenant_id=tenant_id)
        try:
            response: GetReservationTermsResponse = await self._stub.GetReservationTerms(request)
        except MeshError as error:
            return failed(error)
        return _house_terms(response.terms), Read(True, response.SerializeToString())

    async def send(self, method: str, request: bytes, timeout: float) -> bytes:
        """Send a command as it was stored; the bytes of the answer. Raises `MeshError`."""
        known = self._methods[method]
        response = await known.call(known.request_type.FromString(request), timeout=timeout)
        return response.SerializeToString()


def failed(error: MeshError) -> tuple[Failed, Read]:
    """What a conversation is told that has no answer, and the error as it is kept."""
    told = Failed(to_grpc_code(error).name, error.reason, _last_night(error))
    return told, Read(False, to_status(error, DOMAIN).SerializeToString())


def answer_of(query: SearchAvailability | AskTerms, response: bytes) -> Answer:
    """What a conversation was told that has asked this, from the response as it came."""
    if isinstance(query, SearchAvailability):
        return _availability(SearchAvailabilityResponse.FromString(response))
    return _house_terms(GetReservationTermsResponse.FromString(response).terms)


def request_of(
    command: commands.Command, *, tenant_id: str, mailbox_id: int, request_id: UUID
) -> tuple[str, bytes]:
    """The full name of the method and the exact bytes of the request."""
    ids = {"tenant_id": tenant_id, "request_id": str(request_id)}
    request: Message
    match command:
        case commands.AcquireLock():
            name, request = "AcquireLock", _acquire(command, mailbox_id, ids)
        case commands.ReleaseLock():
            name = "ReleaseLock"
            request = ReleaseLockRequest(
                **ids, lock_id=command.lock_id, owner_token=command.owner_token
            )
        case commands.ConfirmReservation():
            name = "ConfirmReservation"
            request = ConfirmReservationRequest(
                tenant_id=tenant_id,
                request_id=str(request_id),
                lock_id=command.lock_id,
                owner_token=command.owner_token,
                fencing_number=command.fencing_number,
            )
        case commands.CancelReservation():
            name, request = "CancelReservation", _cancel(command, ids)
        case _:
            assert_never(command)
    return f"{BOOKING}/{name}", request.SerializeToString(deterministic=True)


def code_in(method: str, answer: bytes) -> str | None:
    """The confirmation code that an answer tells, if it tells one."""
    if method != f"{BOOKING}/ConfirmReservation":
        return None
    return ConfirmReservationResponse.FromString(answer).reservation.confirmation_code or None


def outcome_of(method: str, *, ok: bool, answer: bytes) -> Outcome:
    """What became of a command: `answer` is the response, or the status of a refusal."""
    if method == HOTEL_DECIDED:
        return _decided(Reservation.FromString(answer))
    if method == HOTEL_CANCELLED:
        return _hotel_cancelled(Reservation.FromString(answer))
    if method == HOTEL_MODIFIED:
        return _hotel_modified(Reservation.FromString(answer))
    if method == DEPOSIT_APPROVED:
        return outcomes.DepositApproved(Reservation.FromString(answer).reservation_id)
    if method == LAPSED:
        return outcomes.DepositLapsed(Reservation.FromString(answer).reservation_id)
    name = method.rpartition("/")[2]
    if not ok:
        return _refusal(name, from_status(Status.FromString(answer)))
    if name == "AcquireLock":
        return _granted(AcquireLockResponse.FromString(answer).lock)
    if name == "ConfirmReservation":
        reservation = ConfirmReservationResponse.FromString(answer).reservation
        if reservation.state == RESERVATION_STATE_REFUSED:
            return outcomes.ConfirmRefused("PMS_REFUSED")
        return _confirmed(reservation)
    if name == "CancelReservation":
        cancelled = CancelReservationResponse.FromString(answer).reservation
        return outcomes.Cancelled(cancelled.reservation_id)
    return outcomes.Released()


def mailbox_of(guest_id: str) -> int | None:
    """The conversation that a reservation was made in; None when it was made elsewhere."""
    lead, _, number = guest_id.partition("-")
    known = f"{lead}-" == GUEST_ID.format("") and number.isascii() and number.isdecimal()
    return int(number) if known and len(number) <= 18 else None


def _acquire(
    command: commands.AcquireLock, mailbox_id: int, ids: dict[str, str]
) -> AcquireLockRequest:
    request = AcquireLockRequest(
        tenant_id=ids["tenant_id"],
        request_id=ids["request_id"],
        room_type_id=command.room_type_id,
        adult_count=command.adults,
        child_count=command.children,
        guest_id=GUEST_ID.format(mailbox_id),
    )
    dates.from_date(command.check_in, request.check_in_date)
    dates.from_date(command.check_out, request.check_out_date)
    return request


def _cancel(command: commands.CancelReservation, ids: dict[str, str]) -> Message:
    request = CancelReservationRequest(
        tenant_id=ids["tenant_id"],
        request_id=ids["request_id"],
        reservation_id=command.reservation_id,
    )
    if command.accepted_penalty is not None:
        money.to_proto(command.accepted_penalty, request.accepted_penalty)
    return request


def _refusal(name: str, error: MeshError) -> Outcome:
    refused = isinstance(error, REFUSALS) and error.reason not in FAULTS
    if isinstance(error, InvalidArgument):
        refused = error.reason in REFUSED_INPUT
    if not refused:
        return outcomes.CommandFailed(error.reason)
    if name == "AcquireLock":
        return outcomes.LockRefused(error.reason, _last_night(error))
    if name == "ConfirmReservation":
        return outcomes.ConfirmRefused(error.reason)
    if name == "CancelReservation":
        return outcomes.CancelRefused(error.reason, _penalty(error))
    return outcomes.ReleaseRefused(error.reason)


def _penalty(error: MeshError) -> Money | None:
    """What cancelling costs, where the refusal tells it."""
    told = error.metadata
    try:
        return Money(Decimal(told["penalty"]), told["currency_code"])
    except (KeyError, ValueError, InvalidOperation):
        return None


def _last_night(error: MeshError) -> date | None:
    try:
        return date.fromisoformat(error.metadata.get("last_night", ""))
    except ValueError:
        return None


def _granted(lock: Lock) -> outcomes.LockGranted:
    return outcomes.LockGranted(
        lock_id=lock.lock_id,
        owner_token=lock.owner_token,
        fencing_number=lock.fencing_number,
        room_type_id=lock.room_type_id,
        check_in=dates.to_date(lock.check_in_date, "check_in_date"),
        check_out=dates.to_date(lock.check_out_date, "check_out_date"),
        nightly=tuple(money.from_proto(price) for price in lock.quote.nightly_prices),
        total=money.from_proto(lock.quote.total_price),
        expire_time=lock.expire_time.ToDatetime(UTC),
        taxes=_taxes(lock.quote.lines),
    )


def _confirmed(reservation: Reservation) -> outcomes.ReservationConfirmed:
    return outcomes.ReservationConfirmed(
        reservation_id=reservation.reservation_id,
        code=reservation.confirmation_code,
        room_type_id=reservation.room_type_id,
        check_in=dates.to_date(reservation.check_in_date, "check_in_date"),
        check_out=dates.to_date(reservation.check_out_date, "check_out_date"),
        total=money.from_proto(reservation.quote.total_price),
        deposit=_deposit(reservation),
        pending=reservation.state == RESERVATION_STATE_PENDING_PMS,
    )


def _decided(reservation: Reservation) -> Outcome:
    """What the hotel's own system has said of a reservation that was pending."""
    if reservation.state == RESERVATION_STATE_REFUSED:
        return outcomes.HotelRefused(reservation.reservation_id)
    return outcomes.HotelAgreed(reservation.reservation_id, _deposit(reservation))


def _hotel_cancelled(reservation: Reservation) -> outcomes.HotelCancelled:
    owed = money.from_proto(reservation.penalty) if reservation.HasField("penalty") else None
    return outcomes.HotelCancelled(
        reservation.reservation_id, owed, had_deposit=reservation.HasField("deposit")
    )


def _hotel_modified(reservation: Reservation) -> outcomes.HotelModified:
    stay = Stay(
        dates.to_date(reservation.check_in_date, "check_in_date"),
        dates.to_date(reservation.check_out_date, "check_out_date"),
        sum(room.adult_count for room in reservation.rooms),
        sum(room.child_count for room in reservation.rooms),
    )
    return outcomes.HotelModified(
        reservation.reservation_id,
        reservation.room_type_id,
        stay,
        money.from_proto(reservation.total_price),
        _deposit(reservation),
    )


def _deposit(reservation: Reservation) -> Deposit | None:
    """What is awaited before it is certain."""
    if reservation.state != RESERVATION_STATE_AWAITING_DEPOSIT:
        return None
    deposit = reservation.deposit
    return Deposit(money.from_proto(deposit.amount), deposit.due_time.ToDatetime(UTC))


def _house_terms(terms: ReservationTerms) -> HouseTerms:
    return HouseTerms(
        check_in=time.fromisoformat(terms.check_in_time),
        check_out=time.fromisoformat(terms.check_out_time),
        cancellation=tuple(
            (step.before_arrival.ToTimedelta(), _charge(step.penalty))
            for step in terms.cancellation_steps
        ),
        no_show=_charge(terms.no_show_penalty),
        deposit=_charge(terms.deposit),
        deposit_period=terms.deposit_period.ToTimedelta(),
        late_checkout=tuple(
            (time.fromisoformat(step.until_time), _charge(step.fee))
            for step in terms.late_checkout_steps
        ),
    )


def _charge(charge: ChargeMessage) -> Charge:
    if charge.WhichOneof("measure") == "amount":
        return Charge(amount=money.from_proto(charge.amount))
    return Charge(charge.percent, charge.night_count)


def _availability(response: SearchAvailabilityResponse) -> Availability:
    return Availability(
        tuple(_offer(room) for room in response.room_types),
        tuple(_alternative(stay) for stay in response.alternative_stays),
        unconfirmed=response.freshness == FRESHNESS_UNCONFIRMED,
    )


def _offer(room: RoomTypeAvailability) -> RoomOffer:
    return RoomOffer(
        room_type_id=room.room_type_id,
        names=dict(room.display_names),
        max_guests=room.max_guest_count,
        free_count=room.free_count,
        nightly=tuple(money.from_proto(price) for price in room.nightly_prices),
        total=money.from_proto(room.total_price),
        reason=_unavailable(room.unavailable_reason),
        detail=room.required_night_count or room.required_notice_days,
        taxes=_taxes(room.lines),
    )


def _taxes(lines: Iterable[QuoteLine]) -> tuple[Tax, ...]:
    return tuple(
        Tax(dict(one.display_names), money.from_proto(one.amount), one.included) for one in lines
    )


def _unavailable(reason: UnavailableReason.ValueType) -> str:
    if reason == UNAVAILABLE_REASON_UNSPECIFIED:
        return ""
    return UnavailableReason.Name(reason).removeprefix("UNAVAILABLE_REASON_")


def _alternative(stay: AlternativeStayMessage) -> AlternativeStay:
    return AlternativeStay(
        room_type_id=stay.room_type_id,
        check_in=dates.to_date(stay.check_in_date, "check_in_date"),
        check_out=dates.to_date(stay.check_out_date, "check_out_date"),
        total=money.from_proto(stay.total_price),
    )
