"""What a hotel still owes its guests, as the booking service knows it."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import grpc
from conserje.booking.v1.booking_service_pb2 import ListLocksRequest, ListReservationsRequest
from conserje.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from conserje.booking.v1.reservation_pb2 import (
    RESERVATION_STATE_AWAITING_DEPOSIT,
    RESERVATION_STATE_CONFIRMED,
    RESERVATION_STATE_DEPOSIT_RECEIVED,
    RESERVATION_STATE_PENDING_PMS,
)
from conserje.tenant.v1.tenant_pb2 import Tenant

from cli.asking import pages
from cli.channels import open_channel
from cli.counts import counted
from cli.places import target
from meshkit.dates import from_date

TO_COME = (
    RESERVATION_STATE_CONFIRMED,
    RESERVATION_STATE_AWAITING_DEPOSIT,
    RESERVATION_STATE_DEPOSIT_RECEIVED,
    RESERVATION_STATE_PENDING_PMS,
)
"""Reservations whose guests are expected."""


def booked(hotel: Tenant, given: str) -> str:
    """How many guests are to come and how many rooms are kept, or why that is not known.

    `given` is where another service is by `--target`: the mesh around that is not known.
    """
    place = "" if given else target("booking")
    if not place:
        return "what it has booked is not known: the booking service was not found"
    try:
        with open_channel(place) as channel:
            return _counts(BookingServiceStub(channel), hotel)
    except grpc.RpcError as error:
        return (
            f"what it has booked is not known: the booking service at {place} says "
            f"{error.code().name}"
        )


def _counts(stub: Any, hotel: Tenant) -> str:
    today = datetime.now(ZoneInfo(hotel.time_zone)).date()
    coming = ListReservationsRequest(
        tenant_id=hotel.tenant_id, states=TO_COME, first_check_in_date=from_date(today)
    )
    reservations = sum(len(one.reservations) for one in pages(stub.ListReservations, coming))
    kept = ListLocksRequest(tenant_id=hotel.tenant_id)
    locks = sum(len(one.locks) for one in pages(stub.ListLocks, kept))
    return (
        f"{counted(reservations, 'reservation')} from today on, and {counted(locks, 'live lock')}"
    )
