"""What a conversation has come to, in a word for the people of the hotel."""

from datetime import datetime
from enum import Enum

from services.messaging.conversation.state import Reservation, State


class Stage(Enum):
    """What it has come to."""

    TALKING = "talking"
    OFFERED = "offered"
    ROOM_HELD = "room held"
    BOOKING_AWAITED = "booking awaited"
    HOTEL_AWAITED = "hotel awaited"
    RESERVED = "reserved"
    CANCELLING = "cancelling"


def stage_of(state: State, now: datetime) -> Stage:
    """The nearest of what is going on; a room whose time has run out is none that is held."""
    if state.open is not None:
        return Stage.BOOKING_AWAITED
    if state.cancelling:
        return Stage.CANCELLING
    if state.lock is not None and state.lock.expire_time > now:
        return Stage.ROOM_HELD
    if state.offer is not None:
        return Stage.OFFERED
    if awaited_codes(state, now):
        return Stage.HOTEL_AWAITED
    return Stage.RESERVED if _coming(state, now) else Stage.TALKING


def awaited_codes(state: State, now: datetime) -> tuple[str, ...]:
    """The reservations that the hotel's own system has not agreed to yet, by their codes."""
    return tuple(one.code for one in _coming(state, now) if one.pending)


def _coming(state: State, now: datetime) -> list[Reservation]:
    return [one for one in state.reservations if one.room.stay.check_out >= now.date()]
