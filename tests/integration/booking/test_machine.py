"""Locks, expiries, reservations and cancellations against a model, on real Postgres.

In both directions: never more than a night's capacity, and never a refusal
while there is room. Every step is also asked again, under its request id.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from prometheus_client import CollectorRegistry

from meshkit.errors import MeshError
from meshkit.postgres import Postgres
from sandbox.databases import DatabaseUrls
from services.booking.domain import Lock, LockRequest, Reservation, Stay
from services.booking.metrics import BookingMetrics
from services.booking.search.domain import search
from services.booking.search.store import SearchStore
from services.booking.store import BookingStore
from tests.integration.booking.hotel import COUNT_CHANGE, PRICE, Hotel, assert_consistent

CAPACITY = {"single": 2, "double": 3}
NIGHTS = 6
GUESTS = ("ana", "luis", "eva")
LIVE_LOCKS = 2
LONGEST_LOCK = timedelta(hours=2)

T = TypeVar("T")

SELECT_COUNTERS = """
SELECT room_type_id, night, held, sold FROM night_inventory
WHERE tenant_id = $1 AND held + sold > 0
"""
SET_PRICE = """
UPDATE night_inventory SET price = $4 WHERE tenant_id = $1 AND room_type_id = $2 AND night = $3
"""


@dataclass
class ModelLock:
    """A granted lock, as the model knows it."""

    lock: Lock
    guest: str
    live: bool = True
    """In its time, and neither released nor converted."""
    counted: bool = True
    """In the counters; a lapsed one is, until somebody reaps it."""
    ended: str = ""
    """RELEASED or CONVERTED."""


@dataclass
class Model:
    """What the hotel should know."""

    locks: list[ModelLock] = field(default_factory=list)
    stays: dict[UUID, tuple[str, Stay]] = field(default_factory=dict)
    prices: dict[tuple[str, int], Decimal] = field(default_factory=dict)

    def taken(self, room_type_id: str, night: int, today: Any) -> int:
        """Rooms of a night that nobody else can have."""
        day = today + timedelta(days=night)
        holding = [(one.lock.room_type_id, one.lock.stay) for one in self.locks if one.live]
        return sum(
            kind == room_type_id and stay.check_in <= day < stay.check_out
            for kind, stay in (*holding, *self.stays.values())
        )


class BookingMachine(RuleBasedStateMachine):
    """One hotel of two types, five rooms and six nights."""

    pool: Postgres
    sql: asyncpg.Connection[asyncpg.Record]
    runner: asyncio.Runner

    locks: Bundle[ModelLock] = Bundle("locks")
    reservations: Bundle[Reservation] = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.store = BookingStore(self.pool, BookingMetrics(CollectorRegistry()))
        self.searches = SearchStore(self.pool)
        self.hotel = self.run(Hotel.create(self.sql, uuid4().hex, CAPACITY))
        self.model = Model()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something of the store's."""
        return self.runner.run(work)

    def free(self, room_type_id: str, stay: Stay) -> int:
        """What the model would still sell."""
        first = (stay.check_in - self.hotel.today).days
        return min(
            CAPACITY[room_type_id] - self.model.taken(room_type_id, night, self.hotel.today)
            for night in range(first, first + stay.night_count)
        )

    def price(self, room_type_id: str, stay: Stay) -> tuple[Decimal, ...]:
        """What the model would ask for the nights."""
        first = (stay.check_in - self.hotel.today).days
        return tuple(
            self.model.prices.get((room_type_id, night), PRICE)
            for night in range(first, first + stay.night_count)
        )

    stays = st.tuples(st.integers(1, NIGHTS), st.integers(1, 4))
    wishes = st.tuples(st.sampled_from(sorted(CAPACITY)), stays, st.sampled_from((*GUESTS, "")))

    @rule(target=locks, wishes=st.lists(wishes, min_size=1, max_size=6), twin=st.booleans())
    def acquire(self, wishes: list[tuple[str, tuple[int, int], str]], twin: bool) -> Any:
        """A batch is decided as if its items came one after the other."""
        requests = [
            self.hotel.request(kind, self.hotel.stay(*stay), guest_id=guest or uuid4().hex)
            for kind, stay, guest in wishes
        ]
        asked = [*requests, requests[0]] if twin else requests
        answers = self.run(self.store.acquire(asked))
        granted = [
            self.expect(request, answer) for request, answer in zip(requests, answers, strict=False)
        ]
        again = self.run(self.store.acquire(asked))
        assert [_identity(one) for one in again] == [_identity(one) for one in answers]
        assert not twin or _identity(answers[-1]) == _identity(answers[0])
        return multiple(*(one for one in granted if one))

    def expect(self, request: LockRequest, answer: Lock | MeshError) -> ModelLock | None:
        """Check one answer against the model, and note what it changes."""
        holds = sum(one.live and one.guest == request.guest_id for one in self.model.locks)
        if holds >= LIVE_LOCKS:
            expected = "TOO_MANY_LOCKS"
        elif self.free(request.room_type_id, request.stay) < 1:
            expected = "SOLD_OUT"
        else:
            expected = "granted"
        said = answer.reason if isinstance(answer, MeshError) else "granted"
        assert said == expected, (request, answer)
        if not isinstance(answer, Lock):
            return None
        assert answer.quote.nightly_prices == self.price(request.room_type_id, request.stay)
        known = ModelLock(answer, request.guest_id)
        self.model.locks.append(known)
        return known

    @rule(one=locks)
    def lapse(self, one: ModelLock) -> None:
        """A lock's time runs out; nobody is told."""
        self.run(self.hotel.lapse(one.lock.lock_id))
        one.live = False

    @rule()
    def sweep(self) -> None:
        """Hygiene changes nothing that anybody can see."""
        self.run(self.store.sweep_locks())

    @rule(one=locks)
    def release(self, one: ModelLock) -> None:
        """A lock is given back, whether or not it still had a room."""
        held = (one.lock.lock_id, one.lock.owner_token)
        said = self.outcome(self.store.release(self.hotel.tenant_id, uuid4(), b"", *held))
        expected = "LOCK_CONVERTED" if one.ended == "CONVERTED" else "done"
        assert said == expected
        if expected == "done":
            one.live, one.ended = False, "RELEASED"

    @rule(one=locks)
    def extend(self, one: ModelLock) -> None:
        """More time for a lock that is live; what is over stays over."""
        lock, request_id = one.lock, uuid4()
        held = (lock.lock_id, lock.owner_token, lock.fencing_number)
        answer = self.answer(self.store.extend(self.hotel.tenant_id, request_id, b"", *held))
        again = self.answer(self.store.extend(self.hotel.tenant_id, request_id, b"", *held))
        if isinstance(answer, Lock):
            assert one.live
            assert again == answer
            assert answer.expire_time <= answer.create_time + LONGEST_LOCK
        else:
            assert not one.live
            assert answer.reason == f"LOCK_{one.ended or 'EXPIRED'}"

    @rule(target=reservations, one=locks)
    def confirm(self, one: ModelLock) -> Any:
        """In time always; late when nobody came first and the price is the same."""
        lock, request_id = one.lock, uuid4()
        held = (lock.lock_id, lock.owner_token, lock.fencing_number)
        expected = self.verdict(one)
        answer = self.answer(self.store.confirm(self.hotel.tenant_id, request_id, b"", *held))
        again = self.answer(self.store.confirm(self.hotel.tenant_id, request_id, b"", *held))
        if not isinstance(answer, Reservation):
            assert answer.reason == expected
            assert isinstance(again, MeshError)
            assert again.reason == answer.reason
            return multiple()
        assert expected == "done"
        assert again == answer
        assert answer.quote == lock.quote
        assert answer.room_number
        one.live, one.ended = False, "CONVERTED"
        self.model.stays[answer.reservation_id] = (lock.room_type_id, lock.stay)
        return answer

    def verdict(self, one: ModelLock) -> str:
        """What confirming a lock should come to."""
        if one.ended:
            return f"LOCK_{one.ended}"
        if one.live:
            return "done"
        if self.free(one.lock.room_type_id, one.lock.stay) < 1:
            return "LOCK_EXPIRED"
        asked = self.price(one.lock.room_type_id, one.lock.stay)
        return "done" if asked == one.lock.quote.nightly_prices else "PRICE_CHANGED"

    @rule(one=reservations)
    def cancel(self, one: Reservation) -> None:
        """The nights are free, however often it is said."""
        key = (self.hotel.tenant_id, uuid4(), b"", one.reservation_id)
        assert self.outcome(self.store.cancel(*key)) == "done"
        self.model.stays.pop(one.reservation_id, None)

    @rule(
        kind=st.sampled_from(sorted(CAPACITY)),
        night=st.integers(1, NIGHTS),
        euros=st.integers(1, 3),
    )
    def reprice(self, kind: str, night: int, euros: int) -> None:
        """The hotel asks another price for a night."""
        self.model.prices[kind, night] = Decimal(euros)
        day = self.hotel.today + timedelta(days=night)
        self.run(self.sql.execute(SET_PRICE, self.hotel.tenant_id, kind, day, Decimal(euros)))
        self.run(self.sql.execute(COUNT_CHANGE))

    @rule(stay=stays)
    def search(self, stay: tuple[int, int]) -> None:
        """What is shown as free is what the model would sell."""
        asked = self.hotel.stay(*stay)
        inventory = self.run(self.searches.inventory(self.hotel.tenant_id, asked))
        for offer in search(inventory, asked, self.hotel.request().guests).offers:
            assert offer.free_count == max(self.free(offer.room_type.room_type_id, asked), 0)

    @invariant()
    def capacity_holds(self) -> None:
        """Counted is what the model sold, and what it or a lapsed lock holds."""
        for row in self.run(self.sql.fetch(SELECT_COUNTERS, self.hotel.tenant_id)):
            night = (row["night"] - self.hotel.today).days
            taken = self.model.taken(row["room_type_id"], night, self.hotel.today)
            assert taken <= row["held"] + row["sold"] <= CAPACITY[row["room_type_id"]]

    def teardown(self) -> None:
        """Counters equal the ledger, every stay has a room, the audit explains it."""
        self.run(assert_consistent(self.sql))

    def answer(self, work: Coroutine[Any, Any, T]) -> T | MeshError:
        """What the store says, errors included."""
        try:
            return self.run(work)
        except MeshError as error:
            return error

    def outcome(self, work: Coroutine[Any, Any, object]) -> str:
        """`done`, or the reason why not."""
        answer = self.answer(work)
        return answer.reason if isinstance(answer, MeshError) else "done"


def _identity(answer: Lock | MeshError) -> str:
    return answer.reason if isinstance(answer, MeshError) else str(answer.lock_id)


@pytest.mark.parametrize(
    ("examples", "steps"),
    [(40, 30), pytest.param(20_000, 50, marks=pytest.mark.soak)],
)
def test_the_hotel_is_its_model(database: DatabaseUrls, examples: int, steps: int) -> None:
    number = int(os.environ.get("CONSERJE_TEST_SEED") or random.randrange(2**32))
    print(f"CONSERJE_TEST_SEED={number}")
    with asyncio.Runner() as runner:
        BookingMachine.runner = runner
        BookingMachine.sql = runner.run(asyncpg.connect(database.owner_url))
        BookingMachine.pool = runner.run(_pool(database.app_url))
        run_state_machine_as_test(
            seed(number)(BookingMachine),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        runner.run(BookingMachine.pool.close())
        runner.run(BookingMachine.sql.close())


async def _pool(url: str) -> Postgres:
    pool = Postgres(url, kept=2, overflow=1)
    await pool.start()
    return pool
