"""Everybody of a room type in rooms, near pins: read, settled and written under the type's row.

Away from pins nothing of this runs: there the counters of the nights say all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from services.booking.domain import refusal
from services.booking.rooms.assigning import Claim, Nights, UndecidedError, assign_most

if TYPE_CHECKING:
    from meshkit.postgres import Connection

STAY, LOCK = "STAY", "LOCK"
UNDECIDED = "UNDECIDED"
"""The reason when the search gave up: nothing is remembered, and staff have to look."""
EACH_NIGHT_FREE = {"each_night_free": "true"}
"""Told with `SOLD_OUT` where counters, which come first, had a room for each of the nights."""

SELECT_TODAY = """
SELECT (clock_timestamp() AT TIME ZONE p.time_zone)::date AS today,
    coalesce(t.pinned_until > (clock_timestamp() AT TIME ZONE p.time_zone)::date, false) AS pinned
FROM room_type t JOIN property p ON p.tenant_id = t.tenant_id
WHERE t.tenant_id = $1 AND t.room_type_id = $2
"""
# Guests who are inside, or were, stay where they are; nights that are over matter to nobody.
SELECT_PLAN = """
SELECT 'ROOM' AS kind, NULL::uuid AS id, 0 AS number, room_key, NULL::date AS first,
    NULL::date AS departure, false AS fixed, room_number AS name, false AS left_out
FROM room WHERE tenant_id = $1 AND room_type_id = $2
UNION ALL
SELECT 'SHUT', closure_id, 0, room_key, greatest(lower(nights), $3), upper(nights), true, '',
    false
FROM room_closure
WHERE tenant_id = $1 AND room_type_id = $2 AND end_time IS NULL AND upper(nights) > $3
UNION ALL
SELECT 'STAY', s.reservation_id, s.stay_number, s.room_key, greatest(s.arrival, $3),
    s.departure,
    s.pinned OR s.room_key IS NOT NULL AND r.state IN ('CHECKED_IN', 'CHECKED_OUT'),
    r.confirmation_code, s.room_key IS NULL
FROM stay s
JOIN reservation r ON r.tenant_id = s.tenant_id AND r.reservation_id = s.reservation_id
WHERE s.tenant_id = $1 AND s.room_type_id = $2 AND s.occupying AND s.departure > $3
UNION ALL
SELECT 'LOCK', lock_id, 0, room_key, greatest(check_in, $3), check_out, pinned,
    coalesce(part_of, lock_id)::text, left_out
FROM room_lock
WHERE tenant_id = $1 AND room_type_id = $2 AND state = 'LIVE' AND check_out > $3
    AND expire_time > clock_timestamp()
ORDER BY kind, name, first, id, number
"""
SELECT_PARTICULAR = """
SELECT room_key FROM room WHERE tenant_id = $1 AND room_type_id = $2 AND room_id = $3
"""
MOVE = "SELECT move_into_rooms($1, $2, $3, $4, $5, $6)"
# The rooms that a reservation's lock was for, by stay number.
SELECT_ASKED_FOR = """
SELECT l.part_number, l.room_key
FROM reservation r CROSS JOIN lock_with_parts(r.tenant_id, r.lock_id) l
WHERE r.tenant_id = $1 AND r.reservation_id = $2 AND l.pinned AND l.room_key IS NOT NULL
"""
SELECT_PINNED_TYPES = """
SELECT DISTINCT s.room_type_id FROM stay s
WHERE s.tenant_id = $1 AND s.reservation_id = $2 AND is_pinned(s.tenant_id, s.room_type_id)
"""


SELECT_TYPES_MOVED = """
SELECT DISTINCT s.room_type_id
FROM stay s JOIN unnest($3::integer[], $4::bigint[]) AS u (number, room_key)
    ON u.number = s.stay_number AND u.room_key IS DISTINCT FROM s.room_key
WHERE s.tenant_id = $1 AND s.reservation_id = $2
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose claim it is: a room of a reservation, or a lock."""

    kind: str
    holder_id: UUID
    number: int
    name: str
    """As others know it: the confirmation code, the id of the whole lock."""

    @property
    def key(self) -> str:
        """Names the claim."""
        return claim_key(self.kind, self.holder_id, self.number)


@dataclass(slots=True)
class Plan:
    """A room type as it is: its rooms, what is shut, who needs a room."""

    tenant_id: str
    room_type_id: str
    today: dt.date
    pinned: bool
    """Whether it has pins from today on."""
    rooms: list[int] = field(default_factory=list)
    numbers: dict[int, str] = field(default_factory=dict)
    shut: dict[int, list[Nights]] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    holders: dict[str, Holder] = field(default_factory=dict)
    had: dict[str, int | None] = field(default_factory=dict)
    """The room that is written down for each claim."""
    homeless: set[str] = field(default_factory=set)
    """Who was sold a room that is not there."""

    def add(self, row: asyncpg.Record) -> None:
        """One row of `SELECT_PLAN`."""
        room = row["room_key"]
        if row["kind"] == "ROOM":
            self.rooms.append(room)
            self.numbers[room] = row["name"]
            return
        nights = (row["first"].toordinal(), row["departure"].toordinal())
        if row["kind"] == "SHUT":
            self.shut.setdefault(room, []).append(nights)
            return
        holder = Holder(row["kind"], row["id"], row["number"], row["name"])
        self.holders[holder.key] = holder
        self.claims[holder.key] = Claim(holder.key, *nights, room, row["fixed"])
        self.had[holder.key] = room
        if row["left_out"]:
            self.homeless.add(holder.key)

    def take(self, placed: Mapping[str, int]) -> None:
        """Go on from these rooms; nothing is written."""
        for key, room in placed.items():
            self.claims[key] = replace(self.claims[key], room=room)

    def forget_locks(self) -> None:
        """Plan for what is booked alone."""
        for key, holder in self.holders.items():
            if holder.kind == LOCK:
                self.claims.pop(key)
                self.had.pop(key)
                self.homeless.discard(key)

    def number_of(self, room: int | None) -> str:
        """The hotel's number of a room; empty for none."""
        return "" if room is None else self.numbers[room]

    def bind(self, rooms: Mapping[str, int]) -> None:
        """Those of these claims that are of this type are for these very rooms."""
        for key in self.claims.keys() & rooms.keys():
            self.claims[key] = replace(self.claims[key], room=rooms[key], fixed=True)

    def has_room(self, nights: Nights, room: int | None) -> bool:
        """Whether one more can sleep here on these nights, in this very room or in any.

        No when nobody knows: then nobody is let in either.
        """
        first, end = max(nights[0], self.today.toordinal()), nights[1]
        wanted = Claim("", first, end, room, fixed=room is not None)
        everybody = [*self.claims.values(), wanted]
        try:
            return assign_most(self.rooms, self.shut, everybody, self.homeless) is not None
        except UndecidedError:
            return False

    def settled(self) -> tuple[dict[str, int], list[str]]:
        """As `settle`; away from pins locks keep a room of the type, whichever."""
        if not self.pinned:
            self.forget_locks()
        return self.settle(self.homeless)

    def settle(self, optional: Collection[str]) -> tuple[dict[str, int], list[str]]:
        """Who gets which room, and who of the optional ones none.

        Refuses with `SOLD_OUT` when somebody else would have none, with
        `UNDECIDED` when nobody knows.
        """
        try:
            found = assign_most(self.rooms, self.shut, list(self.claims.values()), optional)
        except UndecidedError:
            raise refusal(UNDECIDED) from None
        if found is None:
            raise refusal("SOLD_OUT", EACH_NIGHT_FREE)
        return found

    def moves(self, placed: Mapping[str, int]) -> list[tuple[Holder, int | None]]:
        """Who changes the room, and into which; None for out of it."""
        return [
            (self.holders[key], placed.get(key))
            for key, had in self.had.items()
            if had != placed.get(key) or (key not in placed and key not in self.homeless)
        ]


def claim_key(kind: str, holder_id: UUID, number: int = 0) -> str:
    """Names the claim of a room of a reservation, or of a lock."""
    return f"{kind}/{holder_id}/{number}"


async def load(connection: Connection, tenant_id: str, room_type_id: str) -> Plan:
    """The type, which there is, as it is; whoever decides by it holds its row."""
    type_key = (tenant_id, room_type_id)
    row = await connection.fetchrow(SELECT_TODAY, *type_key)
    assert row is not None, "there is such a type"
    plan = Plan(*type_key, today=row["today"], pinned=row["pinned"])
    for one in await connection.fetch(SELECT_PLAN, *type_key, plan.today):
        plan.add(one)
    return plan


async def particular_room(
    connection: Connection, tenant_id: str, room_type_id: str, room_id: str
) -> int:
    """The key of this very room; refuses with `ROOM_UNKNOWN` when the type has none of that id."""
    found: int | None = await connection.fetchval(
        SELECT_PARTICULAR, tenant_id, room_type_id, room_id
    )
    if found is None:
        raise refusal("ROOM_UNKNOWN")
    return found


async def write(connection: Connection, plan: Plan, placed: Mapping[str, int]) -> None:
    """Everybody into the room that was found."""
    moves = plan.moves(placed)
    if not moves:
        return
    stays = [(one, room) for one, room in moves if one.kind == STAY]
    locks = [(one, room) for one, room in moves if one.kind == LOCK]
    await connection.execute(
        MOVE,
        plan.tenant_id,
        [one.holder_id for one, _ in stays],
        [one.number for one, _ in stays],
        [room for _, room in stays],
        [one.holder_id for one, _ in locks],
        [room for _, room in locks],
    )


async def settle(
    connection: Connection,
    tenant_id: str,
    room_type_id: str,
    fresh: Collection[str],
    bound: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Near pins: rooms for all of the type, those of `fresh` for the first time.

    `bound` claims are for this very room. Refuses with `SOLD_OUT` or `UNDECIDED`.
    Whoever was sold a room that is not there, before, gets one if that costs
    nobody else one.
    """
    plan = await load(connection, tenant_id, room_type_id)
    plan.bind(bound)
    if plan.pinned:
        placed, _ = plan.settle(plan.homeless - set(fresh))
        await write(connection, plan, placed)


async def settle_reservation(
    connection: Connection,
    tenant_id: str,
    reservation_id: UUID,
    stay_numbers: Iterable[int],
    bound: Mapping[int, int] | None = None,
) -> bool:
    """`settle` for each type of a reservation that has just taken its rooms; whether any was.

    `bound` names the rooms, by stay number, that are sold as this very room; None: those that
    its lock was for, whose takers make way when it had run out and there is another room.
    """
    pinned = await connection.fetch(SELECT_PINNED_TYPES, tenant_id, reservation_id)
    if not pinned:
        return False
    if bound is None:
        asked = await connection.fetch(SELECT_ASKED_FOR, tenant_id, reservation_id)
        bound = {row["part_number"]: row["room_key"] for row in asked}
    fresh = [claim_key(STAY, reservation_id, number) for number in stay_numbers]
    rooms = {claim_key(STAY, reservation_id, number): room for number, room in bound.items()}
    for row in pinned:
        await settle(connection, tenant_id, row["room_type_id"], fresh, rooms)
    return True


async def keep_rooms(
    connection: Connection, tenant_id: str, reservation_id: UUID, rooms: Mapping[int, int]
) -> None:
    """Puts a reservation that has just taken its nights into these rooms, by stay number.

    Whoever has not arrived makes way. Refuses with `SOLD_OUT` when they cannot, or
    `UNDECIDED`.
    """
    moved = await connection.fetch(
        SELECT_TYPES_MOVED, tenant_id, reservation_id, list(rooms), list(rooms.values())
    )
    bound = {claim_key(STAY, reservation_id, number): room for number, room in rooms.items()}
    for row in moved:
        plan = await load(connection, tenant_id, row["room_type_id"])
        plan.bind(bound)
        plan.homeless.difference_update(bound)
        placed, _ = plan.settled()
        await write(connection, plan, placed)
