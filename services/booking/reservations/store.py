"""Reservations in Postgres: one transaction a change, with its event and its answer.

A change takes the row of its reservation first and then those of its room
types, in key order; whoever decides about types alone never asks for a
reservation, so nobody waits in a circle. The stored answer is looked up after
that wait, in a statement of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID, uuid4, uuid5

import asyncpg
import orjson

from meshkit.errors import FailedPrecondition, MeshError, Unavailable
from meshkit.postgres import Postgres
from services.booking.domain import MAX_NIGHTS, Reservation, new_code, refusal
from services.booking.inventory.book import PriceBook
from services.booking.metrics import BookingMetrics
from services.booking.reservations import domain
from services.booking.reservations.domain import SYSTEM, Change, Decide, Facts, Order
from services.booking.reservations.elsewhere import tell_pms
from services.booking.reservations.requote import quote_again
from services.booking.reservations.rows import (
    SELECT_EVENTS,
    SELECT_ROOMS,
    ReservationEvent,
    event,
    reservations,
)
from services.booking.reservations.snapshot import (
    reservation_from_json,
    reservation_to_json,
    terms_from_json,
    terms_to_json,
)
from services.booking.reservations.terms import Terms
from services.booking.reservations.transitions import TRANSITIONS, Action, Origin
from services.booking.rooms.placing import settle_reservation

if TYPE_CHECKING:
    from meshkit.postgres import Connection

ATTEMPTS = 3
"""A decision broken off by a deadlock or a lost connection is sent this often in all."""
BROKEN_OFF = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.UniqueViolationError,
    ConnectionError,
)
"""What says nothing about the request. A unique violation is the same request id
under way for another type, or a confirmation code that is taken: the next attempt
finds the stored answer, or draws another code."""

INVENTORY_MOVED = "INVENTORY_MOVED"
"""What is answered instead of deciding by prices that are others now; nobody is told."""

LAPSE_NAMESPACE = UUID("0d4c7a3e-2f57-4a55-9f0b-54b3f1f2a9a6")
"""The sweeper's request ids are derived under it: the same lapse on every replica."""

FREE_CANCELLATION = domain.cancel()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reservations of a hotel; what is not given does not matter."""

    tenant_id: str
    states: tuple[str, ...] = ()
    guest_id: str = ""
    arrival_from: dt.date = dt.date.min
    arrival_until: dt.date = dt.date.max
    """The day after the last arrival that is meant."""
    staying_on: dt.date | None = None
    """A night of the stay."""


class ReservationStore:
    """Reservations of all hotels."""

    def __init__(
        self, postgres: Postgres, metrics: BookingMetrics, book: PriceBook | None = None
    ) -> None:
        self._postgres = postgres
        self._metrics = metrics
        self._book = book or PriceBook(postgres, metrics)

    BY_ID = SELECT_ROOMS + (
        "WHERE r.tenant_id = $1 AND r.reservation_id = $2 ORDER BY s.stay_number"
    )
    BY_CODE = SELECT_ROOMS + (
        "WHERE r.tenant_id = $1 AND r.confirmation_code = $2 ORDER BY s.stay_number"
    )

    async def reservation(self, tenant_id: str, key: UUID | str) -> Reservation:
        """The reservation with this id (UUID) or this confirmation code (str)."""
        async with self._postgres.acquire() as connection:
            return await self._read(connection, tenant_id, key)

    async def _read(self, connection: Connection, tenant_id: str, key: UUID | str) -> Reservation:
        sql = self.BY_ID if isinstance(key, UUID) else self.BY_CODE
        found = reservations(await connection.fetch(sql, tenant_id, key))
        if not found:
            raise refusal("RESERVATION_UNKNOWN")
        return found[0]

    SELECT_PAGE = """
SELECT s.reservation_id
FROM stay s
JOIN reservation r ON r.tenant_id = s.tenant_id AND r.reservation_id = s.reservation_id
WHERE s.tenant_id = $1 AND s.stay_number = 1
    AND lower(s.nights) >= $2 AND lower(s.nights) < $3
    AND (lower(s.nights), s.reservation_id) > ($4, $5)
    AND (cardinality($6::text[]) = 0 OR r.state = ANY ($6))
    AND ($7 = '' OR r.guest_id = $7)
    AND ($8::date IS NULL OR s.nights @> $8::date)
ORDER BY lower(s.nights), s.reservation_id LIMIT $9
"""
    BY_IDS = SELECT_ROOMS + (
        "WHERE r.tenant_id = $1 AND r.reservation_id = ANY ($2)"
        " ORDER BY lower(s.nights), r.reservation_id, s.stay_number"
    )

    async def page(
        self, wanted: Filter, after: tuple[dt.date, UUID], size: int
    ) -> list[Reservation]:
        """At most `size` reservations by day of arrival and id, after a place in that order."""
        first, end = wanted.arrival_from, wanted.arrival_until
        if wanted.staying_on is not None:
            # Whoever sleeps here that night arrived no longer ago than a stay may last.
            longest = dt.timedelta(days=MAX_NIGHTS)
            first = max(first, wanted.staying_on - longest)
            end = min(end, wanted.staying_on + dt.timedelta(days=1))
        rows = await self._postgres.fetch(
            self.SELECT_PAGE,
            wanted.tenant_id,
            first,
            end,
            *after,
            list(wanted.states),
            wanted.guest_id,
            wanted.staying_on,
            size,
        )
        found = [row["reservation_id"] for row in rows]
        return reservations(await self._postgres.fetch(self.BY_IDS, wanted.tenant_id, found))

    EVENTS_OF_RESERVATION = SELECT_EVENTS + (
        "WHERE tenant_id = $1 AND reservation_id = $2 AND version > $3 ORDER BY version LIMIT $4"
    )

    async def events(
        self, tenant_id: str, reservation_id: UUID, after_version: int, size: int
    ) -> list[ReservationEvent]:
        """What happened to a reservation, oldest first; it has to exist."""
        await self.reservation(tenant_id, reservation_id)
        rows = await self._postgres.fetch(
            self.EVENTS_OF_RESERVATION, tenant_id, reservation_id, after_version, size
        )
        return [event(row) for row in rows]

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
                "ConfirmReservation", lambda connection: self._confirm(connection, order, lock)
            )
        except FailedPrecondition as refused:
            if refused.reason != "SOLD_OUT":
                raise
        # It had run out, and near rooms that are shut nobody can make room for it.
        return await self._carry_out(
            "ConfirmReservation", lambda connection: self._refuse_expired(connection, order)
        )

    async def _refuse_expired(
        self, connection: Connection, order: Order
    ) -> Reservation | MeshError:
        known = await self._known(connection, order)
        if known is not None:
            return known
        expired = refusal("LOCK_EXPIRED")
        await self._store_answer(connection, order, expired, None)
        return expired

    async def _confirm(
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
            method, lambda connection: self._change(connection, order, reservation_id, decide)
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

    SELECT_HOUSE_TERMS = """
SELECT reservation_terms, currency_code FROM property WHERE tenant_id = $1
"""

    async def terms(self, tenant_id: str) -> tuple[Terms, str]:
        """What the hotel asks of those who book now, and its currency."""
        row = await self._postgres.fetchrow(self.SELECT_HOUSE_TERMS, tenant_id)
        if row is None:
            raise refusal("PROPERTY_UNKNOWN")
        return terms_from_json(row["reservation_terms"]), row["currency_code"]

    async def facts(self, reservation: Reservation) -> Facts:
        """What is true now, for a quote that changes nothing."""
        async with self._postgres.acquire() as connection:
            return await self._facts(connection, reservation)

    SELECT_FACTS = """
SELECT clock_timestamp() AS now, p.time_zone,
    EXISTS (
        SELECT FROM stay s
        JOIN stay o ON int8range(o.room_key, o.room_key, '[]')
                && int8range(s.room_key, s.room_key, '[]')
            AND o.nights && daterange(upper(s.nights), upper(s.nights) + 1)
            AND lower(o.nights) = upper(s.nights)
            AND o.occupying AND o.room_key IS NOT NULL
        WHERE s.tenant_id = p.tenant_id AND s.reservation_id = $2
            AND s.occupying AND s.room_key IS NOT NULL
    ) AS next_arrival
FROM property p WHERE p.tenant_id = $1
"""

    async def _facts(self, connection: Connection, reservation: Reservation) -> Facts:
        key = (reservation.tenant_id, reservation.reservation_id)
        row = await connection.fetchrow(self.SELECT_FACTS, *key)
        assert row is not None, "a reservation has a property"
        return Facts(row["now"], row["time_zone"], row["next_arrival"])

    SELECT_ANSWER = """
SELECT fingerprint, reason, metadata, subject_id FROM request_answer
WHERE tenant_id = $1 AND request_id = $2
"""

    async def _known(self, connection: Connection, order: Order) -> Reservation | MeshError | None:
        """The answer that was given to the request; None when it is new."""
        row = await connection.fetchrow(self.SELECT_ANSWER, order.tenant_id, order.request_id)
        if row is None:
            return None
        if row["fingerprint"] != order.fingerprint:
            return refusal("REQUEST_ID_REUSED")
        facts = orjson.loads(row["metadata"])
        if row["reason"]:
            return refusal(row["reason"], facts)
        now = await self._read(connection, order.tenant_id, row["subject_id"])
        return await self._as_of(connection, now, facts.get("version", now.version))

    SELECT_VERSION = """
SELECT reservation FROM reservation_event
WHERE tenant_id = $1 AND reservation_id = $2 AND version = $3
"""

    async def _as_of(self, connection: Connection, now: Reservation, version: int) -> Reservation:
        """The reservation as it was right after one of its changes."""
        key = (now.tenant_id, now.reservation_id, version)
        written = await connection.fetchval(self.SELECT_VERSION, *key)
        # Without an event: booked by the release before, and never changed since.
        return reservation_from_json(written) if written else now

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
SELECT count_stay(s.tenant_id, s.room_type_id, $3, upper(s.nights), 0, -1) FROM stay s
WHERE s.tenant_id = $1 AND s.reservation_id = $2 AND s.occupying AND upper(s.nights) > $3
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

    INSERT_ANSWER = """
INSERT INTO request_answer
    (tenant_id, request_id, fingerprint, reason, metadata, subject_id, create_time)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
"""

    async def _store_answer(
        self,
        connection: Connection,
        order: Order,
        refused: MeshError | None,
        after: Reservation | None,
    ) -> None:
        facts = refused.metadata if refused else {"version": after.version} if after else {}
        await connection.execute(
            self.INSERT_ANSWER,
            order.tenant_id,
            order.request_id,
            order.fingerprint,
            refused.reason if refused else "",
            orjson.dumps(facts).decode(),
            after and after.reservation_id,
        )

    SELECT_OVERDUE = """
SELECT tenant_id, reservation_id, deposit_due_time FROM reservation
WHERE state = 'AWAITING_DEPOSIT' AND deposit_due_time <= clock_timestamp()
ORDER BY deposit_due_time LIMIT $1
"""
    LAPSE_BATCH = 50

    async def lapse_overdue(self) -> int:
        """Let some reservations lapse whose deposit did not come; how many.

        Replicas may do it at once: the request id is derived from the deadline,
        so the second one reads the first one's answer.
        """
        rows = await self._postgres.fetch(self.SELECT_OVERDUE, self.LAPSE_BATCH)
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

    async def _carry_out(
        self, method: str, work: Callable[[Connection], Awaitable[Reservation | MeshError]]
    ) -> Reservation:
        """One transaction; what it answers is committed before a refusal is raised."""

        async def once() -> Reservation | MeshError:
            async with self._postgres.transaction() as connection:
                return await work(connection)

        answer = await self._persistently(once)
        outcome = answer.reason if isinstance(answer, MeshError) else "done"
        self._metrics.decisions.labels(method, outcome).inc()
        if isinstance(answer, MeshError):
            raise answer
        return answer

    async def _persistently(self, once: Callable[[], Awaitable[T]]) -> T:
        """Sent again when it was broken off, which its request id makes safe."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await once()
            except (Unavailable, asyncpg.UniqueViolationError) as error:
                cause = error.__cause__ if isinstance(error, Unavailable) else error
                if not isinstance(cause, BROKEN_OFF) or attempt == ATTEMPTS:
                    raise
                self._metrics.retries.inc()
        raise AssertionError("the last attempt returns or raises")


OCCUPYING = {rule.to_state: rule.occupying for rule in TRANSITIONS.values()}
"""Whether the nights of a reservation in this state are taken."""
