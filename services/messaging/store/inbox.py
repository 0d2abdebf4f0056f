"""SQL of the inbox: what comes in, who works on it, what is set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from meshkit.errors import InvalidArgument, Unavailable

if TYPE_CHECKING:
    from meshkit.postgres import Postgres


@dataclass(slots=True)
class IngestColumns:
    """A batch to ingest, column by column, as the database takes it.

    Every list has one entry for each item; `day` counts from 1970-01-01, times
    are microseconds from then. `user` and `phone` are the names of a message's
    sender, `u:` before the id and `p:` before the number's key, `written` is the
    number as WhatsApp spells it, and `opens` says that the sender did it: the
    window counts from there. `was_user` and `was_phone` are what the sender was
    called before, where the item tells of a change. `media` is what a message's file is
    fetched by. The last five speak of statuses.
    """

    number: list[str] = field(default_factory=list)
    account: list[str] = field(default_factory=list)
    key: list[bytes] = field(default_factory=list)
    day: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    receive: list[int | None] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    event: list[bytes] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    was_user: list[bytes | None] = field(default_factory=list)
    was_phone: list[bytes | None] = field(default_factory=list)
    user: list[bytes | None] = field(default_factory=list)
    phone: list[bytes | None] = field(default_factory=list)
    written: list[bytes | None] = field(default_factory=list)
    opens: list[bool] = field(default_factory=list)
    media: list[bytes | None] = field(default_factory=list)
    tenant: list[str | None] = field(default_factory=list)
    outbox: list[UUID | None] = field(default_factory=list)
    wamid: list[bytes | None] = field(default_factory=list)
    delivery: list[int | None] = field(default_factory=list)
    error: list[int | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SealedColumns:
    """The items of a batch as they are archived, under keys that come from that of `key_id`.

    `tenant` says whose data key each is under, None the installation's.
    """

    key_id: str
    tenant: list[str | None]
    ciphertext: list[bytes]


@dataclass(frozen=True, slots=True)
class PendingItem:
    """A message of a guest that waits for its step."""

    inbox_id: int
    account_id: str
    order_time: datetime
    traceparent: str
    event: bytes
    attempt_count: int
    arrive_time: datetime
    age_seconds: float
    """How long ago it had arrived when it was read."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A command's answer that its hotel has not heard, and what had led to it."""

    tenant_id: str
    account_id: str
    arrive_time: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """A mailbox that is ours until the lease runs out, and what waits in it.

    `arrivals` and `last_order_time` are as they were when it was claimed;
    `more` says that more waits than `items` holds. `whatsapp_id` is the guest's.
    `merging`: other mailboxes are to be merged into this one. `merged_into`: it
    was merged into that one, and something came for it all the same.
    """

    mailbox_id: int
    phone_number_id: str
    lease_number: int
    arrivals: int
    last_order_time: datetime
    items: tuple[PendingItem, ...]
    more: bool
    whatsapp_id: bytes | None = None
    answered: Answered | None = None
    merging: bool = False
    merged_into: int | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: how many messages (counted up to a bound) and how old the oldest is."""

    pending_count: int
    oldest_seconds: float
    unknown_count: int
    held_count: int


INGEST = """
SELECT archive_fresh(
    ingest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
           $20), $1, $3, $21, $22, $23)
"""

KEEP_MEDIA = "SELECT keep_media($1, $2, $3, $4)"

QUARANTINE = """
INSERT INTO quarantine (inbox_id, reason, phone_number_id, account_id, traceparent, event)
VALUES (nextval('inbox_number'), $1, $2, $3, $4, $5)
"""

# One number after the other is looked at, so that a hotel with ten thousand
# guests waiting takes its share and no more. What is tested without the row
# lock is tested again with it. The claim moves `due_time` to the lease's end:
# a mailbox whose holder died is due again by itself.
CLAIM = """
WITH RECURSIVE number AS (
    (SELECT m.phone_number_id FROM mailbox m WHERE m.due_time IS NOT NULL
     ORDER BY m.phone_number_id LIMIT 1)
    UNION ALL
    SELECT (SELECT m.phone_number_id FROM mailbox m
            WHERE m.due_time IS NOT NULL AND m.phone_number_id > number.phone_number_id
            ORDER BY m.phone_number_id LIMIT 1)
    FROM number WHERE number.phone_number_id IS NOT NULL
), due AS (
    SELECT share.mailbox_id FROM number CROSS JOIN LATERAL (
        SELECT m.mailbox_id FROM mailbox m
        WHERE m.phone_number_id = number.phone_number_id
          AND m.due_time <= now() AND m.lease_until <= now()
        ORDER BY m.due_time
        LIMIT least(
            greatest(0, $2 - coalesce((
                SELECT held.count FROM unnest($4::text[], $5::integer[]) AS held(number, count)
                WHERE held.number = number.phone_number_id), 0)),
            greatest(4, $1 / (SELECT count(*) FROM number)))) AS share
), chosen AS MATERIALIZED (
    SELECT m.mailbox_id FROM mailbox m JOIN due ON due.mailbox_id = m.mailbox_id
    WHERE m.due_time <= now() AND m.lease_until <= now()
    ORDER BY m.due_time LIMIT $1::bigint FOR NO KEY UPDATE OF m SKIP LOCKED
)
UPDATE mailbox m SET
    lease_until = now() + $3::float8 * interval '1 second',
    due_time = now() + $3::float8 * interval '1 second',
    lease_number = m.lease_number + 1
FROM chosen WHERE m.mailbox_id = chosen.mailbox_id
RETURNING m.mailbox_id, m.phone_number_id, m.lease_number, m.arrivals, m.last_order_time,
          m.whatsapp_id, m.merging, m.merged_into
"""

# Read after the claim has committed: whatever came until then is seen here or
# has raised `arrivals`. What a hotel tells by itself was led to by nothing; then
# it is the guest's last command before it that says whose he was.
PENDING = """
SELECT box.mailbox_id, i.inbox_id, i.account_id, i.order_time, i.traceparent, i.event,
       i.attempt_count, i.arrive_time,
       extract(epoch FROM now() - i.arrive_time)::float8 AS age_seconds,
       answered.tenant_id AS answered_tenant_id, answered.account_id AS answered_account_id,
       answered.arrive_time AS answered_arrive_time
FROM unnest($1::bigint[]) AS box(mailbox_id)
LEFT JOIN LATERAL (
    SELECT e.tenant_id, source.account_id, source.arrive_time
    FROM effect e
    CROSS JOIN LATERAL (
        SELECT led.inbox_ids[1] AS inbox_id FROM effect led
        WHERE led.tenant_id = e.tenant_id AND led.mailbox_id = e.mailbox_id
          AND led.effect_number <= e.effect_number AND led.inbox_ids <> '{}'
        ORDER BY led.effect_number DESC LIMIT 1) AS led
    JOIN inbox source ON source.inbox_id = led.inbox_id
    WHERE e.mailbox_id = box.mailbox_id AND e.state = 'ANSWERED'
    ORDER BY e.effect_number LIMIT 1) AS answered ON true
LEFT JOIN LATERAL (
    SELECT i.inbox_id, i.account_id, i.order_time, i.traceparent, i.event,
           i.attempt_count, i.arrive_time
    FROM inbox i WHERE i.mailbox_id = box.mailbox_id AND i.state = 'PENDING'
    ORDER BY i.order_time, i.inbox_id LIMIT $2) AS i ON true
"""

RENEW = """
UPDATE mailbox m SET
    lease_until = now() + $3::float8 * interval '1 second',
    due_time = now() + $3::float8 * interval '1 second'
FROM unnest($1::bigint[], $2::bigint[]) AS held(mailbox_id, lease_number)
WHERE m.mailbox_id = held.mailbox_id AND m.lease_number = held.lease_number
"""

RELEASE = """
UPDATE mailbox SET lease_until = '-infinity',
    due_time = CASE WHEN arrivals = $3 AND NOT $4 THEN NULL ELSE now() END
WHERE mailbox_id = $1 AND lease_number = $2
"""

# Due again then, or at once when anything comes or came meanwhile.
AWAIT_MORE = """
UPDATE mailbox SET lease_until = '-infinity',
    due_time = CASE WHEN arrivals = $3 THEN now() + $4::float8 * interval '1 second'
               ELSE now() END
WHERE mailbox_id = $1 AND lease_number = $2
"""

# Left alone until then, whoever writes meanwhile.
POSTPONE = """
UPDATE mailbox SET lease_until = now() + $3::float8 * interval '1 second',
    due_time = now() + $3::float8 * interval '1 second', lease_number = lease_number + 1
WHERE mailbox_id = $1 AND lease_number = $2
"""

FAIL_ITEM = """
WITH held AS (
    SELECT m.mailbox_id FROM mailbox m
    WHERE m.mailbox_id = $1 AND m.lease_number = $2 FOR NO KEY UPDATE
)
UPDATE inbox i SET attempt_count = i.attempt_count + 1, failure = $4, tenant_id = $6,
    state = CASE WHEN i.attempt_count + 1 >= $5 THEN 'DEAD' ELSE i.state END
FROM held WHERE i.inbox_id = $3 AND i.state = 'PENDING'
RETURNING i.attempt_count
"""

SET_ASIDE = """
WITH held AS (
    SELECT m.mailbox_id FROM mailbox m
    WHERE m.mailbox_id = $1 AND m.lease_number = $2 FOR NO KEY UPDATE
), gone AS (
    DELETE FROM inbox i USING held
    WHERE i.inbox_id = ANY($3::bigint[]) AND i.mailbox_id = held.mailbox_id AND i.state = 'PENDING'
    RETURNING i.inbox_id, i.mailbox_id, i.phone_number_id, i.account_id, i.order_time,
              i.receive_time, i.arrive_time, i.traceparent, i.event
)
INSERT INTO quarantine
    (inbox_id, reason, mailbox_id, phone_number_id, account_id, order_time, receive_time,
     arrive_time, traceparent, event)
SELECT inbox_id, $4, mailbox_id, phone_number_id, account_id, order_time, receive_time,
       arrive_time, traceparent, event FROM gone
"""

BACKLOG = """
SELECT count(*) AS pending_count,
       coalesce(extract(epoch FROM now() - min(arrive_time)), 0)::float8 AS oldest_seconds,
       (SELECT count(*) FROM outbox WHERE state = 'UNKNOWN') AS unknown_count,
       (SELECT count(*) FROM outbox WHERE state = 'HELD') AS held_count
FROM (SELECT arrive_time FROM inbox WHERE state = 'PENDING' LIMIT 10000) AS waiting
"""

KEEP_PARTITIONS = "SELECT keep_partitions((now() AT TIME ZONE 'UTC')::date)"

# In small deletes, so that no batch waits behind a long one.
CLEAN_DEFAULT = """
DELETE FROM seen WHERE (item_key, phone_number_id, event_day) IN (
    SELECT item_key, phone_number_id, event_day FROM seen_default
    WHERE arrive_time < now() - interval '9 days' ORDER BY arrive_time LIMIT 1000)
"""

ATTEMPTS = 3
"""Names of guests that change in several batches at once may lock each other; one is sent again."""
BROKEN_OFF = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

NOT_STORABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class InboxStore:
    """The inbox of all hotels."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def ingest(self, batch: IngestColumns, sealed: SealedColumns | None = None) -> set[int]:
        """Store and archive a batch in one transaction; the positions, from 0, of what was new.

        Raises `InvalidArgument` `NOT_STORABLE` when the database refuses the
        batch for what is in it.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                places = await self._store(batch, sealed)
            except NOT_STORABLE as error:
                raise InvalidArgument("NOT_STORABLE", type(error).__name__) from error
            except Unavailable as error:
                if not isinstance(error.__cause__, BROKEN_OFF) or attempt == ATTEMPTS:
                    raise
            else:
                return {place - 1 for place in places}
        raise AssertionError("the last attempt answers or raises")

    async def _store(self, batch: IngestColumns, sealed: SealedColumns | None) -> list[int]:
        """In one statement, and one more where guests have sent files."""
        arguments = _arguments(batch, sealed)
        if not any(batch.media):
            return list(await self._postgres.fetchval(INGEST, *arguments))
        async with self._postgres.transaction() as connection:
            places: list[int] = await connection.fetchval(INGEST, *arguments)
            files = [place - 1 for place in places if batch.media[place - 1] is not None]
            columns = (batch.key, batch.number, batch.day, batch.media)
            await connection.execute(KEEP_MEDIA, *([one[at] for at in files] for one in columns))
        return places

    async def quarantine(
        self, reason: str, number: str, account: str, trace: str, event: bytes
    ) -> None:
        """Keep one item aside that cannot be stored as what it is."""
        await self._postgres.execute(QUARANTINE, reason, number, account, trace, event)

    async def claim(
        self,
        *,
        limit: int,
        share: int,
        seconds: float,
        items: int,
        held: Mapping[str, int] = MappingProxyType({}),
    ) -> list[Lease]:
        """Lease up to `limit` mailboxes that are due.

        Of one number at most `share`, together with those that are `held` of it.
        Each comes with up to `items` of its pending items, in order.
        """
        async with self._postgres.acquire() as connection:
            boxes = await connection.fetch(
                CLAIM, limit, share, seconds, list(held), list(held.values())
            )
            if not boxes:
                return []
            ids = [box["mailbox_id"] for box in boxes]
            rows = await connection.fetch(PENDING, ids, items + 1)
        waiting: dict[int, list[PendingItem]] = {box: [] for box in ids}
        answered: dict[int, Answered] = {}
        for row in rows:
            if row["inbox_id"] is not None:
                waiting[row["mailbox_id"]].append(_pending(row))
            if row["answered_tenant_id"] is not None:
                answered[row["mailbox_id"]] = _answered(row)
        return [
            replace(
                _lease(box, waiting[box["mailbox_id"]], items),
                answered=answered.get(box["mailbox_id"]),
            )
            for box in boxes
        ]

    async def renew(self, held: Sequence[tuple[int, int]], seconds: float) -> None:
        """Hold mailboxes for another `seconds`; `held` are mailbox ids and lease numbers."""
        boxes, numbers = [box for box, _ in held], [number for _, number in held]
        await self._postgres.execute(RENEW, boxes, numbers, seconds)

    async def release(self, lease: Lease, *, more: bool) -> None:
        """Let a mailbox go; it is due at once when more waits or came meanwhile."""
        await self._postgres.execute(
            RELEASE, lease.mailbox_id, lease.lease_number, lease.arrivals, more
        )

    async def await_more(self, lease: Lease, seconds: float) -> None:
        """Let a mailbox go for `seconds`, or until something comes for it."""
        await self._postgres.execute(
            AWAIT_MORE, lease.mailbox_id, lease.lease_number, lease.arrivals, seconds
        )

    async def postpone(self, lease: Lease, seconds: float) -> None:
        """Let a mailbox go and nobody take it for `seconds`."""
        await self._postgres.execute(POSTPONE, lease.mailbox_id, lease.lease_number, seconds)

    async def fail_item(
        self, lease: Lease, tenant_id: str, inbox_id: int, reason: str, limit: int
    ) -> int:
        """Count a failed step, dead at the `limit`; the failures so far, 0 without the lease."""
        count: int | None = await self._postgres.fetchval(
            FAIL_ITEM, *(lease.mailbox_id, lease.lease_number, inbox_id, reason, limit), tenant_id
        )
        return count or 0

    async def set_aside(self, lease: Lease, inbox_ids: Sequence[int], reason: str) -> None:
        """Move pending items that belong to no hotel to the quarantine."""
        await self._postgres.execute(
            SET_ASIDE, lease.mailbox_id, lease.lease_number, inbox_ids, reason
        )

    async def backlog(self) -> Backlog:
        """What waits at the moment."""
        row = await self._postgres.fetchrow(BACKLOG)
        assert row is not None
        return Backlog(**dict(row))

    async def keep_partitions(self) -> int:
        """Make and drop the daily partitions of `seen`; how many were changed."""
        changed: int = await self._postgres.fetchval(KEEP_PARTITIONS)
        await self._postgres.execute(CLEAN_DEFAULT)
        return changed


def _arguments(batch: IngestColumns, sealed: SealedColumns | None) -> tuple[object, ...]:
    statuses = (batch.tenant, batch.outbox, batch.wamid, batch.delivery, batch.error)
    return (
        *(batch.number, batch.account, batch.key, batch.day, batch.order, batch.receive),
        *(batch.kind, batch.event, batch.trace, batch.was_user, batch.was_phone),
        *(batch.user, batch.phone, batch.written, batch.opens),
        *(statuses if "status" in batch.kind else (None,) * len(statuses)),
        *((sealed.key_id, sealed.tenant, sealed.ciphertext) if sealed else (None,) * 3),
    )


def _pending(row: asyncpg.Record) -> PendingItem:
    return PendingItem(
        *(row["inbox_id"], row["account_id"], row["order_time"], row["traceparent"]),
        *(row["event"], row["attempt_count"], row["arrive_time"], row["age_seconds"]),
    )


def _answered(row: asyncpg.Record) -> Answered:
    return Answered(
        row["answered_tenant_id"], row["answered_account_id"], row["answered_arrive_time"]
    )


def _lease(box: asyncpg.Record, waiting: list[PendingItem], limit: int) -> Lease:
    return Lease(
        *(box["mailbox_id"], box["phone_number_id"], box["lease_number"], box["arrivals"]),
        box["last_order_time"],
        tuple(waiting[:limit]),
        len(waiting) > limit,
        box["whatsapp_id"],
        merging=box["merging"],
        merged_into=box["merged_into"],
    )
