"""Follows the reservations of all hotels, so that a guest hears what a hotel has decided.

A hotel with a system of its own agrees or refuses when it can; by then the answer
to the guest's confirmation has been "asked". Any hotel may change or cancel what
it has agreed to, and a deposit comes or does not. What came of it is kept for the
conversation like the answer of a command, and the conversation goes on by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import structlog
from conserje.booking.v1.booking_service_pb2 import WatchReservationsRequest
from conserje.booking.v1.reservation_pb2 import (
    ACTOR_KIND_GUEST,
    RESERVATION_ACTION_APPROVE_DEPOSIT,
    RESERVATION_ACTION_CANCEL,
    RESERVATION_ACTION_LAPSE,
    RESERVATION_ACTION_MODIFY,
    RESERVATION_STATE_PENDING_PMS,
    ReservationEvent,
)

from meshkit.errors import MeshError, Unavailable
from meshkit.waiting import set_within
from meshkit.watch import SILENCE_SECONDS
from services.messaging.clients import (
    DEPOSIT_APPROVED,
    HOTEL_CANCELLED,
    HOTEL_DECIDED,
    HOTEL_MODIFIED,
    LAPSED,
    mailbox_of,
)
from services.messaging.store.news import News, NewsStore
from services.messaging.wake import Wake

if TYPE_CHECKING:
    from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceAsyncStub

NAMESPACE = UUID("c7b6a1de-58a1-4a3c-8a39-9f0f7f1f63d4")
PAUSE_SECONDS = 1.0
TOLD = {
    RESERVATION_ACTION_APPROVE_DEPOSIT: DEPOSIT_APPROVED,
    RESERVATION_ACTION_CANCEL: HOTEL_CANCELLED,
    RESERVATION_ACTION_MODIFY: HOTEL_MODIFIED,
    RESERVATION_ACTION_LAPSE: LAPSED,
}

log = structlog.get_logger()


class ReservationNews:
    """Hears what becomes of reservations."""

    def __init__(self, stub: BookingServiceAsyncStub, store: NewsStore, arrived: Wake) -> None:
        self._stub = stub
        self._store = store
        self._arrived = arrived
        self._told = ""

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow until told to stop; a stream that ends is resumed after a second."""
        following = asyncio.create_task(self._follow_always(stopping))
        await stopping.wait()
        following.cancel()
        await asyncio.wait([following])

    async def _follow_always(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self._follow()
            except (Unavailable, TimeoutError) as error:
                log.debug("reservations not followed", error=str(error))
            except MeshError as error:
                self._tell(error)
            except Exception:
                log.exception("reservations not followed")
            await set_within(stopping, PAUSE_SECONDS)

    async def _follow(self) -> None:
        version = await self._store.heard()
        request = WatchReservationsRequest(after_version=version)
        async with aclosing(_messages(self._stub.WatchReservations(request))) as messages:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    message = await anext(messages)
                self._told = ""
                if message.version == version:
                    continue
                news = list(_for_guests(message.events))
                await self._store.take_in(message.version, news)
                version = message.version
                if news:
                    self._arrived.set()

    def _tell(self, error: MeshError) -> None:
        """What does not end by waiting is told, once until the stream goes on."""
        if error.reason != self._told:
            self._told = error.reason
            log.warning("reservations not followed", reason=error.reason, message=error.message)


async def _messages(call: Any) -> AsyncGenerator[Any, None]:
    try:
        async for message in call:
            yield message
    finally:
        close = getattr(call, "cancel", None)
        if close is not None:
            close()


def _for_guests(events: Iterable[ReservationEvent]) -> Iterable[News]:
    """What hotels have decided about reservations made in a chat."""
    for event in events:
        reservation, method = event.reservation, _method(event)
        mailbox_id = mailbox_of(reservation.guest_id)
        if method is not None and mailbox_id is not None:
            yield News(
                reservation.tenant_id,
                uuid5(NAMESPACE, f"{reservation.reservation_id}/{reservation.etag}"),
                mailbox_id,
                method,
                reservation.SerializeToString(deterministic=True),
            )


def _method(event: ReservationEvent) -> str | None:
    """What a change is kept under for the conversation; None when its guest need not hear it."""
    if event.action in TOLD:
        # Guests hear what they do themselves as the answer of a command.
        return None if event.actor_kind == ACTOR_KIND_GUEST else TOLD[event.action]
    return HOTEL_DECIDED if event.previous_state == RESERVATION_STATE_PENDING_PMS else None
