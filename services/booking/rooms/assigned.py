"""Who has which room, in Postgres: everybody who has none, and those who are to have another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from meshkit.errors import FailedPrecondition, MeshError
from services.booking.domain import refusal
from services.booking.reservations.domain import Order
from services.booking.reservations.store import ReservationStore
from services.booking.rooms.placing import STAY, UNDECIDED, Plan, claim_key, load, write

if TYPE_CHECKING:
    from meshkit.postgres import Connection


@dataclass(frozen=True, slots=True)
class Assignment:
    """The room that somebody is to have."""

    reservation_id: UUID
    stay_number: int
    room_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """A room of a reservation that has another number than before; empty for none."""

    reservation_id: str
    stay_number: int
    room_type_id: str
    previous_number: str
    number: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """Who has another room now, and who still has none."""

    moves: Sequence[Move]
    without: Sequence[str]


@dataclass(frozen=True, slots=True)
class Known:
    """What a request was answered before."""

    subject_id: UUID
    facts: Mapping[str, Any]


class AssignmentStore(ReservationStore):
    """Rooms for everybody, of all hotels."""

    LOCK_HOTEL = """
SELECT lock_room_types(array_agg(t.tenant_id), array_agg(t.room_type_id)),
    array_agg(t.room_type_id ORDER BY t.room_type_id) AS room_type_ids
FROM room_type t WHERE t.tenant_id = $1
"""
    SELECT_WISHED = """
SELECT room_type_id, room_key FROM room WHERE tenant_id = $1 AND room_id = $2
"""

    async def assign_rooms(self, order: Order, wishes: Sequence[Assignment]) -> Assigned:
        """Rooms for all who have none, and those wished for, with the fewest moves."""
        return await self._carry_out(
            "AssignRooms", order, lambda connection: self._assign(connection, order, wishes)
        )

    async def _assign(
        self, connection: Connection, order: Order, wishes: Sequence[Assignment]
    ) -> Assigned | MeshError:
        locked = await connection.fetchrow(self.LOCK_HOTEL, order.tenant_id)
        known = await self._answer_of(connection, order)
        if isinstance(known, MeshError):
            return known
        if known is not None:
            return Assigned([Move(**one) for one in known.facts["moves"]], known.facts["without"])
        if locked is None or not locked["room_type_ids"]:
            raise refusal("PROPERTY_UNKNOWN")
        plans = [await load(connection, order.tenant_id, one) for one in locked["room_type_ids"]]
        for wish in wishes:
            await self._wish(connection, order.tenant_id, plans, wish)
        try:
            settled = [plan.settled() for plan in plans]
        except FailedPrecondition as refused:
            if refused.reason == UNDECIDED:
                raise
            return await self._refused(connection, order, refusal("NO_ASSIGNMENT"))
        moves: list[Move] = []
        without: list[str] = []
        for plan, (placed, left_out) in zip(plans, settled, strict=True):
            moves += _moves(plan, placed)
            without += [str(plan.holders[key].holder_id) for key in left_out]
            await write(connection, plan, placed)
        facts = {"moves": [asdict(one) for one in moves], "without": without}
        await self._answered(connection, order, order.request_id, facts)
        return Assigned(moves, without)

    async def _wish(
        self, connection: Connection, tenant_id: str, plans: Sequence[Plan], wish: Assignment
    ) -> None:
        room = await connection.fetchrow(self.SELECT_WISHED, tenant_id, wish.room_id)
        if room is None:
            raise refusal("ROOM_UNKNOWN", {"room_id": wish.room_id})
        plan = next(one for one in plans if one.room_type_id == room["room_type_id"])
        key = claim_key(STAY, wish.reservation_id, wish.stay_number)
        if key not in plan.claims:
            named = asdict(wish) | {"room_type_id": plan.room_type_id}
            raise refusal("RESERVATION_UNKNOWN", named)
        if plan.claims[key].fixed and plan.claims[key].room != room["room_key"]:
            raise refusal("NO_ASSIGNMENT")
        plan.bind({key: room["room_key"]})
        plan.homeless.discard(key)

    KNOWN_ANSWER = "SELECT reason, metadata, subject_id FROM known_answer($1, $2, $3)"

    async def _answer_of(self, connection: Connection, order: Order) -> Known | MeshError | None:
        """What the request was answered before; None when it is new."""
        request = (order.tenant_id, order.request_id, order.fingerprint)
        row = await connection.fetchrow(self.KNOWN_ANSWER, *request)
        if row is None or row["reason"] is None:
            return None
        facts = orjson.loads(row["metadata"])
        return refusal(row["reason"], facts) if row["reason"] else Known(row["subject_id"], facts)

    async def _refused(self, connection: Connection, order: Order, refused: MeshError) -> MeshError:
        await self._store_answer(connection, order, refused, None)
        return refused

    async def _answered(
        self, connection: Connection, order: Order, subject_id: UUID, facts: Mapping[str, object]
    ) -> None:
        request = (order.tenant_id, order.request_id, order.fingerprint)
        told = orjson.dumps(facts).decode()
        await connection.execute(self.INSERT_ANSWER, *request, "", told, subject_id)


def _moves(plan: Plan, placed: Mapping[str, int]) -> list[Move]:
    return [
        Move(
            str(holder.holder_id),
            holder.number,
            plan.room_type_id,
            plan.number_of(plan.had[holder.key]),
            plan.number_of(room),
        )
        for holder, room in plan.moves(placed)
        if holder.kind == STAY and room is not None
    ]
