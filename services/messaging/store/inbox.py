"""SQL of the inbox: what comes in, who works on it, what is set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from meshkit.errors import InvalidArgument, Unavailable
from meshkit.tenancy import UNRESOLVED

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


@dataclass(slots=True)
class _Waiting:
    """What a claimed mailbox holds; one item more than asked for says that there are more."""

    whatsapp_id: bytes | None = None
    items: list[PendingItem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: how many messages (counted up to a bound) and how old the oldest is."""

    pending_count: int
    oldest_seconds: float
    unknown_count: int
    held_count: int


BY_WAMID = "SELECT place, tenant_id, outbox_id FROM finder.messages_by_wamid($1, $2)"

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

CLAIM = """
SELECT mailbox_id, phone_number_id, lease_number, arrivals, last_order_time, merging, merged_into,
       answered_tenant_id, answered_account_id, answered_arrive_time
FROM finder.claim_mailboxes($1, $2, $3, $4, $5)
"""

PENDING = """
SELECT mailbox_id, whatsapp_id, inbox_id, account_id, order_time, traceparent, event,
       attempt_count, arrive_time, age_seconds
FROM pending_of($1, $2)
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

IS_WAITING = """
SELECT EXISTS (SELECT FROM inbox WHERE mailbox_id = $1 AND state = 'PENDING')
    OR EXISTS (SELECT FROM effect
               WHERE tenant_id = $2 AND mailbox_id = $1 AND state IN ('OPEN', 'ANSWERED'))
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

# Whose it is, is said of what is dead: what waits for its step belongs to no hotel yet.
FAIL_ITEM = """
WITH held AS (
    SELECT m.mailbox_id FROM mailbox m
    WHERE m.mailbox_id = $1 AND m.lease_number = $2 FOR NO KEY UPDATE
)
UPDATE inbox i SET attempt_count = i.attempt_count + 1, failure = $4,
    tenant_id = CASE WHEN i.attempt_count + 1 >= $5 THEN $6 END,
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
SELECT pending_count, oldest_seconds, unknown_count, held_count FROM finder.backlog()
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
                await self._find_messages(batch)
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

    async def _find_messages(self, batch: IngestColumns) -> None:
        """Name the messages of statuses that lost our id, as far as their wamids are known."""
        lost = [
            at
            for at, wamid in enumerate(batch.wamid)
            if wamid is not None and batch.outbox[at] is None
        ]
        if not lost:
            return
        columns = ([column[at] for at in lost] for column in (batch.number, batch.wamid))
        for place, tenant_id, outbox_id in await self._postgres.finder.fetch(BY_WAMID, *columns):
            batch.tenant[lost[place - 1]] = tenant_id
            batch.outbox[lost[place - 1]] = outbox_id

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
        boxes = await self._postgres.finder.fetch(
            CLAIM, limit, share, seconds, list(held), list(held.values())
        )
        if not boxes:
            return []
        found = {box["mailbox_id"]: _Waiting() for box in boxes}
        for row in await self._postgres.fetch(PENDING, list(found), items + 1):
            waiting = found[row["mailbox_id"]]
            waiting.whatsapp_id = row["whatsapp_id"]
            if row["inbox_id"] is not None:
                waiting.items.append(_pending(row))
        return [_lease(box, found[box["mailbox_id"]], items) for box in boxes]

    async def renew(self, held: Sequence[tuple[int, int]], seconds: float) -> None:
        """Hold mailboxes for another `seconds`; `held` are mailbox ids and lease numbers."""
        boxes, numbers = [box for box, _ in held], [number for _, number in held]
        await self._postgres.execute(RENEW, boxes, numbers, seconds)

    async def is_waiting(self, tenant_id: str, mailbox_id: int) -> bool:
        """Whether a message of the guest, or a command for him, is not answered yet."""
        waits: bool = await self._postgres.of(tenant_id, UNRESOLVED).fetchval(
            IS_WAITING, mailbox_id, tenant_id
        )
        return waits

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
        count: int | None = await self._postgres.of(tenant_id, UNRESOLVED).fetchval(
            FAIL_ITEM, *(lease.mailbox_id, lease.lease_number, inbox_id, reason, limit), tenant_id
        )
        return count or 0

    async def set_aside(self, lease: Lease, inbox_ids: Sequence[int], reason: str) -> None:
        """Move pending items that belong to no hotel to the quarantine."""
        await self._postgres.of(UNRESOLVED).execute(
            SET_ASIDE, lease.mailbox_id, lease.lease_number, inbox_ids, reason
        )

    async def backlog(self) -> Backlog:
        """What waits at the moment."""
        row = await self._postgres.finder.fetchrow(BACKLOG)
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


def _answered(box: asyncpg.Record) -> Answered | None:
    tenant_id = box["answered_tenant_id"]
    if tenant_id is None:
        return None
    return Answered(tenant_id, box["answered_account_id"], box["answered_arrive_time"])


def _lease(box: asyncpg.Record, waiting: _Waiting, limit: int) -> Lease:
    return Lease(
        *(box["mailbox_id"], box["phone_number_id"], box["lease_number"], box["arrivals"]),
        box["last_order_time"],
        tuple(waiting.items[:limit]),
        len(waiting.items) > limit,
        waiting.whatsapp_id,
        answered=_answered(box),
        merging=box["merging"],
        merged_into=box["merged_into"],
    )
