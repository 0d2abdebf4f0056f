"""What a hotel's people are told that a conversation has come to."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from meshkit.money import Money
from services.messaging.conversation.stage import Stage, stage_of
from services.messaging.conversation.state import (
    CommandKind,
    Lock,
    Offer,
    OpenCommand,
    Reservation,
    Room,
    State,
    Stay,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
ROOM = Room(
    "double", {}, Stay(date(2026, 12, 10), date(2026, 12, 12), 2, 0), Money(Decimal(9), "EUR")
)
LOCK = Lock("1", "t", 1, ROOM, (), NOW + timedelta(minutes=5))
OFFER = Offer(1, (ROOM,))
BOOKED = Reservation("1", "CODE", "1", ROOM)
PENDING = replace(BOOKED, pending=True)
OVER = replace(BOOKED, room=replace(ROOM, stay=Stay(date(2026, 1, 1), date(2026, 1, 2), 2, 0)))


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        (State(), Stage.TALKING),
        (State(offer=OFFER), Stage.OFFERED),
        (State(offer=OFFER, lock=LOCK), Stage.ROOM_HELD),
        (State(offer=OFFER, lock=replace(LOCK, expire_time=NOW)), Stage.OFFERED),
        (State(lock=LOCK, open=OpenCommand(1, CommandKind.CONFIRM)), Stage.BOOKING_AWAITED),
        (State(reservations=(BOOKED,)), Stage.RESERVED),
        (State(reservations=(BOOKED, PENDING)), Stage.HOTEL_AWAITED),
        (State(reservations=(BOOKED,), offer=OFFER), Stage.OFFERED),
        (State(reservations=(BOOKED,), cancelling="1"), Stage.CANCELLING),
        (State(reservations=(OVER,)), Stage.TALKING),
    ],
)
def test_it_is_told_what_is_nearest(state: State, stage: Stage) -> None:
    assert stage_of(state, NOW) is stage
