"""The RPCs about reservations: protobuf in, protobuf out."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc
from conserje.booking.v1.booking_service_pb2 import (
    AcceptLateCheckoutRequest,
    AcceptLateCheckoutResponse,
    ApproveDepositRequest,
    ApproveDepositResponse,
    CancelReservationRequest,
    CancelReservationResponse,
    CheckInReservationRequest,
    CheckInReservationResponse,
    CheckOutReservationRequest,
    CheckOutReservationResponse,
    ConfirmReservationRequest,
    ConfirmReservationResponse,
    CreateReservationRequest,
    CreateReservationResponse,
    GetReservationRequest,
    GetReservationResponse,
    GetReservationTermsRequest,
    GetReservationTermsResponse,
    ListReservationEventsRequest,
    ListReservationEventsResponse,
    ListReservationsRequest,
    ListReservationsResponse,
    ModifyReservationRequest,
    ModifyReservationResponse,
    QuoteCancellationRequest,
    QuoteCancellationResponse,
    QuoteLateCheckoutRequest,
    QuoteLateCheckoutResponse,
    RecordNoShowRequest,
    RecordNoShowResponse,
    RejectDepositRequest,
    RejectDepositResponse,
    SubmitDepositReceiptRequest,
    SubmitDepositReceiptResponse,
    WatchReservationsRequest,
    WatchReservationsResponse,
)
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceServicer
from conserje.booking.v1.reservation_pb2 import Reservation as ReservationMessage

from meshkit import pages
from meshkit.money import Money, to_proto
from services.booking.cache import AvailabilityCache
from services.booking.domain import Reservation, normal_code
from services.booking.pms.worker import PmsWorker
from services.booking.reservations import domain, wire
from services.booking.reservations.domain import Decide, Facts, Order, by_staff
from services.booking.reservations.stream import ReservationStream
from services.booking.reservations.terms_wire import from_terms
from services.booking.store import BookingStore
from services.booking.wire import to_accepted, to_id, to_stay

Context = grpc.aio.ServicerContext[Any, Any]
EVERYTHING = (dt.date.min, UUID(int=0))
"""Before the first reservation of any list."""


class ReservationServicer(BookingServiceServicer):
    """The part of `conserje.booking.v1.BookingService` that is about reservations."""

    def __init__(
        self,
        store: BookingStore,
        cache: AvailabilityCache,
        stream: ReservationStream,
        pms: PmsWorker,
    ) -> None:
        self._store = store
        self._cache = cache
        self._stream = stream
        self._pms = pms

    async def ConfirmReservation(
        self, request: ConfirmReservationRequest, context: Context
    ) -> ConfirmReservationResponse:
        """Turn a lock into a reservation."""
        lock_id = to_id(request.lock_id, "LOCK_UNKNOWN")
        held = (lock_id, request.owner_token, request.fencing_number)
        order = wire.to_order(request, *held)
        reservation = await self._store.confirm_for(order, *held)
        await self._cache.outdate([request.tenant_id])
        reservation = await self._pms.settled(self._store, reservation)
        return ConfirmReservationResponse(reservation=wire.from_reservation(reservation))

    async def GetReservation(
        self, request: GetReservationRequest, context: Context
    ) -> GetReservationResponse:
        """Look a reservation up by its id or its code."""
        if request.HasField("confirmation_code"):
            key: UUID | str = normal_code(request.confirmation_code)
        else:
            key = wire.to_reservation_id(request.reservation_id)
        reservation = await self._store.reservation(request.tenant_id, key)
        return GetReservationResponse(reservation=wire.from_reservation(reservation))

    async def ListReservations(
        self, request: ListReservationsRequest, context: Context
    ) -> ListReservationsResponse:
        """The reservations of a hotel by day of arrival."""
        wanted, size = wire.to_filter(request), pages.page_size(request.page_size)
        after = wire.to_place(request.page_token) if request.page_token else EVERYTHING
        found = await self._store.page(wanted, after, size)
        response = ListReservationsResponse(
            reservations=[wire.from_reservation(one) for one in found]
        )
        if len(found) == size:
            last = found[-1]
            response.next_page_token = pages.to_token(last.stay.check_in, last.reservation_id)
        return response

    async def ListReservationEvents(
        self, request: ListReservationEventsRequest, context: Context
    ) -> ListReservationEventsResponse:
        """The history of a reservation."""
        size = pages.page_size(request.page_size)
        after = pages.number_from_token(request.page_token)
        reservation_id = wire.to_reservation_id(request.reservation_id)
        found = await self._store.events(request.tenant_id, reservation_id, after, size)
        response = ListReservationEventsResponse(events=[wire.from_event(one) for one in found])
        if len(found) == size:
            response.next_page_token = pages.to_token(found[-1].reservation.version)
        return response

    async def CreateReservation(
        self, request: CreateReservationRequest, context: Context
    ) -> CreateReservationResponse:
        """Book rooms at once."""
        plan = request.rate_plan_id
        stay, rooms = to_stay(request), wire.to_rooms(request.rooms)
        told = [plan] if plan else []  # Older requests keep their fingerprint.
        order = wire.to_order(request, stay, rooms, request.guest_id, *told)
        booked = await self._store.create(order, request.guest_id, stay, rooms, plan)
        await self._cache.outdate([order.tenant_id])
        booked = await self._pms.settled(self._store, booked)
        return CreateReservationResponse(reservation=wire.from_reservation(booked))

    async def ModifyReservation(
        self, request: ModifyReservationRequest, context: Context
    ) -> ModifyReservationResponse:
        """Other dates, rooms or guests."""
        wishes = wire.to_wishes(request)
        order = _order(request, wishes)
        reservation_id = wire.to_reservation_id(request.reservation_id)
        changed = await self._store.modify(order, reservation_id, wishes)
        await self._cache.outdate([order.tenant_id])
        return ModifyReservationResponse(reservation=wire.from_reservation(changed))

    async def GetReservationTerms(
        self, request: GetReservationTermsRequest, context: Context
    ) -> GetReservationTermsResponse:
        """What a hotel asks of those who book now."""
        terms, currency_code = await self._store.terms(request.tenant_id)
        return GetReservationTermsResponse(terms=from_terms(terms, currency_code))

    async def QuoteCancellation(
        self, request: QuoteCancellationRequest, context: Context
    ) -> QuoteCancellationResponse:
        """What cancelling would cost now."""
        reservation, facts = await self._look(request.tenant_id, request.reservation_id)
        quote = domain.cancellation_quote(reservation, facts)
        response = QuoteCancellationResponse()
        to_proto(Money(quote.penalty, reservation.currency_code), response.penalty)
        if quote.valid_until is not None:
            response.valid_until_time.FromDatetime(quote.valid_until)
        return response

    async def CancelReservation(
        self, request: CancelReservationRequest, context: Context
    ) -> CancelReservationResponse:
        """Cancel a reservation."""
        accepted = to_accepted(
            request.accepted_penalty, request.HasField("accepted_penalty"), "accepted_penalty"
        )
        # Without either it is the request of the first release, and has its fingerprint.
        said = (accepted, request.penalty_waived) if accepted or request.penalty_waived else ()
        order = _order(request, *said)
        if request.penalty_waived:
            by_staff(order.actor)
        decide = domain.cancel(accepted, waived=request.penalty_waived)
        return CancelReservationResponse(reservation=await self._change(request, order, decide))

    async def CheckInReservation(
        self, request: CheckInReservationRequest, context: Context
    ) -> CheckInReservationResponse:
        """The guests are given their rooms."""
        order = _staff_order(request)
        changed = await self._change(request, order, domain.check_in)
        return CheckInReservationResponse(reservation=changed)

    async def CheckOutReservation(
        self, request: CheckOutReservationRequest, context: Context
    ) -> CheckOutReservationResponse:
        """The guests leave."""
        order = _staff_order(request)
        changed = await self._change(request, order, domain.check_out)
        return CheckOutReservationResponse(reservation=changed)

    async def RecordNoShow(
        self, request: RecordNoShowRequest, context: Context
    ) -> RecordNoShowResponse:
        """Nobody came."""
        order = _staff_order(request)
        changed = await self._change(request, order, domain.record_no_show)
        return RecordNoShowResponse(reservation=changed)

    async def QuoteLateCheckout(
        self, request: QuoteLateCheckoutRequest, context: Context
    ) -> QuoteLateCheckoutResponse:
        """What leaving late would cost."""
        reservation, facts = await self._look(request.tenant_id, request.reservation_id)
        until = wire.to_time(request.until_time)
        quote = domain.late_checkout_quote(reservation, facts, until)
        late = wire.from_late_checkout(quote, reservation.currency_code)
        return QuoteLateCheckoutResponse(late_checkout=late)

    async def AcceptLateCheckout(
        self, request: AcceptLateCheckoutRequest, context: Context
    ) -> AcceptLateCheckoutResponse:
        """Let the guests keep their rooms longer."""
        accepted = to_accepted(
            request.accepted_fee, request.HasField("accepted_fee"), "accepted_fee"
        )
        order = _order(request, request.until_time, accepted)
        decide = domain.accept_late_checkout(wire.to_time(request.until_time), accepted)
        return AcceptLateCheckoutResponse(reservation=await self._change(request, order, decide))

    async def SubmitDepositReceipt(
        self, request: SubmitDepositReceiptRequest, context: Context
    ) -> SubmitDepositReceiptResponse:
        """The guest shows a receipt."""
        order = _order(request, request.receipt_reference)
        decide = domain.submit_receipt(request.receipt_reference)
        return SubmitDepositReceiptResponse(reservation=await self._change(request, order, decide))

    async def ApproveDeposit(
        self, request: ApproveDepositRequest, context: Context
    ) -> ApproveDepositResponse:
        """A person has found the deposit paid."""
        order = _staff_order(request)
        changed = await self._change(request, order, domain.approve_deposit)
        return ApproveDepositResponse(reservation=changed)

    async def RejectDeposit(
        self, request: RejectDepositRequest, context: Context
    ) -> RejectDepositResponse:
        """A person has found that the receipt proves nothing."""
        order = _staff_order(request)
        changed = await self._change(request, order, domain.reject_deposit)
        return RejectDepositResponse(reservation=changed)

    async def WatchReservations(
        self, request: WatchReservationsRequest, context: Context
    ) -> AsyncIterator[WatchReservationsResponse]:
        """Tell every change."""
        parts = self._stream.watch(request.tenant_id, request.after_version)
        async for part in parts:
            yield wire.from_part(part)

    async def _look(self, tenant_id: str, reservation_id: str) -> tuple[Reservation, Facts]:
        """A reservation and what is true of it now; changes nothing."""
        key = wire.to_reservation_id(reservation_id)
        reservation = await self._store.reservation(tenant_id, key)
        return reservation, await self._store.facts(reservation)

    async def _change(
        self, request: wire.ChangeRequest, order: Order, decide: Decide
    ) -> ReservationMessage:
        """The reservation after a change; whoever searches next sees its nights."""
        reservation_id = wire.to_reservation_id(request.reservation_id)
        method = type(request).__name__.removesuffix("Request")
        changed = await self._store.change(method, order, reservation_id, decide)
        await self._cache.outdate([order.tenant_id])
        return wire.from_reservation(changed)


def _order(request: wire.ChangeRequest, *content: object) -> Order:
    return wire.to_order(request, wire.to_reservation_id(request.reservation_id), *content)


def _staff_order(request: wire.ChangeRequest) -> Order:
    """An order that only a person of the hotel may give."""
    order = _order(request)
    by_staff(order.actor)
    return order
