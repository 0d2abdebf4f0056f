"""Rows of locks, read into what the domain knows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import asyncpg

from services.booking import quotes
from services.booking.domain import Guests, Lock, LockedRoom, LockState, Quote, Stay

SELECT_LOCKS = """
SELECT coalesce(l.part_of, l.lock_id) AS lock_id, l.room_type_id, l.check_in, l.check_out,
    l.guest_id, l.owner_token, l.fencing_number, l.create_time, l.expire_time, l.nightly_prices,
    l.currency_code, l.quote, l.adult_count, l.child_count, coalesce(m.room_id, '') AS room_id,
    CASE WHEN l.state = 'LIVE' AND l.expire_time <= clock_timestamp() THEN 'EXPIRED'
        ELSE l.state END AS state
FROM asked a
CROSS JOIN LATERAL lock_with_parts($1, a.lock_id) WITH ORDINALITY AS l
LEFT JOIN room m ON m.room_key = l.room_key AND l.pinned
ORDER BY a.number, l.ordinality
"""
WITH_THESE = """
WITH asked AS (
    SELECT lock_id, number FROM unnest($2::uuid[]) WITH ORDINALITY AS u (lock_id, number)
)"""
SELECT_WITH_PARTS = WITH_THESE + SELECT_LOCKS
"""One row for each room of the locks with these ids; `locks_of_rows` puts them together."""


def locks_of_rows(rows: Iterable[asyncpg.Record], tenant_id: str) -> list[Lock]:
    """The locks of rows that are ordered by lock and room."""
    grouped = groupby(rows, key=lambda row: row["lock_id"])
    return [_lock(list(of_one), tenant_id) for _, of_one in grouped]


def _lock(rows: list[asyncpg.Record], tenant_id: str) -> Lock:
    row = rows[0]
    return Lock(
        lock_id=row["lock_id"],
        tenant_id=tenant_id,
        room_type_id=row["room_type_id"],
        stay=Stay(row["check_in"], row["check_out"]),
        guest_id=row["guest_id"],
        state=LockState(row["state"]),
        owner_token=str(row["owner_token"]),
        fencing_number=row["fencing_number"],
        create_time=row["create_time"],
        expire_time=row["expire_time"],
        quote=_quote(row),
        room_id=row["room_id"],
        other_rooms=tuple(_other(one) for one in rows[1:]),
    )


def _other(row: asyncpg.Record) -> LockedRoom:
    return LockedRoom(
        room_type_id=row["room_type_id"],
        guests=Guests(row["adult_count"], row["child_count"]),
        quote=_quote(row),
        room_id=row["room_id"],
    )


def _quote(row: asyncpg.Record) -> Quote:
    return quotes.from_row(row["nightly_prices"], row["currency_code"], row["quote"])
