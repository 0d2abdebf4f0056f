"""What `BookingService` promises about reservations, through a synchronous stub, from outside."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from uuid import uuid4

import grpc
import pytest
from conserje.booking.v1.booking_service_pb2 import (
    AcceptLateCheckoutRequest,
    AcceptLateCheckoutResponse,
    ApproveDepositRequest,
    CancelReservationRequest,
    CheckInReservationRequest,
    CheckOutReservationRequest,
    CreateReservationRequest,
    GetReservationRequest,
    GetReservationTermsRequest,
    ListReservationEventsRequest,
    ListReservationsRequest,
    ModifyReservationRequest,
    QuoteCancellationRequest,
    QuoteLateCheckoutRequest,
    RecordNoShowRequest,
    RejectDepositRequest,
    RoomRequest,
    SubmitDepositReceiptRequest,
)
from conserje.booking.v1.reservation_pb2 import (
    ACTOR_KIND_GUEST,
    ACTOR_KIND_STAFF,
    RESERVATION_ACTION_CHECK_IN,
    RESERVATION_ACTION_CONFIRM,
    RESERVATION_STATE_AWAITING_DEPOSIT,
    RESERVATION_STATE_CANCELLED,
    RESERVATION_STATE_CHECKED_IN,
    RESERVATION_STATE_CHECKED_OUT,
    RESERVATION_STATE_CONFIRMED,
    RESERVATION_STATE_DEPOSIT_RECEIVED,
    RESERVATION_STATE_NO_SHOW,
    RESERVATION_STATE_UNSPECIFIED,
    Actor,
    Reservation,
)
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from meshkit.errors import InvalidArgument
from tests.contract.booking.test_booking_contract import (
    Call,
    confirm_request,
    day,
    lock_request,
    refused,
)
from tests.integration.booking.hotel import Hotel

STAFF = Actor(kind=ACTOR_KIND_STAFF, actor_id="ana")
TERMS = {
    "check_in": "00:00",
    "cancellation": [
        {"hours_before": 24, "penalty": {"kind": "PERCENT", "value": "100"}},
        {"hours_before": 10_000, "penalty": {"kind": "NIGHTS", "value": "1"}},
    ],
    "no_show": {"kind": "FIXED", "value": "30"},
    "late_checkout": [{"until": "18:00", "fee": {"kind": "FIXED", "value": "25.50"}}],
}
DEPOSIT = {"deposit": {"kind": "PERCENT", "value": "50"}}


async def set_terms(hotel: Hotel, terms: object) -> None:
    """What the hotel asks of later guests."""
    update = (
        "UPDATE property SET reservation_terms = $2, inventory_version = inventory_version + 1"
        " WHERE tenant_id = $1"
    )
    await hotel.sql.execute(update, hotel.tenant_id, json.dumps(terms))


async def book(grpc_stub: Any, call: Call, hotel: Hotel, first: int = 10) -> Reservation:
    """A double room for two nights."""
    dates = {"check_in_date": day(hotel, first), "check_out_date": day(hotel, first + 2)}
    request = lock_request(hotel, room_type_id="double", **dates)
    lock = (await call(grpc_stub.AcquireLock, request)).lock
    confirmed = await call(grpc_stub.ConfirmReservation, confirm_request(lock))
    reservation: Reservation = confirmed.reservation
    return reservation


def about(reservation: Reservation, **more: Any) -> dict[str, Any]:
    """The fields of a request by staff for a change of a reservation."""
    return {
        "tenant_id": reservation.tenant_id,
        "request_id": str(uuid4()),
        "reservation_id": reservation.reservation_id,
        "actor": STAFF,
        "reason": "asked at the desk",
        **more,
    }


def euros(text: str) -> Money:
    """An amount like `100.50`."""
    units, _, cents = text.partition(".")
    return Money(currency_code="EUR", units=int(units), nanos=int(cents or "0") * 10_000_000)


async def wrong(call: Call, method: Any, request: Any, reason: str) -> dict[str, str]:
    """The metadata of a FAILED_PRECONDITION for this reason."""
    code, error = await refused(call, method, request)
    assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)
    return error.metadata


async def test_a_cancellation_is_quoted_and_then_done(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    await set_terms(hotel, TERMS)
    booked = await book(grpc_stub, call, hotel)
    key = {"tenant_id": hotel.tenant_id, "reservation_id": booked.reservation_id}
    quote = await call(grpc_stub.QuoteCancellation, QuoteCancellationRequest(**key))
    assert quote.penalty == euros("100.50")
    arrival = hotel.today + dt.timedelta(days=10)
    assert quote.valid_until_time.ToDatetime().date() == arrival - dt.timedelta(days=1)
    cancel = CancelReservationRequest(**about(booked, accepted_penalty=euros("100")))
    told = await wrong(call, grpc_stub.CancelReservation, cancel, "PENALTY_CHANGED")
    assert told == {"penalty": "100.50", "currency_code": "EUR"}
    cancel = CancelReservationRequest(**about(booked, accepted_penalty=quote.penalty))
    cancelled = (await call(grpc_stub.CancelReservation, cancel)).reservation
    assert cancelled.state == RESERVATION_STATE_CANCELLED
    assert cancelled.penalty == quote.penalty
    assert cancelled.etag != booked.etag
    assert (await call(grpc_stub.CancelReservation, cancel)).reservation == cancelled


async def test_a_penalty_is_waived_by_staff_alone(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    await set_terms(hotel, TERMS)
    booked = await book(grpc_stub, call, hotel)
    by_guest = about(booked, penalty_waived=True, actor=Actor(kind=ACTOR_KIND_GUEST))
    code, error = await refused(
        call, grpc_stub.CancelReservation, CancelReservationRequest(**by_guest)
    )
    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "STAFF_ONLY")
    by_staff = CancelReservationRequest(**about(booked, penalty_waived=True))
    cancelled = (await call(grpc_stub.CancelReservation, by_staff)).reservation
    assert cancelled.HasField("penalty")
    assert cancelled.penalty == Money(currency_code="EUR")


async def test_guests_come_and_leave(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    await set_terms(hotel, TERMS)
    booked = await book(grpc_stub, call, hotel, 0)
    check_in = CheckInReservationRequest(**about(booked))
    inside = (await call(grpc_stub.CheckInReservation, check_in)).reservation
    assert inside.state == RESERVATION_STATE_CHECKED_IN
    assert inside.HasField("check_in_time")
    cancel = CancelReservationRequest(**about(booked, accepted_penalty=euros("1000")))
    told = await wrong(call, grpc_stub.CancelReservation, cancel, "WRONG_STATE")
    assert told == {"state": "CHECKED_IN"}
    quote = QuoteCancellationRequest(
        tenant_id=hotel.tenant_id, reservation_id=booked.reservation_id
    )
    await wrong(call, grpc_stub.QuoteCancellation, quote, "WRONG_STATE")

    late = {"tenant_id": hotel.tenant_id, "reservation_id": booked.reservation_id}
    ask = QuoteLateCheckoutRequest(**late, until_time="17:30")
    offer = (await call(grpc_stub.QuoteLateCheckout, ask)).late_checkout
    assert offer.fee == euros("25.50")
    accept = AcceptLateCheckoutRequest(**about(booked, until_time="17:30"))
    told = await wrong(call, grpc_stub.AcceptLateCheckout, accept, "FEE_CHANGED")
    assert told == {"fee": "25.50", "currency_code": "EUR"}
    accept = AcceptLateCheckoutRequest(**about(booked, until_time="17:30", accepted_fee=offer.fee))
    accepted: AcceptLateCheckoutResponse = await call(grpc_stub.AcceptLateCheckout, accept)
    assert accepted.reservation.late_checkout == offer
    ask = QuoteLateCheckoutRequest(**late, until_time="18:30")
    told = await wrong(call, grpc_stub.QuoteLateCheckout, ask, "LATE_CHECKOUT_NOT_OFFERED")
    assert told == {"check_out": "11:00", "latest": "18:00"}
    ask = QuoteLateCheckoutRequest(**late, until_time="11:00")
    told = await wrong(call, grpc_stub.QuoteLateCheckout, ask, "LATE_CHECKOUT_NOT_OFFERED")
    assert told == {"check_out": "11:00", "latest": "18:00"}

    check_out = CheckOutReservationRequest(**about(booked))
    gone = (await call(grpc_stub.CheckOutReservation, check_out)).reservation
    assert gone.state == RESERVATION_STATE_CHECKED_OUT
    assert gone.check_out_date == day(hotel, 1)
    await wrong(
        call,
        grpc_stub.CheckInReservation,
        CheckInReservationRequest(**about(booked)),
        "WRONG_STATE",
    )
    get = GetReservationRequest(tenant_id=hotel.tenant_id, reservation_id=booked.reservation_id)
    assert (await call(grpc_stub.GetReservation, get)).reservation == gone


async def test_the_next_guest_of_the_room_comes_first(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    await set_terms(hotel, TERMS | {"check_in": "15:00"})
    suites = []
    for first in (10, 12):
        dates = {"check_in_date": day(hotel, first), "check_out_date": day(hotel, first + 2)}
        lock = (await call(grpc_stub.AcquireLock, lock_request(hotel, **dates))).lock
        confirmed = await call(grpc_stub.ConfirmReservation, confirm_request(lock))
        suites.append(confirmed.reservation)
    ask = QuoteLateCheckoutRequest(
        tenant_id=hotel.tenant_id, reservation_id=suites[0].reservation_id, until_time="13:30"
    )
    told = await wrong(call, grpc_stub.QuoteLateCheckout, ask, "NEXT_ARRIVAL")
    departure = hotel.today + dt.timedelta(days=12)
    assert told == {"empty_by": f"{departure}T13:00:00+00:00"}


async def test_nobody_came(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    await set_terms(hotel, TERMS)
    early = await book(grpc_stub, call, hotel, 10)
    await wrong(call, grpc_stub.RecordNoShow, RecordNoShowRequest(**about(early)), "TOO_EARLY")
    await wrong(
        call, grpc_stub.CheckInReservation, CheckInReservationRequest(**about(early)), "TOO_EARLY"
    )
    await wrong(
        call,
        grpc_stub.CheckOutReservation,
        CheckOutReservationRequest(**about(early)),
        "WRONG_STATE",
    )
    booked = await book(grpc_stub, call, hotel, 0)
    request = RecordNoShowRequest(**about(booked))
    missed = (await call(grpc_stub.RecordNoShow, request)).reservation
    assert missed.state == RESERVATION_STATE_NO_SHOW
    assert missed.penalty == euros("30")
    request = RecordNoShowRequest(**about(booked))
    await wrong(call, grpc_stub.RecordNoShow, request, "WRONG_STATE")


async def test_a_deposit_makes_it_certain(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    await set_terms(hotel, DEPOSIT)
    booked = await book(grpc_stub, call, hotel)
    assert booked.state == RESERVATION_STATE_AWAITING_DEPOSIT
    assert booked.deposit.amount == euros("100.50")
    waited = booked.deposit.due_time.ToDatetime() - booked.create_time.ToDatetime()
    assert dt.timedelta(hours=24) <= waited < dt.timedelta(hours=24, minutes=1)
    reject = RejectDepositRequest(**about(booked))
    await wrong(call, grpc_stub.RejectDeposit, reject, "WRONG_STATE")
    submit = SubmitDepositReceiptRequest(**about(booked, receipt_reference="image-1"))
    shown = (await call(grpc_stub.SubmitDepositReceipt, submit)).reservation
    assert shown.state == RESERVATION_STATE_DEPOSIT_RECEIVED
    assert shown.deposit.receipt_reference == "image-1"
    reject = RejectDepositRequest(**about(booked))
    rejected = (await call(grpc_stub.RejectDeposit, reject)).reservation
    assert rejected.state == RESERVATION_STATE_AWAITING_DEPOSIT
    approve = ApproveDepositRequest(**about(booked))
    approved = (await call(grpc_stub.ApproveDeposit, approve)).reservation
    assert approved.state == RESERVATION_STATE_CONFIRMED
    submit = SubmitDepositReceiptRequest(**about(booked, receipt_reference="image-2"))
    await wrong(call, grpc_stub.SubmitDepositReceipt, submit, "WRONG_STATE")
    approve = ApproveDepositRequest(**about(booked))
    await wrong(call, grpc_stub.ApproveDeposit, approve, "WRONG_STATE")


@pytest.mark.parametrize(
    ("name", "request_type"),
    [
        ("CheckInReservation", CheckInReservationRequest),
        ("CheckOutReservation", CheckOutReservationRequest),
        ("RecordNoShow", RecordNoShowRequest),
        ("ApproveDeposit", ApproveDepositRequest),
        ("RejectDeposit", RejectDepositRequest),
    ],
)
async def test_a_guest_is_not_staff(
    grpc_stub: Any, call: Call, hotel: Hotel, name: str, request_type: Any
) -> None:
    booked = await book(grpc_stub, call, hotel, 0)
    request = request_type(**about(booked, actor=None))
    code, error = await refused(call, getattr(grpc_stub, name), request)
    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "STAFF_ONLY")


async def test_the_history_of_a_reservation(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    booked = await book(grpc_stub, call, hotel, 0)
    await call(grpc_stub.CheckInReservation, CheckInReservationRequest(**about(booked)))
    request = ListReservationEventsRequest(
        tenant_id=hotel.tenant_id, reservation_id=booked.reservation_id, page_size=1
    )
    first = await call(grpc_stub.ListReservationEvents, request)
    (event,) = first.events
    assert (event.action, event.previous_state, event.actor_kind) == (
        RESERVATION_ACTION_CONFIRM,
        RESERVATION_STATE_UNSPECIFIED,
        ACTOR_KIND_GUEST,
    )
    assert event.reservation == booked
    request.page_token = first.next_page_token
    second = await call(grpc_stub.ListReservationEvents, request)
    (event,) = second.events
    assert (event.action, event.previous_state, event.actor_kind, event.actor_id) == (
        RESERVATION_ACTION_CHECK_IN,
        RESERVATION_STATE_CONFIRMED,
        ACTOR_KIND_STAFF,
        "ana",
    )
    assert event.reason == "asked at the desk"
    request.page_token = second.next_page_token
    third = await call(grpc_stub.ListReservationEvents, request)
    assert (list(third.events), third.next_page_token) == ([], "")


async def test_reservations_are_listed(grpc_stub: Any, call: Call, hotel: Hotel) -> None:
    booked = [await book(grpc_stub, call, hotel, first) for first in (5, 20, 10)]
    cancel = CancelReservationRequest(**about(booked[2]))
    await call(grpc_stub.CancelReservation, cancel)
    request = ListReservationsRequest(tenant_id=hotel.tenant_id, page_size=2)
    page = await call(grpc_stub.ListReservations, request)
    assert [one.check_in_date for one in page.reservations] == [day(hotel, 5), day(hotel, 10)]
    request.page_token = page.next_page_token
    page = await call(grpc_stub.ListReservations, request)
    assert list(page.reservations) == [booked[1]]
    assert page.next_page_token == ""
    for filters, firsts in (
        ({"states": [RESERVATION_STATE_CANCELLED]}, [10]),
        ({"guest_id": booked[0].guest_id}, [5]),
        ({"first_check_in_date": day(hotel, 10)}, [10, 20]),
        ({"last_check_in_date": day(hotel, 10)}, [5, 10]),
        ({"night": day(hotel, 6)}, [5]),
        ({"night": day(hotel, 7)}, []),
    ):
        some = ListReservationsRequest(tenant_id=hotel.tenant_id, **filters)
        found = (await call(grpc_stub.ListReservations, some)).reservations
        assert [one.check_in_date for one in found] == [day(hotel, first) for first in firsts]


async def test_the_terms_of_a_hotel_are_told_before_anything_is_booked(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    await set_terms(hotel, {**TERMS, "check_in": "14:30", "check_out": "12:00"})
    request = GetReservationTermsRequest(tenant_id=hotel.tenant_id)
    terms = (await call(grpc_stub.GetReservationTerms, request)).terms
    assert (terms.check_in_time, terms.check_out_time) == ("14:30", "12:00")
    assert [step.before_arrival.seconds for step in terms.cancellation_steps] == [
        10_000 * 3600,
        24 * 3600,
    ]
    nobody = GetReservationTermsRequest(tenant_id="nobody")
    _, error = await refused(call, grpc_stub.GetReservationTerms, nobody)
    assert error.reason == "PROPERTY_UNKNOWN"


async def test_another_hotels_reservation_is_unknown(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    other = await Hotel.create(hotel.sql, f"{hotel.tenant_id}-2", {"suite": 1})
    booked = await book(grpc_stub, call, hotel, 0)
    foreign = about(booked) | {"tenant_id": other.tenant_id}
    key: dict[str, Any] = {"tenant_id": other.tenant_id, "reservation_id": booked.reservation_id}
    for name, request in {
        "CancelReservation": CancelReservationRequest(**foreign),
        "CheckInReservation": CheckInReservationRequest(**foreign),
        "CheckOutReservation": CheckOutReservationRequest(**foreign),
        "RecordNoShow": RecordNoShowRequest(**foreign),
        "ApproveDeposit": ApproveDepositRequest(**foreign),
        "RejectDeposit": RejectDepositRequest(**foreign),
        "SubmitDepositReceipt": SubmitDepositReceiptRequest(**foreign, receipt_reference="x"),
        "AcceptLateCheckout": AcceptLateCheckoutRequest(**foreign, until_time="12:00"),
        "QuoteLateCheckout": QuoteLateCheckoutRequest(**key, until_time="12:00"),
        "QuoteCancellation": QuoteCancellationRequest(**key),
        "ListReservationEvents": ListReservationEventsRequest(**key),
    }.items():
        code, error = await refused(call, getattr(grpc_stub, name), request)
        assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "RESERVATION_UNKNOWN"), name
    listed = ListReservationsRequest(tenant_id=other.tenant_id)
    assert not (await call(grpc_stub.ListReservations, listed)).reservations


@pytest.mark.parametrize(
    ("name", "request_type", "changes", "field"),
    [
        ("ListReservations", ListReservationsRequest, {"page_token": "?"}, "page_token"),
        ("ListReservations", ListReservationsRequest, {"page_token": "WyJ4Il0="}, "page_token"),
        ("ListReservations", ListReservationsRequest, {"page_size": -1}, "page_size"),
        ("ListReservations", ListReservationsRequest, {"states": [0]}, "states[0]"),
        ("ListReservations", ListReservationsRequest, {"states": [99]}, "states[0]"),
        (
            "ListReservations",
            ListReservationsRequest,
            {"night": Date(year=2027, month=2, day=31)},
            "night",
        ),
        (
            "ListReservations",
            ListReservationsRequest,
            {
                "first_check_in_date": Date(year=2027, month=2, day=2),
                "last_check_in_date": Date(year=2027, month=2, day=1),
            },
            "last_check_in_date",
        ),
        (
            "QuoteLateCheckout",
            QuoteLateCheckoutRequest,
            {"reservation_id": "x", "until_time": "24:00"},
            "until_time",
        ),
        (
            "CancelReservation",
            CancelReservationRequest,
            {"reservation_id": "x", "request_id": "no uuid"},
            "request_id",
        ),
        (
            "CancelReservation",
            CancelReservationRequest,
            {
                "reservation_id": str(uuid4()),
                "request_id": str(uuid4()),
                "accepted_penalty": Money(currency_code="EUR", units=-1),
            },
            "accepted_penalty",
        ),
        (
            "CancelReservation",
            CancelReservationRequest,
            {
                "reservation_id": str(uuid4()),
                "request_id": str(uuid4()),
                "actor": Actor(kind=3),  # type: ignore[arg-type]
            },
            "actor.kind",
        ),
        (
            "CancelReservation",
            CancelReservationRequest,
            {"reservation_id": str(uuid4()), "request_id": str(uuid4()), "reason": "a\0b"},
            "reason",
        ),
    ],
)
async def test_bad_input_names_its_field(
    grpc_stub: Any,
    call: Call,
    hotel: Hotel,
    name: str,
    request_type: Any,
    changes: dict[str, Any],
    field: str,
) -> None:
    request = request_type(tenant_id=hotel.tenant_id, **changes)
    code, error = await refused(call, getattr(grpc_stub, name), request)
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert isinstance(error, InvalidArgument)
    assert [one.field for one in error.violations] == [field]
    stored = "SELECT count(*) FROM request_answer WHERE tenant_id = $1"
    assert await hotel.sql.fetchval(stored, hotel.tenant_id) == 0


def create_request(hotel: Hotel, **changes: Any) -> CreateReservationRequest:
    """A double and a single for two nights, ten days ahead, unless told otherwise."""
    fields: dict[str, Any] = {
        "tenant_id": hotel.tenant_id,
        "request_id": str(uuid4()),
        "check_in_date": day(hotel, 10),
        "check_out_date": day(hotel, 12),
        "rooms": [
            RoomRequest(room_type_id="double", adult_count=2),
            RoomRequest(room_type_id="single", adult_count=1, child_count=1),
        ],
        "guest_id": "guest",
        "actor": STAFF,
    }
    return CreateReservationRequest(**(fields | changes))


async def test_several_rooms_are_booked_and_changed(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    request = create_request(hotel)
    booked = (await call(grpc_stub.CreateReservation, request)).reservation
    assert booked.state == RESERVATION_STATE_CONFIRMED
    assert [(one.room_type_id, one.child_count) for one in booked.rooms] == [
        ("double", 0),
        ("single", 1),
    ]
    assert booked.total_price == euros("402")
    assert (await call(grpc_stub.CreateReservation, request)).reservation == booked
    longer = ModifyReservationRequest(
        **about(booked, check_out_date=day(hotel, 13), etag=booked.etag)
    )
    told = await wrong(call, grpc_stub.ModifyReservation, longer, "TOTAL_PRICE_CHANGED")
    assert told == {"total_price": "603.00", "currency_code": "EUR"}
    longer.request_id = str(uuid4())
    longer.accepted_total_price.CopyFrom(euros("603"))
    changed = (await call(grpc_stub.ModifyReservation, longer)).reservation
    assert changed.check_out_date == day(hotel, 13)
    assert changed.confirmation_code == booked.confirmation_code
    again = ModifyReservationRequest(**about(booked, etag=booked.etag))
    code, error = await refused(call, grpc_stub.ModifyReservation, again)
    assert (code, error.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    foreign = ModifyReservationRequest(**about(booked) | {"tenant_id": "nobody"})
    code, error = await refused(call, grpc_stub.ModifyReservation, foreign)
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "RESERVATION_UNKNOWN")
    nobody = create_request(hotel, tenant_id="nobody")
    code, error = await refused(call, grpc_stub.CreateReservation, nobody)
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "PROPERTY_UNKNOWN")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"check_out_date": Date(year=2020, month=1, day=1)}, "check_out_date"),
        ({"check_in_date": Date(year=2027, month=2, day=31)}, "check_in_date"),
        ({"rooms": []}, "rooms"),
        ({"rooms": [RoomRequest(room_type_id="double")]}, "rooms[0].adult_count"),
        (
            {"rooms": [RoomRequest(room_type_id="double", adult_count=1, child_count=-1)]},
            "rooms[0].child_count",
        ),
        ({"rooms": [RoomRequest(room_type_id="a\0", adult_count=1)]}, "rooms[0].room_type_id"),
        (
            {"rooms": 2 * [RoomRequest(room_type_id="double", room_id="double-1", adult_count=1)]},
            "rooms",
        ),
        ({"guest_id": ""}, "guest_id"),
    ],
)
async def test_bad_wishes_name_their_field(
    grpc_stub: Any, call: Call, hotel: Hotel, changes: dict[str, Any], field: str
) -> None:
    code, error = await refused(call, grpc_stub.CreateReservation, create_request(hotel, **changes))
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert isinstance(error, InvalidArgument)
    assert field in {one.field for one in error.violations}
    stored = "SELECT count(*) FROM request_answer WHERE tenant_id = $1"
    assert await hotel.sql.fetchval(stored, hotel.tenant_id) == 0
