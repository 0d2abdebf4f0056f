"""A reservation from the booking to the departure, on real Postgres."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from meshkit.errors import FailedPrecondition, MeshError, NotFound
from meshkit.money import Money
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.booking.domain import Lock, Reservation, ReservationState
from services.booking.metrics import BookingMetrics
from services.booking.reservations import domain
from services.booking.reservations.domain import Actor, ActorKind, Decide, Order
from services.booking.reservations.reading import Filter
from services.booking.reservations.transitions import TRANSITIONS
from services.booking.store import BookingStore
from tests.integration.booking.hotel import COUNT_CHANGE, Hotel, Sql, assert_consistent

STAFF = Actor(ActorKind.STAFF, "ana")
ONE_NIGHT = {"kind": "NIGHTS", "value": "1"}
SET_TERMS = "UPDATE property SET reservation_terms = $1"
DEPOSIT_OVER = """
UPDATE reservation SET deposit_due_time = clock_timestamp() - interval '1 second'
WHERE deposit_due_time IS NOT NULL
"""
# Every reservation is explained by its events, the last one as it is now.
SELECT_UNEXPLAINED = """
SELECT r.reservation_id FROM reservation r
LEFT JOIN LATERAL (
    SELECT count(*) AS events, max(e.version) AS newest,
        bool_and(e.from_state = coalesce(before.to_state, e.from_state)) AS joined
    FROM reservation_event e
    LEFT JOIN reservation_event before ON before.tenant_id = e.tenant_id
        AND before.reservation_id = e.reservation_id AND before.version = e.version - 1
    WHERE e.tenant_id = r.tenant_id AND e.reservation_id = r.reservation_id
) told ON true
LEFT JOIN reservation_event last ON last.tenant_id = r.tenant_id
    AND last.reservation_id = r.reservation_id AND last.version = r.version
WHERE told.events <> r.version OR told.newest <> r.version OR NOT told.joined
    OR last.to_state <> r.state
"""


@pytest.fixture
async def other(database: DatabaseUrls) -> AsyncIterator[BookingStore]:
    """The store of another replica, with connections of its own."""
    pool = Postgres(database.app_url)
    await pool.start()
    yield BookingStore(pool, BookingMetrics(CollectorRegistry()))
    await pool.close()


async def set_terms(sql: Sql, **terms: object) -> None:
    """What the hotel asks of later guests."""
    await sql.execute(SET_TERMS, json.dumps(terms))
    await sql.execute(COUNT_CHANGE)


async def book(
    store: BookingStore, hotel: Hotel, first: int = 10, nights: int = 2, kind: str = "double"
) -> Reservation:
    """A stay that is booked at once."""
    (lock,) = await store.acquire([hotel.request(kind, hotel.stay(first, nights))])
    assert isinstance(lock, Lock), lock
    held = (lock.lock_id, lock.owner_token, lock.fencing_number)
    return await store.confirm(hotel.tenant_id, uuid4(), b"", *held)


async def change(
    store: BookingStore,
    reservation: Reservation,
    decide: Decide,
    request_id: UUID | None = None,
    fingerprint: bytes = b"",
) -> Reservation:
    """One change by a person of the hotel."""
    order = Order(reservation.tenant_id, request_id or uuid4(), fingerprint, STAFF, "asked")
    return await store.change("Test", order, reservation.reservation_id, decide)


async def reason_of(store: BookingStore, reservation: Reservation, decide: Decide) -> str:
    """How a change is refused."""
    with pytest.raises(FailedPrecondition) as caught:
        await change(store, reservation, decide)
    return caught.value.reason


async def actions(sql: Sql) -> list[str]:
    """What was done, in the order of the stream."""
    rows = await sql.fetch("SELECT action FROM reservation_event ORDER BY transaction_id")
    return [row["action"] for row in rows]


async def assert_explained(sql: Sql) -> None:
    """Counters, rooms, audit and events agree."""
    await assert_consistent(sql)
    assert await sql.fetch(SELECT_UNEXPLAINED) == []


async def test_the_database_has_the_same_table_of_transitions(sql: Sql) -> None:
    rows = await sql.fetch(
        "SELECT action, from_state, to_state, occupying FROM reservation_transition"
    )
    assert {tuple(row) for row in rows} == {
        (action.value, state.value, rule.to_state.value, rule.occupying)
        for (action, state), rule in TRANSITIONS.items()
    }


async def test_what_is_not_in_the_table_cannot_be_written(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await book(store, hotel)
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="reservation_event_is_legal"):
        await sql.execute(
            """
            INSERT INTO reservation_event
            SELECT tenant_id, reservation_id, 2, 'CHECK_OUT', 'CONFIRMED', 'CHECKED_OUT',
                actor_kind, actor_id, reason, request_id, event_time, reservation
            FROM reservation_event
            """
        )


async def test_from_the_booking_to_the_departure(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await book(store, hotel, first=0, nights=3)
    assert (booked.version, booked.state) == (1, ReservationState.CONFIRMED)
    inside = await change(store, booked, domain.check_in)
    assert inside.state is ReservationState.CHECKED_IN
    assert await reason_of(store, inside, domain.cancel()) == "WRONG_STATE"
    gone = await change(store, inside, domain.check_out)
    assert gone.state is ReservationState.CHECKED_OUT
    assert gone.stay.night_count == 1
    assert gone.quote == booked.quote
    assert gone == await store.reservation(hotel.tenant_id, booked.reservation_id)
    assert await hotel.counters("double", booked.stay) == [(0, 1), (0, 0), (0, 0)]
    events = await store.events(hotel.tenant_id, booked.reservation_id, 0, 10)
    assert [(one.action, one.from_state, one.reservation) for one in events] == [
        ("CONFIRM", "LOCKED", booked),
        ("CHECK_IN", "CONFIRMED", inside),
        ("CHECK_OUT", "CHECKED_IN", gone),
    ]
    assert (events[1].actor, events[1].reason) == (STAFF, "asked")
    assert [one.position for one in events] == sorted({one.position for one in events})
    assert await store.events(hotel.tenant_id, booked.reservation_id, 2, 1) == events[2:]
    await assert_explained(sql)


async def test_a_refused_event_leaves_nothing_but_its_answer(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await book(store, hotel)
    request_id = uuid4()
    for _ in range(2):
        with pytest.raises(FailedPrecondition, match="TOO_EARLY") as caught:
            await change(store, booked, domain.check_in, request_id)
        assert caught.value.metadata == {"check_in_date": str(booked.stay.check_in)}
    with pytest.raises(FailedPrecondition, match="REQUEST_ID_REUSED"):
        await change(store, booked, domain.cancel(), request_id, b"other")
    with pytest.raises(NotFound, match="RESERVATION_UNKNOWN"):
        await change(store, replace(booked, reservation_id=uuid4()), domain.check_in)
    assert await actions(sql) == ["CONFIRM"]
    assert await store.reservation(hotel.tenant_id, booked.reservation_id) == booked
    await assert_explained(sql)


async def test_the_same_request_gets_the_same_answer_whatever_came_after(
    store: BookingStore, other: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await book(store, hotel, first=0)
    request_id = uuid4()
    inside = await change(store, booked, domain.check_in, request_id)
    await change(store, booked, domain.check_out)
    assert await change(other, booked, domain.check_in, request_id) == inside
    assert await actions(sql) == ["CONFIRM", "CHECK_IN", "CHECK_OUT"]


async def test_the_penalty_is_the_one_of_the_day_of_booking(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    step = {"hours_before": 10_000, "penalty": ONE_NIGHT}
    await set_terms(sql, cancellation=[step])
    booked = await book(store, hotel)
    await set_terms(sql)
    facts = await store.facts(booked)
    assert domain.cancellation_quote(booked, facts).penalty == Decimal("100.50")
    assert await reason_of(store, booked, domain.cancel()) == "PENALTY_CHANGED"
    accepted = domain.cancel(Money(Decimal("100.50"), "EUR"))
    cancelled = await change(store, booked, accepted)
    assert cancelled.penalty == Decimal("100.50")
    assert await hotel.counters("double", booked.stay) == [(0, 0)] * 2
    later = await book(store, hotel)
    assert (await change(store, later, domain.cancel())).penalty == 0
    await assert_explained(sql)


async def test_a_no_show_frees_the_nights(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    # Guests may arrive from midnight on, so the hour of arrival is over.
    await set_terms(sql, check_in="00:00", no_show=ONE_NIGHT)
    missed = await change(store, await book(store, hotel, 0), domain.record_no_show)
    assert missed.state is ReservationState.NO_SHOW
    assert missed.penalty == Decimal("100.50")
    assert await hotel.counters("double", missed.stay) == [(0, 0)] * 2
    await assert_explained(sql)


async def test_who_arrives_next_is_looked_at(store: BookingStore, hotel: Hotel, sql: Sql) -> None:
    fee = {"kind": "FIXED", "value": "25"}
    await set_terms(sql, late_checkout=[{"until": "18:00", "fee": fee}])
    late = domain.accept_late_checkout(dt.time(17), Money(Decimal(25), "EUR"))
    first = await book(store, hotel, 10, 2, "suite")
    assert (await change(store, first, late)).late_checkout is not None
    second = await book(store, hotel, 20, 2, "suite")
    await book(store, hotel, 22, 1, "suite")
    assert await reason_of(store, second, late) == "NEXT_ARRIVAL"
    # In another room of the type nobody is in the way.
    third = await book(store, hotel, 20, 2, "double")
    await book(store, hotel, 23, 1, "double")
    assert (await change(store, third, late)).late_checkout is not None
    await assert_explained(sql)


async def test_a_deposit_is_awaited_shown_rejected_shown_again_and_approved(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await set_terms(sql, deposit=ONE_NIGHT)
    booked = await book(store, hotel)
    assert booked.state is ReservationState.AWAITING_DEPOSIT
    assert booked.deposit is not None
    assert booked.deposit.amount == Decimal("100.50")
    assert await reason_of(store, booked, domain.check_in) == "WRONG_STATE"
    await change(store, booked, domain.submit_receipt("image-1"))
    rejected = await change(store, booked, domain.reject_deposit)
    assert rejected.state is ReservationState.AWAITING_DEPOSIT
    shown = await change(store, booked, domain.submit_receipt("image-2"))
    assert shown.deposit is not None
    assert shown.deposit.receipt_reference == "image-2"
    approved = await change(store, booked, domain.approve_deposit)
    assert approved.state is ReservationState.CONFIRMED
    assert await store.reservation(hotel.tenant_id, booked.reservation_id) == approved
    await assert_explained(sql)


async def test_what_is_not_paid_in_time_lapses_once_whatever_the_replicas(
    store: BookingStore, other: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    await set_terms(sql, deposit=ONE_NIGHT)
    overdue = [await book(store, hotel, first) for first in range(5, 25, 2)]
    shown = await book(store, hotel, 30)
    await change(store, shown, domain.submit_receipt("image"))
    assert await store.lapse_overdue() == 0
    await sql.execute(DEPOSIT_OVER)
    await asyncio.gather(*(one.lapse_overdue() for one in (store, other) * 3))
    assert (await actions(sql)).count("LAPSE") == len(overdue)
    for one in overdue:
        now = await store.reservation(hotel.tenant_id, one.reservation_id)
        assert now.state is ReservationState.LAPSED
        assert await hotel.counters("double", one.stay) == [(0, 0)] * 2
    waiting = await store.reservation(hotel.tenant_id, shown.reservation_id)
    assert waiting.state is ReservationState.DEPOSIT_RECEIVED
    assert await store.lapse_overdue() == 0
    await assert_explained(sql)


async def test_a_list_goes_by_arrival_and_page_by_page(
    store: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = [await book(store, hotel, first, 3) for first in (12, 3, 3, 7, 20)]
    await change(store, booked[3], domain.cancel())
    elsewhere = await Hotel.create(sql, "elsewhere", {"double": 1})
    await book(store, elsewhere, 5)
    everything = Filter(hotel.tenant_id)
    found: list[Reservation] = []
    after = (dt.date.min, UUID(int=0))
    while page := await store.page(everything, after, 2):
        assert len(page) <= 2
        found += page
        after = (page[-1].stay.check_in, page[-1].reservation_id)
    assert [one.stay.check_in for one in found] == sorted(one.stay.check_in for one in booked)
    assert {one.reservation_id for one in found} == {one.reservation_id for one in booked}

    async def firsts(**wanted: object) -> list[int]:
        some = replace(everything, **wanted)  # type: ignore[arg-type]
        page = await store.page(some, (dt.date.min, UUID(int=0)), 50)
        return [(one.stay.check_in - hotel.today).days for one in page]

    day = [hotel.today + dt.timedelta(days=number) for number in range(30)]
    assert await firsts(states=("CANCELLED",)) == [7]
    assert await firsts(guest_id=booked[0].guest_id) == [12]
    assert await firsts(arrival_from=day[7], arrival_until=day[13]) == [7, 12]
    assert await firsts(staying_on=day[5]) == [3, 3]
    assert await firsts(staying_on=day[6]) == []


async def test_two_copies_of_a_change_at_once(
    store: BookingStore, other: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    booked = await book(store, hotel, 0)
    request_id = uuid4()
    answers = await asyncio.gather(
        *(change(one, booked, domain.check_in, request_id) for one in (store, other) * 8)
    )
    assert len(set(answers)) == 1
    assert await actions(sql) == ["CONFIRM", "CHECK_IN"]


async def test_check_in_raced_with_cancel_and_cancel_with_itself(
    store: BookingStore, other: BookingStore, hotel: Hotel, sql: Sql
) -> None:
    """One of them wins; the other is told the state that it met."""
    for _ in range(5):
        booked = await book(store, hotel, 0)
        outcomes = await asyncio.gather(
            change(store, booked, domain.check_in),
            change(other, booked, domain.cancel()),
            change(store, booked, domain.cancel()),
            change(other, booked, domain.check_in),
            return_exceptions=True,
        )
        now = await store.reservation(hotel.tenant_id, booked.reservation_id)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, MeshError)
                assert (outcome.reason, outcome.metadata["state"]) == (
                    "WRONG_STATE",
                    now.state.value,
                )
            else:
                assert outcome == now
    await assert_explained(sql)
