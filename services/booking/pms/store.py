"""Connections of hotels to their systems, and what is still to be done there, in Postgres."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

import asyncpg
import orjson

from meshkit.errors import Aborted, NotFound
from meshkit.postgres import Postgres


class Kind(Enum):
    """Which adapter speaks to a hotel's system."""

    GENERIC = "GENERIC"
    QLOAPPS = "QLOAPPS"


DEFAULT_TIER = "standard"


@dataclass(frozen=True, slots=True)
class Connection:
    """How a hotel's own system is reached; the secret is elsewhere."""

    tenant_id: str
    kind: Kind
    base_url: str
    property_id: str
    room_types: Mapping[str, str] = field(hash=False)
    """Our room type → theirs, each once."""
    tier: str = DEFAULT_TIER
    requests_per_second: float = 5.0
    version: int = 0


class Step(Enum):
    """What is to be done next about a booking there; `0040_pms.sql` says more."""

    CREATE = "CREATE"
    LOOK = "LOOK"
    WATCH = "WATCH"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Work:
    """One leased row; what is written back counts under this lease only."""

    tenant_id: str
    reservation_id: UUID
    step: Step
    booking_id: str
    lease_number: int
    send_count: int
    since_send: dt.timedelta | None
    """How long ago it was sent last."""
    age: dt.timedelta
    absence_count: int
    failure_count: int

    @property
    def key(self) -> str:
        """The reservation's name in the hotel's system."""
        return key_of(self.reservation_id)


PREFIX = "cj:"
"""Our keys begin with it, so that a booking of ours is known among others."""


def key_of(reservation_id: UUID) -> str:
    """The key under which a reservation is booked in the hotel's system."""
    return f"{PREFIX}{reservation_id}"


class PmsStore:
    """Connections and open work of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    SELECT_CONNECTIONS = """
SELECT tenant_id, kind, base_url, property_id, room_types, tier, requests_per_second, version
FROM pms_connection
"""

    SELECT_CONNECTED = "SELECT finder.pms_tenants() AS tenant_id"

    async def connections(self) -> list[Connection]:
        """Those of all hotels."""
        found = await self._postgres.finder.fetch(self.SELECT_CONNECTED)
        hotels = self._postgres.of(*(row["tenant_id"] for row in found))
        return [_connection(row) for row in await hotels.fetch(self.SELECT_CONNECTIONS)]

    ONE_CONNECTION = SELECT_CONNECTIONS + "WHERE tenant_id = $1"

    async def connection(self, tenant_id: str) -> Connection:
        """A hotel's; raises NotFound `PMS_NOT_CONNECTED`."""
        row = await self._postgres.of(tenant_id).fetchrow(self.ONE_CONNECTION, tenant_id)
        if row is None:
            raise not_connected()
        return _connection(row)

    # The version guards against two people at once; 0 for a hotel that had none.
    SET_CONNECTION = """
INSERT INTO pms_connection AS c
    (tenant_id, kind, base_url, property_id, room_types, tier, requests_per_second)
SELECT $1, $2, $3, $4, $5, $6, $7 WHERE $8 = 0 OR EXISTS (
    SELECT FROM pms_connection WHERE tenant_id = $1)
ON CONFLICT (tenant_id) DO UPDATE SET kind = excluded.kind, base_url = excluded.base_url,
    property_id = excluded.property_id, room_types = excluded.room_types, tier = excluded.tier,
    requests_per_second = excluded.requests_per_second, version = c.version + 1,
    cursor = CASE WHEN (c.kind, c.base_url, c.property_id)
        = (excluded.kind, excluded.base_url, excluded.property_id) THEN c.cursor ELSE '' END
WHERE c.version = $8
RETURNING version
"""

    async def set_connection(self, wanted: Connection) -> Connection:
        """Keep it; `version` is the one that was read, 0 for a first one.

        Raises Aborted `PMS_CHANGED` when somebody was faster, NotFound `PROPERTY_UNKNOWN`.
        """
        try:
            version = await self._postgres.of(wanted.tenant_id).fetchval(
                self.SET_CONNECTION,
                wanted.tenant_id,
                wanted.kind.value,
                wanted.base_url,
                wanted.property_id,
                orjson.dumps(dict(wanted.room_types)).decode(),
                wanted.tier,
                wanted.requests_per_second,
                wanted.version,
            )
        except asyncpg.ForeignKeyViolationError:
            raise NotFound(
                "PROPERTY_UNKNOWN",
                "The hotel has no inventory yet: import it first.",
                tenant_id=wanted.tenant_id,
            ) from None
        if version is None:
            raise Aborted("PMS_CHANGED", "The connection was changed since it was read.")
        return await self.connection(wanted.tenant_id)

    SELECT_NAMES = "SELECT room_type_id, display_names FROM room_type WHERE tenant_id = $1"

    async def room_type_names(self, tenant_id: str) -> dict[str, set[str]]:
        """What a hotel's room types are called, in every language."""
        rows = await self._postgres.of(tenant_id).fetch(self.SELECT_NAMES, tenant_id)
        return {
            row["room_type_id"]: set(orjson.loads(row["display_names"]).values()) for row in rows
        }

    SELECT_CURRENCY = "SELECT currency_code FROM property WHERE tenant_id = $1"

    async def currency_code(self, tenant_id: str) -> str:
        """What a hotel sells in; empty for one without an inventory."""
        hotel = self._postgres.of(tenant_id)
        return await hotel.fetchval(self.SELECT_CURRENCY, tenant_id) or ""

    # What waits for the system must be settled first: nobody could do it afterwards.
    DELETE_CONNECTION = """
DELETE FROM pms_connection WHERE tenant_id = $1 AND NOT EXISTS (
    SELECT FROM pms_booking WHERE tenant_id = $1 AND step <> 'NONE')
RETURNING 1
"""

    async def delete_connection(self, tenant_id: str) -> bool:
        """Whether it is gone; not while something waits for the system."""
        hotel = self._postgres.of(tenant_id)
        return await hotel.fetchval(self.DELETE_CONNECTION, tenant_id) is not None

    TAKE_TURN = """
UPDATE pms_connection
SET write_owner = $2, write_until = clock_timestamp() + $3::float8 * interval '1 second'
WHERE tenant_id = $1 AND (write_until <= clock_timestamp() OR write_owner = $2)
RETURNING 1
"""

    async def take_turn(self, tenant_id: str, owner: UUID, seconds: float) -> bool:
        """Whether the turn to write to the hotel's system is the owner's now."""
        hotel = self._postgres.of(tenant_id)
        return await hotel.fetchval(self.TAKE_TURN, tenant_id, owner, seconds) is not None

    END_TURN = """
UPDATE pms_connection SET write_until = '-infinity' WHERE tenant_id = $1 AND write_owner = $2
"""

    async def end_turn(self, tenant_id: str, owner: UUID) -> None:
        """Somebody else may write."""
        await self._postgres.of(tenant_id).execute(self.END_TURN, tenant_id, owner)

    CLAIM = """
SELECT tenant_id, reservation_id, lease_number FROM finder.claim_pms_bookings($1, $2, $3)
"""
    SELECT_CLAIMED = """
SELECT b.tenant_id, b.reservation_id, b.step, b.booking_id, b.lease_number, b.send_count,
    clock_timestamp() - b.send_time AS since_send, clock_timestamp() - b.create_time AS age,
    b.absence_count, b.failure_count
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS c (tenant_id, reservation_id, lease_number)
JOIN pms_booking b USING (tenant_id, reservation_id, lease_number)
"""

    async def claim(self, *, limit: int, seconds: float, of_each: int) -> list[Work]:
        """Take up to `limit` rows that are due, `of_each` hotel at most."""
        claimed = await self._postgres.finder.fetch(self.CLAIM, limit, seconds, of_each)
        if not claimed:
            return []
        tenants, reservations, leases = zip(*claimed, strict=True)
        rows = await self._postgres.of(*tenants).fetch(
            self.SELECT_CLAIMED, tenants, reservations, leases
        )
        return [Work(**{**dict(row), "step": Step(row["step"])}) for row in rows]

    # Committed before the request leaves: whoever comes later knows that it may have.
    SENDING = """
UPDATE pms_booking SET step = 'LOOK', send_count = send_count + 1, send_time = clock_timestamp(),
    absence_count = 0
WHERE tenant_id = $1 AND reservation_id = $2 AND lease_number = $3 RETURNING 1
"""

    async def sending(self, work: Work) -> bool:
        """Whether it may be sent: the lease is still ours."""
        row = (work.tenant_id, work.reservation_id, work.lease_number)
        hotel = self._postgres.of(work.tenant_id)
        return await hotel.fetchval(self.SENDING, *row) is not None

    NEXT = """
UPDATE pms_booking SET step = $4, due_time = clock_timestamp() + $5::float8 * interval '1 second',
    booking_id = coalesce($6, booking_id), absence_count = $7, failure_count = $8, failure = $9
WHERE tenant_id = $1 AND reservation_id = $2 AND lease_number = $3
"""

    async def next(
        self,
        work: Work,
        step: Step,
        seconds: float = 0.0,
        *,
        booking_id: str | None = None,
        absence_count: int = 0,
        failure_count: int = 0,
        failure: str = "",
    ) -> None:
        """What is to be done then, unless the lease is somebody else's by now."""
        await self._postgres.of(work.tenant_id).execute(
            self.NEXT,
            work.tenant_id,
            work.reservation_id,
            work.lease_number,
            step.value,
            seconds,
            booking_id,
            absence_count,
            failure_count,
            failure[:200],
        )

    SELECT_PENDING = "SELECT pending, oldest FROM finder.pms_pending()"

    async def pending(self) -> tuple[int, float]:
        """How many reservations wait for a hotel's system, and the age of the oldest."""
        row = await self._postgres.finder.fetchrow(self.SELECT_PENDING)
        assert row is not None
        return row["pending"], row["oldest"]


def not_connected() -> NotFound:
    """The hotel has no system of its own."""
    return NotFound("PMS_NOT_CONNECTED", "The hotel has no system of its own connected.")


def _connection(row: asyncpg.Record) -> Connection:
    return Connection(
        tenant_id=row["tenant_id"],
        kind=Kind(row["kind"]),
        base_url=row["base_url"],
        property_id=row["property_id"],
        room_types=orjson.loads(row["room_types"]),
        tier=row["tier"],
        requests_per_second=row["requests_per_second"],
        version=row["version"],
    )
