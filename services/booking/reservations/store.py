"""Reservations in Postgres: one transaction a change, with its event and its answer.

A change takes the row of its reservation first and then those of its room
types, in key order; whoever decides about types alone never asks for a
reservation, so nobody waits in a circle. The stored answer is looked up after
that wait, in a statement of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4, uuid5

import orjson

from meshkit.errors import FailedPrecondition, MeshError
from services.booking.domain import Reservation, new_code, refusal
from services.booking.reservations import domain
from services.booking.reservations.deciding import DecidingStore
from services.booking.reservations.domain import SYSTEM, Change, Decide, Facts, Order
from services.booking.reservations.elsewhere import tell_pms
from services.booking.reservations.requote import quote_again
from services.booking.reservations.snapshot import (
    reservation_to_json,
    terms_from_json,
    terms_to_json,
)
from services.booking.reservations.transitions import TRANSITIONS, Action, Origin
from services.booking.rooms.placing import settle_reservation

if TYPE_CHECKING:
    from meshkit.postgres import Connection

INVENTORY_MOVED = "INVENTORY_MOVED"
"""What is answered instead of deciding by prices that are others now; nobody is told."""

CONFLICTS = ("LOCK_EXPIRED", "PRICE_CHANGED")
"""Why a lock that has run out cannot be had any more: others came first, or the hotel did."""

LAPSE_NAMESPACE = UUID("0d4c7a3e-2f57-4a55-9f0b-54b3f1f2a9a6")
"""The sweeper's request ids are derived under it: the same lapse on every replica."""

FREE_CANCELLATION = domain.cancel()


class ReservationStore(DecidingStore):
    """Changes reservations of all hotels."""

    CONFIRM_RESERVATION = """
SELECT reason, metadata, subject_id FROM confirm_reservation($1, $2, $3, $4, $5, $6, $7, $8)
"""
    COPY_QUOTES = """
UPDATE stay s SET quote = l.quote FROM lock_with_parts($1, $3) l
WHERE s.tenant_id = $1 AND s.reservation_id = $2 AND s.stay_number = l.part_number
    AND s.quote = '{}'
"""
    # Terms as they were shown with the quote.
    SELECT_TERMS = """
SELECT coalesce(s.quote -> 'terms', p.reservation_terms)::text AS terms,
    c.tenant_id IS NOT NULL AS via_pms
FROM property p
JOIN stay s ON s.tenant_id = p.tenant_id AND s.reservation_id = $2 AND s.stay_number = 1
LEFT JOIN pms_connection c ON c.tenant_id = p.tenant_id
WHERE p.tenant_id = $1
"""

    async def confirm(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        lock_id: UUID,
        owner_token: str,
        fencing_number: int,
    ) -> Reservation:
        """Turn a guest's lock into a reservation; the reservation as it was booked."""
        order = Order(tenant_id, request_id, digest)
        return await self.confirm_for(order, lock_id, owner_token, fencing_number)

    async def confirm_for(
        self, order: Order, lock_id: UUID, owner_token: str, fencing_number: int
    ) -> Reservation:
        """Turn a lock into a reservation, for whoever asks."""
        lock = (lock_id, owner_token, fencing_number)
        try:
            return await self._carry_out(
                "ConfirmReservation",
                order,
                lambda connection: self._confirm(connection, order, lock),
            )
        except FailedPrecondition as refused:
            if refused.reason != "SOLD_OUT":
                raise
        # Near rooms that are shut nobody can make room for it: it is as it was before.
        return await self._carry_out(
            "ConfirmReservation",
            order,
            lambda connection: self._refuse_roomless(connection, order, lock_id),
        )

    SELECT_IN_TIME = """
SELECT state = 'LIVE' AND expire_time > clock_timestamp() FROM room_lock
WHERE tenant_id = $1 AND lock_id = $2
"""

    async def _refuse_roomless(
        self, connection: Connection, order: Order, lock_id: UUID
    ) -> Reservation | MeshError:
        known = await self._known(connection, order)
        if known is not None:
            return known
        # In its time it had a room until the hotel shut that by force, and may have one again.
        in_time = await connection.fetchval(self.SELECT_IN_TIME, order.tenant_id, lock_id)
        refused = refusal("SOLD_OUT" if in_time else "LOCK_EXPIRED")
        await self._store_answer(connection, order, refused, None)
        await self._note_conflict(connection, order, lock_id, refused)
        return refused

    async def _confirm(
        self, connection: Connection, order: Order, lock: tuple[UUID, str, int]
    ) -> Reservation | MeshError:
        answer = await self._confirmed(connection, order, lock)
        if isinstance(answer, MeshError) and answer.reason in CONFLICTS:
            await self._note_conflict(connection, order, lock[0], answer)
        return answer

    # Once, however often it is asked.
    NOTE_CONFLICT = """
INSERT INTO lock_audit
    (tenant_id, event, reason, lock_id, request_id, room_type_id, check_in, check_out, guest_id,
    event_time)
SELECT l.tenant_id, 'REFUSED', $4, l.lock_id, $2, l.room_type_id, l.check_in, l.check_out,
    l.guest_id, clock_timestamp()
FROM room_lock l
WHERE l.tenant_id = $1 AND l.lock_id = $3 AND NOT EXISTS (
    SELECT FROM lock_audit a WHERE a.tenant_id = $1 AND a.lock_id = $3 AND a.request_id = $2
)
"""

    async def _note_conflict(
        self, connection: Connection, order: Order, lock_id: UUID, refused: MeshError
    ) -> None:
        request = (order.tenant_id, order.request_id)
        await connection.execute(self.NOTE_CONFLICT, *request, lock_id, refused.reason)

    async def _confirmed(
        self, connection: Connection, order: Order, lock: tuple[UUID, str, int]
    ) -> Reservation | MeshError:
        refused = await quote_again(connection, self._book, order, lock)
        if refused is not None:
            await self._store_answer(connection, order, refused, None)
            return refused
        row = await connection.fetchrow(
            self.CONFIRM_RESERVATION,
            order.tenant_id,
            order.request_id,
            order.fingerprint,
            *lock,
            uuid4(),
            new_code(),
        )
        assert row is not None
        if row["reason"]:
            return refusal(row["reason"], orjson.loads(row["metadata"]))
        key = (order.tenant_id, row["subject_id"])
        await connection.execute(self.COPY_QUOTES, *key, lock[0])
        booked = await self._read(connection, order.tenant_id, row["subject_id"])
        if booked.version:
            return await self._as_of(connection, booked, version=1)
        booked = await self._settled(connection, booked)
        return await self._open(connection, order, booked, Origin.LOCKED)

    async def _settled(self, connection: Connection, booked: Reservation) -> Reservation:
        """The reservation once everybody near rooms that are shut has a room."""
        key = (booked.tenant_id, booked.reservation_id)
        numbers = [room.stay_number for room in booked.rooms]
        moved = await settle_reservation(connection, *key, numbers)
        return await self._read(connection, *key) if moved else booked

    async def _open(
        self, connection: Connection, order: Order, booked: Reservation, origin: Origin
    ) -> Reservation:
        """The first event of a reservation whose rooms have just been taken."""
        key = (order.tenant_id, booked.reservation_id)
        row = await connection.fetchrow(self.SELECT_TERMS, *key)
        assert row is not None, "a reservation has a property"
        terms = terms_from_json(row["terms"])
        facts = await self._facts(connection, booked)
        if row["via_pms"]:
            change = domain.requested(booked, origin, terms)
        else:
            change = domain.opened(booked, origin, terms, facts)
        return await self._write(connection, order, change, booked, origin.value, facts)

    async def cancel(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        reservation_id: UUID,
        decide: Decide = FREE_CANCELLATION,
    ) -> Reservation:
        """Cancel a reservation that costs nothing to cancel; the reservation as it is then."""
        order = Order(tenant_id, request_id, digest)
        return await self.change("CancelReservation", order, reservation_id, decide)

    async def change(
        self, method: str, order: Order, reservation_id: UUID, decide: Decide
    ) -> Reservation:
        """Carry out what `decide` says; the reservation as it was right afterwards.

        A refusal is remembered under the request id like a success.
        """
        return await self._carry_out(
            method,
            order,
            lambda connection: self._change(connection, order, reservation_id, decide),
        )

    LOCK_RESERVATION = """
SELECT FROM reservation WHERE tenant_id = $1 AND reservation_id = $2 FOR NO KEY UPDATE
"""
    LOCK_TYPES = """
SELECT lock_room_types(array_agg(s.tenant_id), array_agg(s.room_type_id)) FROM stay s
WHERE s.tenant_id = $1 AND s.reservation_id = $2
"""

    async def _change(
        self, connection: Connection, order: Order, reservation_id: UUID, decide: Decide
    ) -> Reservation | MeshError:
        key = (order.tenant_id, reservation_id)
        await connection.execute(self.LOCK_RESERVATION, *key)
        await connection.execute(self.LOCK_TYPES, *key)
        known = await self._known(connection, order)
        if known is not None:
            return known
        before = await self._read(connection, *key)
        facts = await self._facts(connection, before)
        try:
            change = decide(before, facts)
        except FailedPrecondition as refused:
            await self._store_answer(connection, order, refused, None)
            return refused
        if change.reservation is before:
            await self._store_answer(connection, order, None, before)
            return before
        return await self._write(connection, order, change, before, before.state.value, facts)

    async def _write(
        self,
        connection: Connection,
        order: Order,
        change: Change,
        before: Reservation,
        from_state: str,
        facts: Facts,
    ) -> Reservation:
        """The change, its event, its answer."""
        after = replace(change.reservation, version=before.version + 1)
        await self._give_nights_back(connection, before, after)
        await self._update(connection, after)
        await self._insert_event(connection, order, change.action, from_state, after, facts)
        if from_state != Origin.LOCKED.value:  # There the lock's function has answered.
            await self._store_answer(connection, order, None, after)
        self._metrics.reservations.labels(change.action.value).inc()
        return after

    # From a day on: all of a reservation that ended, the rest of one that left early.
    COUNT_BACK = """
SELECT count_stay(s.tenant_id, s.room_type_id, $3, s.departure, 0, -1) FROM stay s
WHERE s.tenant_id = $1 AND s.reservation_id = $2 AND s.occupying AND s.departure > $3
"""
    UPDATE_STAYS = """
UPDATE stay SET occupying = $3, nights = daterange($4, $5)
WHERE tenant_id = $1 AND reservation_id = $2
"""

    async def _give_nights_back(
        self, connection: Connection, before: Reservation, after: Reservation
    ) -> None:
        occupying = OCCUPYING[after.state]
        if occupying and after.stay == before.stay:
            return
        key = (after.tenant_id, after.reservation_id)
        first = after.stay.check_out if occupying else before.stay.check_in
        await connection.execute(self.COUNT_BACK, *key, first)
        stay = after.stay
        await connection.execute(self.UPDATE_STAYS, *key, occupying, stay.check_in, stay.check_out)

    UPDATE_RESERVATION = """
UPDATE reservation SET state = $3, version = $4, terms = $5, penalty = $6, cancel_time = $7,
    deposit_amount = $8, deposit_due_time = $9, deposit_receipt_reference = $10,
    deposit_receipt_time = $11, late_checkout_until = $12, late_checkout_fee = $13,
    check_in_time = $14, check_out_time = $15
WHERE tenant_id = $1 AND reservation_id = $2
"""

    async def _update(self, connection: Connection, after: Reservation) -> None:
        deposit, late = after.deposit, after.late_checkout
        await connection.execute(
            self.UPDATE_RESERVATION,
            after.tenant_id,
            after.reservation_id,
            after.state.value,
            after.version,
            terms_to_json(after.terms),
            after.penalty,
            after.cancel_time,
            deposit and deposit.amount,
            deposit and deposit.due_time,
            deposit.receipt_reference if deposit else "",
            deposit and deposit.receipt_time,
            late and late.until,
            late and late.fee,
            after.check_in_time,
            after.check_out_time,
        )

    INSERT_EVENT = """
INSERT INTO reservation_event
    (tenant_id, reservation_id, version, action, from_state, to_state, actor_kind, actor_id,
    reason, request_id, event_time, reservation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

    async def _insert_event(
        self,
        connection: Connection,
        order: Order,
        action: Action,
        from_state: str,
        after: Reservation,
        facts: Facts,
    ) -> None:
        await connection.execute(
            self.INSERT_EVENT,
            after.tenant_id,
            after.reservation_id,
            after.version,
            action.value,
            from_state,
            after.state.value,
            order.actor.kind.value,
            order.actor.actor_id,
            order.reason,
            order.request_id,
            facts.now,
            reservation_to_json(after),
        )
        await tell_pms(connection, action, after)

    SELECT_OVERDUE = """
SELECT tenant_id, reservation_id, deposit_due_time FROM finder.overdue_reservations($1)
"""
    LAPSE_BATCH = 50

    async def lapse_overdue(self) -> int:
        """Let some reservations lapse whose deposit did not come; how many.

        Replicas may do it at once: the request id is derived from the deadline,
        so the second one reads the first one's answer.
        """
        rows = await self._postgres.finder.fetch(self.SELECT_OVERDUE, self.LAPSE_BATCH)
        lapsed = 0
        for row in rows:
            reservation_id: UUID = row["reservation_id"]
            due = row["deposit_due_time"].isoformat()
            request_id = uuid5(LAPSE_NAMESPACE, f"{reservation_id}/{due}")
            order = Order(row["tenant_id"], request_id, b"lapse", SYSTEM, "DEPOSIT_OVERDUE")
            try:
                await self.change("LapseReservation", order, reservation_id, domain.lapse)
            except FailedPrecondition:
                continue  # Somebody was faster: paid, cancelled, or given more time.
            lapsed += 1
        return lapsed


OCCUPYING = {rule.to_state: rule.occupying for rule in TRANSITIONS.values()}
"""Whether the nights of a reservation in this state are taken."""
