"""What Postgres holds of a hotel's inventory, and how it is replaced.

An import takes the property's row, then the rows of all its types in the order
that everybody keeps: no lock is granted and nothing is booked meanwhile.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from meshkit.errors import Aborted, FailedPrecondition
from meshkit.postgres import Postgres
from services.booking.domain import refusal
from services.booking.inventory.domain import Inventory, SoldType
from services.booking.inventory.draft import Draft
from services.booking.inventory.snapshot import (
    details_from_json,
    details_to_json,
    house_from_json,
    house_to_json,
)
from services.booking.reservations.snapshot import terms_from_json, terms_to_json

if TYPE_CHECKING:
    from meshkit.postgres import Connection

MOST_NAMED = 10
"""So many rooms, types or nights are named in a refusal."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a hotel sells from `today` on, and which version of it that is."""

    inventory: Inventory
    today: dt.date
    version: int

    @property
    def etag(self) -> str:
        """The version as others see it."""
        return str(self.version) if self.version or self.inventory.room_types else ""


# One statement, so that all of it is of one moment.
SELECT_INVENTORY = """
SELECT p.tenant_id, p.time_zone, p.currency_code, p.inventory_version, p.house, p.reservation_terms,
    p.lock_seconds, p.live_locks_per_guest, p.today, t.room_type_id, t.display_names,
    t.max_guest_count, t.details, r.room_ids, r.room_numbers, n.nights, n.prices, n.last_night
FROM (
    SELECT p.*, (clock_timestamp() AT TIME ZONE p.time_zone)::date AS today
    FROM property p WHERE p.tenant_id = ANY ($1) OFFSET 0
) p
LEFT JOIN room_type t ON t.tenant_id = p.tenant_id
LEFT JOIN LATERAL (
    SELECT array_agg(r.room_id) AS room_ids, array_agg(r.room_number) AS room_numbers
    FROM room r WHERE r.tenant_id = t.tenant_id AND r.room_type_id = t.room_type_id
) r ON true
LEFT JOIN LATERAL (
    SELECT max(n.night) AS last_night,
        array_agg(n.night) FILTER (WHERE n.price IS NOT NULL) AS nights,
        array_agg(n.price) FILTER (WHERE n.price IS NOT NULL) AS prices
    FROM night_inventory n
    WHERE n.tenant_id = t.tenant_id AND n.room_type_id = t.room_type_id AND n.night >= p.today
) n ON true
ORDER BY p.tenant_id
"""
"""Of hotels, one row for each room type; `stored_of` puts those of a hotel together."""


class InventoryStore:
    """The inventories of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def inventory(self, tenant_id: str) -> Stored:
        """What a hotel sells."""
        hotel = self._postgres.of(tenant_id)
        found = stored_of(await hotel.fetch(SELECT_INVENTORY, [tenant_id]))
        if not found:
            raise refusal("PROPERTY_UNKNOWN")
        return found[tenant_id]

    INSERT_PROPERTY = """
INSERT INTO property (tenant_id, time_zone, currency_code) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id) DO NOTHING
"""
    LOCK_PROPERTY = "SELECT FROM property WHERE tenant_id = $1 FOR NO KEY UPDATE"
    LOCK_TYPES = """
SELECT lock_room_types(array_agg(t.tenant_id), array_agg(t.room_type_id)),
    array_agg(t.room_type_id) AS room_type_ids
FROM room_type t WHERE t.tenant_id = $1
"""
    # Lapsed locks are dead, but still counted.
    REAP_LOCKS = """
SELECT reap_lapsed_locks(array_fill($1::text, ARRAY[cardinality($2::text[])]), $2, NULL)
"""
    SELECT_TODAY = """
SELECT (clock_timestamp() AT TIME ZONE time_zone)::date FROM property WHERE tenant_id = $1
"""
    UPDATE_PROPERTY = """
UPDATE property SET time_zone = $2, currency_code = $3 WHERE tenant_id = $1
"""
    UPDATE_HOUSE = """
UPDATE property
SET house = $2, reservation_terms = $3, lock_seconds = $4, live_locks_per_guest = $5,
    inventory_version = inventory_version + 1
WHERE tenant_id = $1
"""

    async def replace(self, tenant_id: str, draft: Draft, *, validate_only: bool) -> Stored:
        """Sell what the draft says, or refuse; what is sold then, or would be."""
        async with self._postgres.of(tenant_id).acquire() as connection:
            undo = connection.transaction()
            await undo.start()
            stored = await self._replace(connection, tenant_id, draft)
            if validate_only:
                await undo.rollback()
            else:
                await undo.commit()
        return stored

    async def _replace(self, connection: Connection, tenant_id: str, draft: Draft) -> Stored:
        place = (tenant_id, draft.time_zone, draft.currency_code)
        await connection.execute(self.INSERT_PROPERTY, *place)
        await connection.execute(self.LOCK_PROPERTY, tenant_id)
        locked = await connection.fetchrow(self.LOCK_TYPES, tenant_id)
        if locked is not None and locked["room_type_ids"]:
            await connection.execute(self.REAP_LOCKS, tenant_id, locked["room_type_ids"])
        before = await self._read(connection, tenant_id)
        # Where it is now decides what is held; where it will be, which night is today.
        await connection.execute(self.UPDATE_PROPERTY, *place)
        today = await connection.fetchval(self.SELECT_TODAY, tenant_id)
        wanted = draft.read(today, before.inventory)
        if wanted == before.inventory:
            return before
        if draft.etag != before.etag:
            raise Aborted(
                "INVENTORY_CHANGED",
                "The inventory was changed since it was read."
                if draft.etag
                else "The hotel has an inventory: export it, and change that with its etag.",
                etag=before.etag,
            )
        await self._refuse_what_is_sold(connection, tenant_id, before, wanted, today)
        await self._write(connection, tenant_id, before.inventory, wanted, today)
        house, terms = house_to_json(wanted.house), terms_to_json(wanted.terms)
        decided = (house, terms, wanted.lock_seconds, wanted.locks_per_guest)
        await connection.execute(self.UPDATE_HOUSE, tenant_id, *decided)
        return await self._read(connection, tenant_id)

    async def _read(self, connection: Connection, tenant_id: str) -> Stored:
        return stored_of(await connection.fetch(SELECT_INVENTORY, [tenant_id]))[tenant_id]

    # A type that was ever held or booked is in the ledger, which keeps its name.
    SELECT_TYPES_SOLD = """
SELECT t.id FROM unnest($2::text[]) AS t (id)
WHERE EXISTS (SELECT FROM room_lock l WHERE l.tenant_id = $1 AND l.room_type_id = t.id)
    OR EXISTS (SELECT FROM stay s WHERE s.tenant_id = $1 AND s.room_type_id = t.id)
ORDER BY 1 LIMIT $3
"""
    SELECT_ROOMS_SOLD = """
SELECT r.room_id FROM room r
WHERE r.tenant_id = $1 AND r.room_id = ANY ($2::text[])
    AND (EXISTS (SELECT FROM stay s WHERE s.room_key = r.room_key)
        OR EXISTS (SELECT FROM room_closure c WHERE c.room_key = r.room_key)
        OR EXISTS (
            SELECT FROM room_lock l
            WHERE l.tenant_id = r.tenant_id AND l.room_type_id = r.room_type_id
                AND l.state = 'LIVE' AND l.room_key = r.room_key))
ORDER BY 1 LIMIT $3
"""
    # `$2` and `$3` say how many rooms each type gains; no type, no room.
    SELECT_NIGHTS_SOLD = """
SELECT n.room_type_id || ' ' || n.night FROM night_inventory n
LEFT JOIN unnest($2::text[], $3::integer[]) AS w (id, gain) ON w.id = n.room_type_id
WHERE n.tenant_id = $1 AND n.night >= $4 AND n.held + n.sold > 0
    AND (n.night > $5 OR n.held + n.sold > n.debt + greatest(n.sellable + w.gain, 0))
ORDER BY n.room_type_id, n.night LIMIT $6
"""
    SELECT_ANY_SOLD = """
SELECT EXISTS (
    SELECT FROM night_inventory n
    WHERE n.tenant_id = $1 AND n.night >= $2 AND n.held + n.sold > 0
)
"""

    async def _refuse_what_is_sold(
        self,
        connection: Connection,
        tenant_id: str,
        before: Stored,
        wanted: Inventory,
        today: dt.date,
    ) -> None:
        had = before.inventory
        gone_types = sorted(had.room_types.keys() - wanted.room_types.keys())
        gone_rooms = sorted(_places(had) - _places(wanted))
        gains = _gains(had, wanted)
        nights = (list(gains), list(gains.values()), today, wanted.last_night)
        lost: dict[str, tuple[str, tuple[object, ...]]] = {
            "room_types": (self.SELECT_TYPES_SOLD, (gone_types,)),
            "rooms": (self.SELECT_ROOMS_SOLD, ([room_id for _, room_id in gone_rooms],)),
            "nights": (self.SELECT_NIGHTS_SOLD, nights),
        }
        facts: dict[str, Any] = {}
        for name, (sql, arguments) in lost.items():
            rows = await connection.fetch(sql, tenant_id, *arguments, MOST_NAMED)
            if rows:
                facts[name] = ", ".join(row[0] for row in rows)
        if had.currency_code != wanted.currency_code and await connection.fetchval(
            self.SELECT_ANY_SOLD, tenant_id, today
        ):
            facts["currency_code"] = had.currency_code
        if facts:
            raise FailedPrecondition(
                "INVENTORY_SOLD", "It would take away what is held or sold.", **facts
            )

    DELETE_NIGHTS = """
DELETE FROM night_inventory n
WHERE n.tenant_id = $1 AND (n.room_type_id = ANY ($2::text[]) OR n.night > $3)
"""
    DELETE_ROOMS = "DELETE FROM room WHERE tenant_id = $1 AND room_id = ANY ($2::text[])"
    DELETE_TYPES = "DELETE FROM room_type WHERE tenant_id = $1 AND room_type_id = ANY ($2::text[])"
    UPSERT_TYPE = """
INSERT INTO room_type (tenant_id, room_type_id, display_names, max_guest_count, details)
VALUES ($1, $2, $3::jsonb, $4, $5)
ON CONFLICT (tenant_id, room_type_id) DO UPDATE
SET display_names = excluded.display_names, max_guest_count = excluded.max_guest_count,
    details = excluded.details
"""
    # Rooms may exchange their numbers: out of each other's way first.
    CLEAR_NUMBERS = """
UPDATE room SET room_number = E'\\x01' || room_id WHERE tenant_id = $1 AND room_type_id = $2
"""
    UPSERT_ROOMS = """
INSERT INTO room (tenant_id, room_type_id, room_id, room_number)
SELECT $1, $2, u.id, u.number FROM unnest($3::text[], $4::text[]) AS u (id, number)
ON CONFLICT (tenant_id, room_id) DO UPDATE SET room_number = excluded.room_number
"""
    # A night that has fewer rooms than the type (some are shut) keeps the difference; a night
    # that is new lacks those that were shut for it.
    UPSERT_NIGHTS = """
INSERT INTO night_inventory AS n (tenant_id, room_type_id, night, sellable, price)
SELECT $1, $2, u.night, $3 - (
        SELECT count(*) FROM room_closure c
        WHERE c.tenant_id = $1 AND c.room_type_id = $2 AND c.end_time IS NULL
            AND upper(c.nights) > u.night AND lower(c.nights) <= u.night
    ), u.price
FROM unnest($5::date[], $6::numeric[]) AS u (night, price)
ON CONFLICT (tenant_id, room_type_id, night) DO UPDATE
SET sellable = greatest(n.sellable + $4, 0), price = excluded.price
WHERE $4 <> 0 OR n.price IS DISTINCT FROM excluded.price
"""

    async def _write(
        self,
        connection: Connection,
        tenant_id: str,
        had: Inventory,
        wanted: Inventory,
        today: dt.date,
    ) -> None:
        gone_types = sorted(had.room_types.keys() - wanted.room_types.keys())
        gone_rooms = [room_id for _, room_id in sorted(_places(had) - _places(wanted))]
        await connection.execute(self.DELETE_NIGHTS, tenant_id, gone_types, wanted.last_night)
        await connection.execute(self.DELETE_ROOMS, tenant_id, gone_rooms)
        await connection.execute(self.DELETE_TYPES, tenant_id, gone_types)
        gains = _gains(had, wanted)
        span = (wanted.last_night - today).days + 1
        nights = [today + dt.timedelta(days=day) for day in range(span)]
        for room_type_id, one in sorted(wanted.room_types.items()):
            key = (tenant_id, room_type_id)
            names = orjson.dumps(dict(one.display_names)).decode()
            details = details_to_json(one.details)
            await connection.execute(self.UPSERT_TYPE, *key, names, one.max_guest_count, details)
            await self._write_rooms(connection, key, had.room_types.get(room_type_id), one)
            prices = [one.prices.get(night) for night in nights]
            counts = (len(one.rooms), gains[room_type_id])
            await connection.execute(self.UPSERT_NIGHTS, *key, *counts, nights, prices)

    async def _write_rooms(
        self, connection: Connection, key: tuple[str, str], had: SoldType | None, one: SoldType
    ) -> None:
        if had is not None and had.rooms == one.rooms:
            return
        await connection.execute(self.CLEAR_NUMBERS, *key)
        rooms = (list(one.rooms), list(one.rooms.values()))
        await connection.execute(self.UPSERT_ROOMS, *key, *rooms)


def _places(inventory: Inventory) -> set[tuple[str, str]]:
    """Every room with its type: one that changes its type is another room."""
    return {(kind, room) for kind, one in inventory.room_types.items() for room in one.rooms}


def _gains(had: Inventory, wanted: Inventory) -> Mapping[str, int]:
    """How many rooms more each wanted type has than before."""
    before = {kind: len(one.rooms) for kind, one in had.room_types.items()}
    return {
        kind: len(one.rooms) - before.get(kind, 0)
        for kind, one in sorted(wanted.room_types.items())
    }


def stored_of(rows: Iterable[asyncpg.Record]) -> dict[str, Stored]:
    """What each hotel sells."""
    grouped = groupby(rows, key=lambda row: str(row["tenant_id"]))
    return {tenant_id: _stored(list(of_one)) for tenant_id, of_one in grouped}


def _stored(rows: Sequence[asyncpg.Record]) -> Stored:
    today: dt.date = rows[0]["today"]
    inventory = Inventory(
        time_zone=rows[0]["time_zone"],
        currency_code=rows[0]["currency_code"],
        last_night=max((row["last_night"] for row in rows if row["last_night"]), default=today),
        room_types={row["room_type_id"]: _type(row) for row in rows if row["room_type_id"]},
        house=house_from_json(rows[0]["house"]),
        terms=terms_from_json(rows[0]["reservation_terms"]),
        lock_seconds=rows[0]["lock_seconds"],
        locks_per_guest=rows[0]["live_locks_per_guest"],
    )
    return Stored(inventory, today, rows[0]["inventory_version"])


def _type(row: asyncpg.Record) -> SoldType:
    return SoldType(
        room_type_id=row["room_type_id"],
        display_names=orjson.loads(row["display_names"]),
        max_guest_count=row["max_guest_count"],
        rooms=dict(zip(row["room_ids"] or (), row["room_numbers"] or (), strict=True)),
        prices=dict(zip(row["nights"] or (), row["prices"] or (), strict=True)),
        details=details_from_json(row["details"]),
    )
