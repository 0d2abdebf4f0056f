"""Rooms shut and opened again in Postgres: one transaction, under the type's row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID, uuid4

import asyncpg
import structlog

from meshkit.errors import FailedPrecondition, InvalidArgument, MeshError
from services.booking.domain import refusal
from services.booking.reservations.domain import Order
from services.booking.rooms.assigned import AssignmentStore
from services.booking.rooms.domain import Closure, Debt, Place, Span, sold
from services.booking.rooms.placing import STAY, Plan, load, write

if TYPE_CHECKING:
    from meshkit.postgres import Connection

log = structlog.get_logger()

T = TypeVar("T")

SELECT_CLOSURES = """
SELECT c.closure_id, c.tenant_id, c.room_type_id, r.room_id, r.room_number,
    lower(c.nights) AS first, upper(c.nights) AS departure, c.reason, c.actor_id, c.create_time,
    c.end_time
FROM room_closure c JOIN room r ON r.room_key = c.room_key
"""


@dataclass(frozen=True, slots=True)
class Shut:
    """A room that was shut, and who has no room because of it."""

    closure: Closure
    reservation_ids: Sequence[str]


class RoomStore(AssignmentStore):
    """Rooms out of order, of all hotels."""

    SELECT_ROOM = "SELECT room_type_id, room_key FROM room WHERE tenant_id = $1 AND room_id = $2"
    LOCK_TYPE = "SELECT lock_room_types(ARRAY[$1::text], ARRAY[$2::text])"
    REAP = "SELECT reap_lapsed_locks(ARRAY[$1::text], ARRAY[$2::text], NULL)"
    SELECT_SHUT = """
SELECT EXISTS (
    SELECT FROM room_closure c
    WHERE c.tenant_id = $1 AND c.room_type_id = $2 AND c.room_key = $3
        AND c.nights && daterange($4, $5) AND c.end_time IS NULL
)
"""
    INSERT_CLOSURE = """
INSERT INTO room_closure
    (tenant_id, closure_id, room_type_id, room_key, nights, reason, actor_id, create_time)
VALUES ($1, $2, $3, $4, daterange($5, $6), $7, $8, clock_timestamp())
"""
    PIN_TYPE = "SELECT pin_type($1, $2, $3)"
    # What is sold beyond what is left is written down as debt.
    TAKE_FROM_SALE = """
UPDATE night_inventory
SET sellable = sellable - 1, debt = greatest(debt, held + sold - sellable + 1)
WHERE tenant_id = $1 AND room_type_id = $2 AND night >= $3 AND night < $4
"""

    async def shut(self, order: Order, room_id: str, nights: Span, *, forced: bool) -> Shut:
        """Take a room out of order; refused when somebody would have no room, unless forced."""
        return await self._carry_out(
            "ShutRoom",
            order,
            lambda connection: self._shut(connection, order, room_id, nights, forced),
        )

    async def _shut(
        self, connection: Connection, order: Order, room_id: str, nights: Span, forced: bool
    ) -> Shut | MeshError:
        room = await connection.fetchrow(self.SELECT_ROOM, order.tenant_id, room_id)
        if room is None:
            raise refusal("ROOM_UNKNOWN")
        type_key = (order.tenant_id, room["room_type_id"])
        await connection.execute(self.LOCK_TYPE, *type_key)
        known = await self._known_closure(connection, order)
        if known is not None:
            return known
        await connection.execute(self.REAP, *type_key)
        plan = await load(connection, *type_key)
        if nights.last < plan.today:
            raise InvalidArgument.field("last_night_date", "is before the property's today")
        if await connection.fetchval(
            self.SELECT_SHUT, *type_key, room["room_key"], nights.first, nights.end
        ):
            return await self._refused(connection, order, refusal("ALREADY_SHUT"))
        without = without_room(plan, room["room_key"], nights)
        if (without.left_out or without.disturbed) and not forced:
            hit = _sold(plan, [*without.left_out, *without.disturbed])
            return await self._refused(connection, order, hit)
        await write(connection, plan, without.placed)
        closure_id = uuid4()
        place = (order.tenant_id, closure_id, room["room_type_id"], room["room_key"])
        days = (nights.first, nights.end)
        who = (order.reason, order.actor.actor_id)
        await connection.execute(self.INSERT_CLOSURE, *place, *days, *who)
        await connection.execute(self.PIN_TYPE, *type_key, nights.end)
        first = max(nights.first, plan.today)
        await connection.execute(self.TAKE_FROM_SALE, *type_key, first, nights.end)
        left_out = [plan.holders[key] for key in without.left_out]
        reservations = sorted({str(one.holder_id) for one in left_out if one.kind == STAY})
        await self._answered(connection, order, closure_id, {"reservations": reservations})
        closure = await self._closure(connection, order.tenant_id, closure_id)
        if left_out:
            self._metrics.left_without_room.inc(len(left_out))
            log.warning("room shut below what is sold", **_told(closure), without=reservations)
        return Shut(closure, reservations)

    LOCK_CLOSURE = """
SELECT lock_room_types(ARRAY[tenant_id], ARRAY[room_type_id]), room_type_id
FROM room_closure WHERE tenant_id = $1 AND closure_id = $2
"""
    END_CLOSURE = """
UPDATE room_closure SET end_time = clock_timestamp()
WHERE tenant_id = $1 AND closure_id = $2 AND end_time IS NULL
RETURNING room_type_id, lower(nights) AS first, upper(nights) AS departure
"""
    PUT_ON_SALE = """
UPDATE night_inventory SET sellable = sellable + 1
WHERE tenant_id = $1 AND room_type_id = $2 AND night >= $3 AND night < $4
"""
    COUNT_PINS = """
UPDATE room_type t SET pinned_until = (
    SELECT max(p.departure) FROM (
        SELECT upper(c.nights) AS departure FROM room_closure c
        WHERE c.tenant_id = $1 AND c.room_type_id = $2 AND c.end_time IS NULL
        UNION ALL
        SELECT s.departure FROM stay s
        WHERE s.tenant_id = $1 AND s.room_type_id = $2 AND s.occupying AND s.pinned
        UNION ALL
        SELECT l.check_out FROM room_lock l
        WHERE l.tenant_id = $1 AND l.room_type_id = $2 AND l.state = 'LIVE' AND l.pinned
    ) p
)
WHERE t.tenant_id = $1 AND t.room_type_id = $2
"""

    async def reopen(self, order: Order, closure_id: UUID) -> Closure:
        """Sell a room again from today on; who has no room gets one where there is one now."""
        return (
            await self._carry_out(
                "ReopenRoom", order, lambda connection: self._reopen(connection, order, closure_id)
            )
        ).closure

    async def _reopen(
        self, connection: Connection, order: Order, closure_id: UUID
    ) -> Shut | MeshError:
        key = (order.tenant_id, closure_id)
        if await connection.fetchrow(self.LOCK_CLOSURE, *key) is None:
            raise refusal("CLOSURE_UNKNOWN")
        known = await self._known_closure(connection, order)
        if known is not None:
            return known
        ended = await connection.fetchrow(self.END_CLOSURE, *key)
        if ended is not None:
            type_key = (order.tenant_id, ended["room_type_id"])
            plan = await load(connection, *type_key)
            first = max(ended["first"], plan.today)
            await connection.execute(self.PUT_ON_SALE, *type_key, first, ended["departure"])
            await connection.execute(self.COUNT_PINS, *type_key)
            try:
                placed, _ = plan.settle(plan.homeless)
            except FailedPrecondition:
                pass  # Nobody lost anything: who has no room waits for `AssignRooms`.
            else:
                await write(connection, plan, placed)
        await self._answered(connection, order, closure_id, {})
        return Shut(await self._closure(connection, *key), ())

    SELECT_CLOSURE = SELECT_CLOSURES + "WHERE c.tenant_id = $1 AND c.closure_id = $2"
    SELECT_OPEN = SELECT_CLOSURES + (
        "JOIN property p ON p.tenant_id = c.tenant_id"
        " WHERE c.tenant_id = $1 AND c.end_time IS NULL"
        " AND upper(c.nights) > (clock_timestamp() AT TIME ZONE p.time_zone)::date"
        " AND (lower(c.nights), c.closure_id) > ($2, $3) AND ($4 = '' OR c.room_type_id = $4)"
        " ORDER BY lower(c.nights), c.closure_id LIMIT $5"
    )

    async def _closure(self, connection: Connection, tenant_id: str, closure_id: UUID) -> Closure:
        row = await connection.fetchrow(self.SELECT_CLOSURE, tenant_id, closure_id)
        assert row is not None
        return _closure(row)

    async def closures(
        self, tenant_id: str, room_type_id: str, after: Place, size: int
    ) -> list[Closure]:
        """At most `size` rooms that are or will be shut, by first night, after a place."""
        rows = await self._postgres.of(tenant_id).fetch(
            self.SELECT_OPEN, tenant_id, *after, room_type_id, size
        )
        return [_closure(row) for row in rows]

    SELECT_DEBTS = """
WITH hotel AS MATERIALIZED (
    SELECT (clock_timestamp() AT TIME ZONE p.time_zone)::date AS today
    FROM property p WHERE p.tenant_id = $1
)
SELECT d.night, d.room_type_id, max(d.debt) AS room_count,
    array_agg(DISTINCT d.reservation_id) FILTER (WHERE d.reservation_id IS NOT NULL) AS homeless
FROM (
    SELECT n.night, n.room_type_id, n.debt, NULL::uuid AS reservation_id
    FROM hotel h JOIN night_inventory n ON n.tenant_id = $1 AND n.debt > 0 AND n.night >= h.today
    UNION ALL
    SELECT greatest(s.arrival, h.today) + g.day, s.room_type_id, 0, s.reservation_id
    FROM hotel h
    JOIN stay s ON s.tenant_id = $1 AND s.occupying AND s.room_key IS NULL
        AND s.departure > h.today
    CROSS JOIN generate_series(0, s.departure - greatest(s.arrival, h.today) - 1)
        AS g (day)
) d
WHERE (d.night, d.room_type_id) > ($2, $3)
GROUP BY d.night, d.room_type_id ORDER BY d.night, d.room_type_id LIMIT $4
"""

    async def debts(self, tenant_id: str, after: tuple[dt.date, str], size: int) -> list[Debt]:
        """At most `size` nights on which more is sold than there is, after a place."""
        rows = await self._postgres.of(tenant_id).fetch(self.SELECT_DEBTS, tenant_id, *after, size)
        return [
            Debt(row["night"], row["room_type_id"], row["room_count"], row["homeless"] or ())
            for row in rows
        ]

    async def _known_closure(self, connection: Connection, order: Order) -> Shut | MeshError | None:
        known = await self._answer_of(connection, order)
        if known is None or isinstance(known, MeshError):
            return known
        closure = await self._closure(connection, order.tenant_id, known.subject_id)
        return Shut(closure, known.facts.get("reservations", ()))


@dataclass(frozen=True, slots=True)
class Without:
    """Everybody's room when one room is shut."""

    placed: dict[str, int]
    left_out: list[str]
    """Who has none then."""
    disturbed: list[str]
    """Who has another one, but is inside, or was sold this very room."""


def without_room(plan: Plan, room: int, nights: Span) -> Without:
    """What shutting a room comes to; whoever is in it may be moved or go without, nobody else."""
    homeless = plan.homeless
    if not plan.pinned:
        plan.take(plan.settle(homeless)[0])
    shut = (max(nights.first, plan.today).toordinal(), nights.end.toordinal())
    inside = {
        key: claim
        for key, claim in plan.claims.items()
        if claim.room == room and claim.first < shut[1] and shut[0] < claim.end
    }
    plan.shut.setdefault(room, []).append(shut)
    for key, claim in inside.items():
        plan.claims[key] = replace(claim, fixed=False)
    try:
        placed, left_out = plan.settle(homeless)
    except FailedPrecondition:
        placed, left_out = plan.settle(homeless | inside.keys())
    fresh = [key for key in left_out if key not in homeless]
    disturbed = [key for key, claim in inside.items() if claim.fixed and key in placed]
    return Without(placed, fresh, disturbed)


def _told(closure: Closure) -> dict[str, str]:
    """What the log says of a closure."""
    return {
        "tenant_id": closure.tenant_id,
        "room_id": closure.room_id,
        "closure_id": str(closure.closure_id),
    }


def _sold(plan: Plan, keys: Sequence[str]) -> MeshError:
    """Who is in the way."""
    holders = [plan.holders[key] for key in keys]
    reservations = sorted({one.name for one in holders if one.kind == STAY})
    return sold(reservations, sorted({one.name for one in holders if one.kind != STAY}))


def _closure(row: asyncpg.Record) -> Closure:
    last = row["departure"] - dt.timedelta(days=1)
    return Closure(
        closure_id=row["closure_id"],
        tenant_id=row["tenant_id"],
        room_id=row["room_id"],
        room_number=row["room_number"],
        room_type_id=row["room_type_id"],
        nights=Span(row["first"], last),
        reason=row["reason"],
        actor_id=row["actor_id"],
        create_time=row["create_time"],
        end_time=row["end_time"],
    )
