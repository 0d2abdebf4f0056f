"""Rows of reservations, read into what the domain knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import asyncpg

from services.booking import quotes
from services.booking.domain import (
    Deposit,
    Guests,
    LateCheckout,
    Reservation,
    ReservationState,
    ReservedRoom,
    Stay,
)
from services.booking.reservations.domain import Actor, ActorKind
from services.booking.reservations.snapshot import reservation_from_json, terms_from_json

SELECT_ROOMS = """
SELECT r.reservation_id, r.tenant_id, r.confirmation_code, r.guest_id, r.state, r.create_time,
    r.cancel_time, r.version, r.terms, r.penalty, r.deposit_amount, r.deposit_due_time,
    r.deposit_receipt_reference, r.deposit_receipt_time, r.late_checkout_until,
    r.late_checkout_fee, r.check_in_time, r.check_out_time,
    s.stay_number, s.room_type_id, s.arrival AS check_in, s.departure AS check_out,
    s.adult_count, s.child_count, s.nightly_prices, s.currency_code, s.quote, m.room_number
FROM reservation r
JOIN stay s ON s.tenant_id = r.tenant_id AND s.reservation_id = r.reservation_id
LEFT JOIN room m ON m.room_key = s.room_key
"""
"""One row for each room; `reservations` puts those of a reservation together."""

SELECT_EVENTS = """
SELECT transaction_id::text::bigint AS position, action, from_state, actor_kind, actor_id, reason,
    event_time, reservation
FROM reservation_event
"""


@dataclass(frozen=True, slots=True)
class ReservationEvent:
    """One change: who, when, why, and the reservation afterwards."""

    position: int
    """Its place in the stream of all events; grows in the order they become visible."""
    action: str
    from_state: str
    actor: Actor
    reason: str
    event_time: dt.datetime
    reservation: Reservation


def reservations(rows: Iterable[asyncpg.Record]) -> list[Reservation]:
    """The reservations of rows that are ordered by reservation and stay number."""
    grouped = groupby(rows, key=lambda row: row["reservation_id"])
    return [_reservation(list(of_one)) for _, of_one in grouped]


def _reservation(rows: list[asyncpg.Record]) -> Reservation:
    row = rows[0]
    return Reservation(
        reservation_id=row["reservation_id"],
        tenant_id=row["tenant_id"],
        confirmation_code=row["confirmation_code"],
        stay=Stay(row["check_in"], row["check_out"]),
        state=ReservationState(row["state"]),
        rooms=tuple(_room(one) for one in rows),
        guest_id=row["guest_id"],
        create_time=row["create_time"],
        cancel_time=row["cancel_time"],
        version=row["version"],
        terms=terms_from_json(row["terms"]),
        penalty=row["penalty"],
        deposit=_deposit(row),
        late_checkout=_late_checkout(row),
        check_in_time=row["check_in_time"],
        check_out_time=row["check_out_time"],
    )


def _room(row: asyncpg.Record) -> ReservedRoom:
    return ReservedRoom(
        stay_number=row["stay_number"],
        room_type_id=row["room_type_id"],
        guests=Guests(row["adult_count"], row["child_count"]),
        quote=quotes.from_row(row["nightly_prices"], row["currency_code"], row["quote"]),
        room_number=row["room_number"] or "",
    )


def _deposit(row: asyncpg.Record) -> Deposit | None:
    if row["deposit_amount"] is None:
        return None
    return Deposit(
        amount=row["deposit_amount"],
        due_time=row["deposit_due_time"],
        receipt_reference=row["deposit_receipt_reference"],
        receipt_time=row["deposit_receipt_time"],
    )


def _late_checkout(row: asyncpg.Record) -> LateCheckout | None:
    if row["late_checkout_until"] is None:
        return None
    return LateCheckout(row["late_checkout_until"], row["late_checkout_fee"])


def event(row: asyncpg.Record) -> ReservationEvent:
    """A change, from a row of `SELECT_EVENTS`."""
    return ReservationEvent(
        position=row["position"],
        action=row["action"],
        from_state=row["from_state"],
        actor=Actor(ActorKind(row["actor_kind"]), row["actor_id"]),
        reason=row["reason"],
        event_time=row["event_time"],
        reservation=reservation_from_json(row["reservation"]),
    )
