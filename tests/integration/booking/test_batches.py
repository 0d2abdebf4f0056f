"""Batches: every item has its own right answer, whatever stands beside it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from meshkit import tenancy
from meshkit.errors import Internal, MeshError
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.booking.domain import Guests, Lock, LockRequest
from services.booking.locks.pricing import priced
from services.booking.locks.settled import TAKE_LOCKS, lock_columns
from services.booking.metrics import BookingMetrics
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql, assert_consistent

HOLD_TYPE = """
SELECT FROM room_type WHERE tenant_id = $1 AND room_type_id = $2 FOR NO KEY UPDATE
"""
COUNT_WAITING = """
SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE a.datname = current_database() AND NOT l.granted
"""
# Stands for any defect that only one item has and that nobody foresaw.
BREAK_ITEMS = """
CREATE FUNCTION break_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE 'a defect nobody foresaw'; END $$;
CREATE TRIGGER break_item BEFORE INSERT ON room_lock FOR EACH ROW
WHEN (NEW.guest_id = 'broken') EXECUTE FUNCTION break_item();
"""


def outcome(answer: Lock | MeshError) -> str:
    """`granted`, or the reason."""
    return answer.reason if isinstance(answer, MeshError) else "granted"


async def waiting(sql: Sql, count: int) -> None:
    """Return when so many backends of the database wait for a lock."""
    async with asyncio.timeout(10):
        while await sql.fetchval(COUNT_WAITING) < count:  # noqa: ASYNC110 - only the database can tell
            await asyncio.sleep(0.01)


async def test_a_batch_is_one_statement(
    store: BookingStore, postgres: Postgres, hotel: Hotel
) -> None:
    await store.acquire([hotel.request("double")])
    before = postgres.statements
    answers = await store.acquire(
        [hotel.request(one, hotel.stay(n)) for n in range(16) for one in ("double", "suite")]
    )
    assert postgres.statements - before == 1
    assert Counter(map(outcome, answers))["granted"] > 0


async def test_capacity_is_shared_out_inside_a_batch(
    store: BookingStore, hotel: Hotel, sql: Sql, metrics: BookingMetrics
) -> None:
    """By the counting, that is: the CHECK behind it never had to speak."""
    answers = await store.acquire([hotel.request("single") for _ in range(8)])
    assert [outcome(one) for one in answers] == ["granted"] * 3 + ["SOLD_OUT"] * 5
    assert metrics.splits._value.get() == 0
    await assert_consistent(sql)


async def test_stays_that_overlap_in_part(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    """Each night counts by itself: the long stay fails where it meets either of the short ones."""
    asked = [hotel.stay(10, 2), hotel.stay(14, 3), hotel.stay(11, 4), hotel.stay(12, 2)]
    answers = await store.acquire([hotel.request("suite", one) for one in asked])
    assert [outcome(one) for one in answers] == ["granted", "granted", "SOLD_OUT", "granted"]
    await assert_consistent(sql)


async def test_a_guest_is_counted_inside_a_batch(store: BookingStore, hotel: Hotel) -> None:
    answers = await store.acquire(
        [hotel.request(one, guest_id="ana") for one in ("single", "double", "suite")]
    )
    assert [outcome(one) for one in answers] == ["granted", "granted", "TOO_MANY_LOCKS"]


async def test_one_request_id_twice_in_a_batch(store: BookingStore, hotel: Hotel) -> None:
    request = hotel.request("double")
    other = hotel.request("double", hotel.stay(20), request_id=request.request_id)
    first, twin, reused = await store.acquire([request, request, other])
    assert first == twin
    assert outcome(first) == "granted"
    assert outcome(reused) == "REQUEST_ID_REUSED"


async def test_what_is_not_decided_counts_for_nobody(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Neither a repeated request nor a refused one moves the nights of the others."""
    again = hotel.request("double")
    await store.acquire([again])
    crowd = replace(hotel.request("double"), guests=Guests(9, 0))
    answers = await store.acquire([again, crowd, hotel.request("single"), hotel.request("suite")])
    assert [outcome(one) for one in answers] == ["granted", "TOO_MANY_GUESTS", *["granted"] * 2]
    await assert_consistent(sql)


async def test_a_corrected_twin_is_decided_by_itself(store: BookingStore, hotel: Hotel) -> None:
    """Bad input claims no request id, not even inside its batch."""
    bad = hotel.request("palace")
    good = hotel.request("suite", request_id=bad.request_id)
    answers = await store.acquire([bad, good, good])
    assert [outcome(one) for one in answers] == ["ROOM_TYPE_UNKNOWN", "granted", "granted"]
    assert answers[1] == answers[2]


async def test_items_of_many_hotels(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    hotels = [hotel] + [await Hotel.create(sql, f"h{n}", {"suite": 1}) for n in range(3)]
    request_id = uuid4()
    requests = [one.request(request_id=request_id) for one in hotels]
    answers = await store.acquire(requests + [one.request() for one in hotels])
    assert [outcome(one) for one in answers] == ["granted"] * 4 + ["SOLD_OUT"] * 4
    assert [one.tenant_id for one in answers if isinstance(one, Lock)] == [
        one.tenant_id for one in hotels
    ]
    await assert_consistent(sql)


async def test_lapsed_locks_make_room_for_a_batch(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await store.acquire([hotel.request("single") for _ in range(3)])
    await hotel.lapse()
    answers = await store.acquire([hotel.request("single") for _ in range(4)])
    assert [outcome(one) for one in answers] == ["granted"] * 3 + ["SOLD_OUT"]
    await assert_consistent(sql)


async def test_batches_queued_behind_a_held_type(
    store: BookingStore,
    hotel: Hotel,
    database: DatabaseUrls,
    sql: Sql,
    metrics: BookingMetrics,
) -> None:
    """Three batches of 32 wait for a row, see what was committed meanwhile, and are all right."""
    await sql.execute(BREAK_ITEMS)
    early = hotel.request("double", hotel.stay(30))
    broken = hotel.request("double", hotel.stay(31), guest_id="broken")
    shared = [hotel.request("double") for _ in range(8)]
    batches = [
        [broken, early, *shared, *(hotel.request("double") for _ in range(22))],
        [early, *shared, *reversed(shared), *(hotel.request("double") for _ in range(15))],
        [*(hotel.request("double") for _ in range(22)), *shared, early, broken],
    ]
    holder = await asyncpg.connect(database.owner_url)
    async with holder.transaction():
        await holder.execute(HOLD_TYPE, hotel.tenant_id, "double")
        deciding = [asyncio.ensure_future(store.acquire(batch)) for batch in batches]
        await waiting(sql, 3)
        # A replay that the waiting batches can only see after the wait.
        (known,) = await holder.fetch(TAKE_LOCKS, *(await columns(store, early)))
    answers = await asyncio.gather(*deciding)
    await holder.close()

    for batch, of_batch in zip(batches, answers, strict=True):
        said = dict(zip((one.request_id for one in batch), of_batch, strict=True))
        replay = said[early.request_id]
        assert isinstance(replay, Lock)
        assert (replay.lock_id, str(replay.owner_token)) == (
            known["lock_id"],
            str(known["owner_token"]),
        )
    assert isinstance(answers[0][0], Internal)
    assert isinstance(answers[2][-1], Internal)
    by_request: dict[object, set[str]] = {}
    granted: set[object] = set()
    for request, answer in _pairs(batches, answers):
        by_request.setdefault(request.request_id, set()).add(_identity(answer))
        if isinstance(answer, Lock) and request.stay == hotel.stay():
            granted.add(answer.lock_id)
    assert all(len(said) == 1 for said in by_request.values())
    assert len(granted) == 5
    assert set.union(*by_request.values()) - {str(one) for one in granted} == {
        str(known["lock_id"]),
        "SOLD_OUT",
        "DECISION_FAILED",
    }
    assert await hotel.counters("double", hotel.stay()) == [(5, 0)] * 2
    assert metrics.splits._value.get() == 2
    await assert_consistent(sql)


async def test_the_same_request_id_at_once_for_two_types(
    store: BookingStore, hotel: Hotel, database: DatabaseUrls, sql: Sql
) -> None:
    """Two types are two queues; the one that comes second learns that the id is taken."""
    request = hotel.request("single")
    other = hotel.request("double", request_id=request.request_id)
    beside = [hotel.request("double") for _ in range(4)]
    holder = await asyncpg.connect(database.owner_url)
    async with holder.transaction():
        await holder.fetch(TAKE_LOCKS, *(await columns(store, request)))
        deciding = asyncio.ensure_future(store.acquire([other, *beside]))
        await waiting(sql, 1)
    await holder.close()
    answers = await deciding
    assert [outcome(one) for one in answers] == ["REQUEST_ID_REUSED"] + ["granted"] * 4
    await assert_consistent(sql)


async def test_the_counters_are_a_wall_of_their_own(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="night_never_oversold"):
        await sql.execute("UPDATE night_inventory SET held = 4 WHERE room_type_id = 'single'")


async def test_a_counter_changed_without_the_lock_is_noticed(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """Whoever moves a night's row behind the function's back costs time, never a room."""
    await sql.execute(
        """
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE night_inventory SET price = price + 1
            WHERE tenant_id = NEW.tenant_id AND room_type_id = NEW.room_type_id
                AND NEW.guest_id = 'meddler';
            RETURN NEW;
        END $$;
        CREATE TRIGGER meddle BEFORE INSERT ON room_lock FOR EACH ROW EXECUTE FUNCTION meddle();
        """
    )
    answers = await store.acquire(
        [hotel.request("single"), hotel.request("single", guest_id="meddler")]
    )
    assert [outcome(one) for one in answers] == ["granted", "DECISION_FAILED"]
    assert await hotel.counters("single", hotel.stay()) == [(1, 0)] * 2
    await assert_consistent(sql)


MANY_LOCKS = """
INSERT INTO room_lock
    (tenant_id, lock_id, room_type_id, check_in, check_out, adult_count, child_count, guest_id,
    state, owner_token, fencing_number, nightly_prices, currency_code, create_time, expire_time)
SELECT tenant_id, gen_random_uuid(), room_type_id, check_in, check_out, adult_count, child_count,
    'guest ' || n, state, owner_token, fencing_number, nightly_prices, currency_code, create_time,
    expire_time
FROM room_lock, generate_series(1, $1) AS s (n)
"""
ROWS_READ = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'room_lock'
"""


async def test_a_guests_locks_are_counted_among_many_others(
    store: BookingStore, hotel: Hotel, database: DatabaseUrls, sql: Sql
) -> None:
    """By their index, also under a plan that was made when nothing was known of the table."""
    await sql.execute("ANALYZE room_lock")
    await store.acquire([hotel.request("single")])
    await sql.execute(MANY_LOCKS, 2000)
    connection = await asyncpg.connect(database.app_url)
    first = await columns(store, hotel.request("single"))
    wanted = await columns(store, hotel.request("double"))
    async with connection.transaction():
        await connection.execute(tenancy.ACT_FOR, [hotel.tenant_id])
        await connection.fetch(TAKE_LOCKS, *first)
    async with connection.transaction():
        await connection.execute(tenancy.ACT_FOR, [hotel.tenant_id])
        (row,) = await connection.fetch(TAKE_LOCKS, *wanted)
        assert row["reason"] == ""
        assert await connection.fetchval(ROWS_READ) < 10
    await connection.close()


async def columns(store: BookingStore, request: LockRequest) -> tuple[object, ...]:
    """The arguments of the function that takes locks."""
    pages = await store._book.pages([request.tenant_id])
    return (True, *lock_columns([request], [priced(request, pages[request.tenant_id])]))


def _pairs(
    batches: list[list[LockRequest]], answers: list[list[Lock | MeshError]]
) -> list[tuple[LockRequest, Lock | MeshError]]:
    return [
        pair
        for batch, of_batch in zip(batches, answers, strict=True)
        for pair in zip(batch, of_batch, strict=True)
    ]


def _identity(answer: Lock | MeshError) -> str:
    return answer.reason if isinstance(answer, MeshError) else str(answer.lock_id)
