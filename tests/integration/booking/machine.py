"""A hotel driven at random, each answer compared with the model's."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from meshkit.dates import nights as nights_of
from meshkit.errors import MeshError
from meshkit.money import Money
from services.booking.domain import (
    Guests,
    Lock,
    LockRequest,
    Reservation,
    RoomWish,
    Stay,
)
from services.booking.reservations import domain
from services.booking.reservations.domain import Actor, ActorKind, Order
from services.booking.reservations.taking import Wishes
from services.booking.rooms.domain import Span
from services.booking.rooms.store import Shut
from services.booking.search.domain import search
from tests.integration.booking.desk import Desk
from tests.integration.booking.hotel import PRICE
from tests.integration.booking.model import (
    LIVE_LOCKS,
    NIGHTS,
    ROOMS,
    Claim,
    Model,
    ModelLock,
    ModelStay,
)

T = TypeVar("T")

GUESTS = ("ana", "luis", "eva")
LONGEST_LOCK = dt.timedelta(hours=2)
ANY_PRICE = Money(Decimal(100_000), "EUR")
TWO = Guests(2, 0)
STAFF = Actor(ActorKind.STAFF, "eva")

# A kind, and which of its rooms; mostly whichever.
rooms = st.tuples(st.sampled_from(sorted(ROOMS)), st.sampled_from((0, 0, 0, 1, 2))).map(
    lambda one: (one[0], f"{one[0]}-{one[1]}" if one[1] else "")
)
stays = st.tuples(st.integers(0, NIGHTS - 1), st.integers(1, 4))
wishes = st.tuples(
    st.lists(rooms, min_size=1, max_size=3, unique_by=lambda one: one[1] or object()),
    stays,
    st.sampled_from((*GUESTS, "", "")),
)


class BookingMachine(RuleBasedStateMachine):
    """One hotel of two types, five rooms and a few nights."""

    open_desk: Callable[[], Coroutine[Any, Any, Desk]]
    loop: asyncio.AbstractEventLoop

    locks: Bundle[ModelLock] = Bundle("locks")
    reservations: Bundle[ModelStay] = Bundle("reservations")
    inside: Bundle[ModelStay] = Bundle("inside")
    closures: Bundle[UUID] = Bundle("closures")

    def __init__(self) -> None:
        super().__init__()
        self.desk = self.run(type(self).open_desk())
        self.hotel, self.bookings = self.desk.hotel, self.desk.bookings
        self.model = Model()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something of the store's."""
        # Not by a runner, which would set up signals each time.
        return self.loop.run_until_complete(work)

    def answer(self, work: Coroutine[Any, Any, T]) -> T | MeshError:
        """What the store says, errors included."""
        try:
            return self.run(work)
        except MeshError as error:
            return error

    def order(self) -> Order:
        """A request of the staff."""
        return Order(self.hotel.tenant_id, uuid4(), b"", STAFF)

    def price(self, claim: Claim) -> tuple[Decimal, ...]:
        """What the model would ask for the nights."""
        span = range(claim.first, claim.end)
        return tuple(self.model.prices.get((claim.kind, night), PRICE) for night in span)

    # A hotel where somebody has booked, holds a room and is inside: what changes those would
    # seldom come about by chance.

    @initialize(target=reservations, kind=rooms, stay=stays)
    def somebody_has_booked(self, kind: tuple[str, str], stay: tuple[int, int]) -> Any:
        """A reservation."""
        return self.create([kind], stay)

    @initialize(target=locks, wish=wishes)
    def somebody_holds(self, wish: tuple[list[tuple[str, str]], tuple[int, int], str]) -> Any:
        """A lock."""
        return self.acquire([wish], again=False)

    @initialize(target=inside, kind=rooms, count=st.integers(1, 4))
    def somebody_is_inside(self, kind: tuple[str, str], count: int) -> Any:
        """A guest who has walked in."""
        booked = self.create([kind], (0, count))
        return self.check_in(booked) if isinstance(booked, ModelStay) else multiple()

    @rule(target=locks, asked=st.lists(wishes, min_size=1, max_size=4), again=st.booleans())
    def acquire(
        self, asked: list[tuple[list[tuple[str, str]], tuple[int, int], str]], again: bool
    ) -> Any:
        """A batch is decided one by one: those by counters first, then those with a search."""
        requests = [self.request(*one) for one in asked]
        pinned = self.run(self.desk.pinned())
        sent = [*requests, requests[0]] if again else requests
        answers = self.run(self.bookings.acquire(sent))
        pairs = list(zip(requests, answers, strict=False))
        pairs.sort(key=lambda pair: not pair[0].by_counters or pair[0].room_type_id in pinned)
        granted = [self.expect(*pair) for pair in pairs]
        if again:
            assert _identity(answers[-1]) == _identity(answers[0])
            repeated = self.run(self.bookings.acquire(sent))
            assert [_identity(one) for one in repeated] == [_identity(one) for one in answers]
        return multiple(*(one for one in granted if one))

    def request(
        self, kinds: Sequence[tuple[str, str]], stay: tuple[int, int], guest: str
    ) -> LockRequest:
        """A lock of these rooms."""
        first, *others = [RoomWish(kind, TWO, room) for kind, room in kinds]
        return LockRequest(
            tenant_id=self.hotel.tenant_id,
            request_id=uuid4(),
            room_type_id=first.room_type_id,
            stay=self.hotel.stay(*stay),
            guests=TWO,
            guest_id=guest or uuid4().hex,
            room_id=first.room_id,
            other_rooms=tuple(others),
        )

    def claims(self, wanted: Sequence[RoomWish], stay: Stay) -> tuple[Claim, ...]:
        """The rooms as the model counts them."""
        first = (stay.check_in - self.hotel.today).days
        end = first + stay.night_count
        return tuple(Claim(one.room_type_id, first, end, one.room_id) for one in wanted)

    def expect(self, request: LockRequest, answer: Lock | MeshError) -> ModelLock | None:
        """Check one answer against the model, and note what it changes."""
        claims = self.claims(request.rooms, request.stay)
        if self.model.holds(request.guest_id) >= LIVE_LOCKS:
            expected = "TOO_MANY_LOCKS"
        else:
            expected = "granted" if self.model.fits(claims) else "SOLD_OUT"
        said = answer.reason if isinstance(answer, MeshError) else "granted"
        assert said == expected, (request, answer)
        if not isinstance(answer, Lock):
            return None
        quotes = [answer.quote, *(one.quote for one in answer.other_rooms)]
        assert [one.nightly_prices for one in quotes] == [self.price(one) for one in claims]
        known = ModelLock(answer, request.guest_id, claims)
        self.model.locks.append(known)
        return known

    @rule(one=locks)
    def lapse(self, one: ModelLock) -> None:
        """A lock's time runs out; nobody is told."""
        self.run(self.desk.lapse(one.lock.lock_id))
        one.live = False

    @rule()
    def sweep(self) -> None:
        """Hygiene changes nothing that anybody can see."""
        self.run(self.bookings.sweep_locks())

    @rule(one=locks)
    def release(self, one: ModelLock) -> None:
        """A lock is given back, whether or not it still had a room."""
        held = (one.lock.lock_id, one.lock.owner_token)
        said = self.answer(self.bookings.release(self.hotel.tenant_id, uuid4(), b"", *held))
        if one.ended == "CONVERTED":
            assert _reason(said) == "LOCK_CONVERTED"
        else:
            assert _reason(said) == "done"
            one.live, one.ended = False, "RELEASED"

    @rule(one=locks)
    def revoke(self, one: ModelLock) -> None:
        """The hotel takes a live lock from its owner; what is over stays as it is."""
        said = self.answer(self.bookings.revoke(self.order(), one.lock.lock_id))
        if one.live:
            assert _reason(said) == "done"
            one.live, one.ended = False, "RELEASED"
        else:
            assert _reason(said) == f"LOCK_{one.ended or 'EXPIRED'}"

    @rule(one=locks)
    def extend(self, one: ModelLock) -> None:
        """More time for a lock that is live; what is over stays over."""
        lock = one.lock
        held = (lock.lock_id, lock.owner_token, lock.fencing_number)
        answer = self.answer(self.bookings.extend(self.hotel.tenant_id, uuid4(), b"", *held))
        if isinstance(answer, Lock):
            assert one.live
            assert answer.expire_time <= answer.create_time + LONGEST_LOCK
        else:
            assert not one.live
            assert _reason(answer) == f"LOCK_{one.ended or 'EXPIRED'}"

    @rule(target=reservations, one=locks, again=st.booleans())
    def confirm(self, one: ModelLock, again: bool) -> Any:
        """In time always; late when nobody came first and the price is the same."""
        lock, request_id = one.lock, uuid4()
        held = (lock.lock_id, lock.owner_token, lock.fencing_number)
        expected = self.verdict(one)
        answer = self.answer(self.bookings.confirm(self.hotel.tenant_id, request_id, b"", *held))
        assert _reason(answer) == expected
        if again:
            repeated = self.answer(
                self.bookings.confirm(self.hotel.tenant_id, request_id, b"", *held)
            )
            assert repeated == answer or _reason(repeated) == _reason(answer) != "done"
        if not isinstance(answer, Reservation):
            return multiple()
        assert answer.quote == lock.quote
        one.live, one.ended = False, "CONVERTED"
        return self.booked(answer, one.claims)

    def verdict(self, one: ModelLock) -> str:
        """What confirming a lock should come to."""
        if one.ended:
            return f"LOCK_{one.ended}"
        if one.live:
            return "done"
        if not self.model.counts(one.claims):
            return "LOCK_EXPIRED"
        quotes = [one.lock.quote, *(room.quote for room in one.lock.other_rooms)]
        if [self.price(claim) for claim in one.claims] != [it.nightly_prices for it in quotes]:
            return "PRICE_CHANGED"
        return "done" if self.model.fits(one.claims) else "LOCK_EXPIRED"

    def booked(self, reservation: Reservation, claims: tuple[Claim, ...]) -> ModelStay:
        """Everybody has a room, and who asked for this one has this one."""
        for room, claim in zip(reservation.rooms, claims, strict=True):
            assert room.room_number
            assert claim.room in ("", f"{claim.kind}-{room.room_number}")
        known = ModelStay(reservation, claims)
        self.model.stays.append(known)
        return known

    @rule(
        target=reservations,
        kinds=st.lists(rooms, min_size=1, max_size=2, unique_by=lambda one: one[1] or object()),
        stay=stays,
    )
    def create(self, kinds: list[tuple[str, str]], stay: tuple[int, int]) -> Any:
        """A booking without a lock: all its rooms or none."""
        wanted = [RoomWish(kind, TWO, room) for kind, room in kinds]
        nights = self.hotel.stay(*stay)
        claims = self.claims(wanted, nights)
        expected = "done" if self.model.fits(claims) else "SOLD_OUT"
        answer = self.answer(self.bookings.create(self.order(), "ana", nights, wanted))
        assert _reason(answer) == expected
        return self.booked(answer, claims) if isinstance(answer, Reservation) else multiple()

    @rule(one=reservations, stay=stays)
    def modify(self, one: ModelStay, stay: tuple[int, int]) -> None:
        """Other dates: those, or everything as it was."""
        if one.inside or not one.occupying:
            return
        nights = self.hotel.stay(*stay)
        first, end = stay[0], stay[0] + stay[1]
        claims = tuple(Claim(old.kind, first, end, old.room) for old in one.claims)
        expected = "done" if self.model.fits(claims, without=one) else "SOLD_OUT"
        wanted = Wishes(nights.check_in, nights.check_out, accepted_total=ANY_PRICE)
        key = one.reservation.reservation_id
        answer = self.answer(self.bookings.modify(self.order(), key, wanted))
        assert _reason(answer) == expected
        if isinstance(answer, Reservation):
            one.reservation, one.claims = answer, claims
            assert all(room.room_number for room in answer.rooms)

    @rule(target=inside, one=reservations)
    def check_in(self, one: ModelStay) -> Any:
        """A guest who is inside stays in the room."""
        if one.inside or not one.occupying or one.claims[0].first > 0:
            return multiple()
        key = one.reservation.reservation_id
        arrived = self.run(
            self.bookings.change("CheckInReservation", self.order(), key, domain.check_in)
        )
        one.inside = True
        one.claims = tuple(
            Claim(old.kind, old.first, old.end, f"{old.kind}-{room.room_number}")
            for old, room in zip(one.claims, arrived.rooms, strict=True)
        )
        return one

    @rule(one=inside, end=st.integers(1, NIGHTS))
    def stay_inside(self, one: ModelStay, end: int) -> None:
        """Guests who are in their rooms leave another day: whoever has not arrived makes way."""
        claims = tuple(replace(old, end=end) for old in one.claims)
        wanted = Wishes(check_out=self.hotel.stay(0, end).check_out, accepted_total=ANY_PRICE)
        key = one.reservation.reservation_id
        answer = self.answer(self.bookings.modify(self.order(), key, wanted))
        if self.model.fits(claims, without=one):
            assert _reason(answer) == "done"
        else:
            # That each night has some room, but not this one for all of them, is told apart.
            assert _reason(answer) in ("SOLD_OUT", "ROOM_TAKEN")
        if isinstance(answer, Reservation):
            one.reservation, one.claims = answer, claims
            rooms = [f"{room.room_type_id}-{room.room_number}" for room in answer.rooms]
            assert rooms == [claim.room for claim in claims]

    @rule(one=reservations)
    def cancel(self, one: ModelStay) -> None:
        """The nights are free, however often it is said."""
        key = (self.hotel.tenant_id, uuid4(), b"", one.reservation.reservation_id)
        answer = self.answer(self.bookings.cancel(*key))
        assert _reason(answer) == ("WRONG_STATE" if one.inside else "done")
        if not one.inside:
            one.occupying = False

    @rule(target=closures, number=st.integers(0, 4), stay=stays)
    def shut(self, number: int, stay: tuple[int, int]) -> Any:
        """A room is shut unless somebody would have none then."""
        kind, room = [(kind, n + 1) for kind, count in ROOMS.items() for n in range(count)][number]
        claim = Claim(kind, stay[0], stay[0] + stay[1], f"{kind}-{room}")
        nights = self.hotel.stay(*stay)
        span = Span(nights.check_in, nights.check_out - dt.timedelta(days=1))
        shut = [one for one in self.model.shut.values() if one.room == claim.room]
        if any(one.first < claim.end and claim.first < one.end for one in shut):
            expected = "ALREADY_SHUT"
        else:
            expected = "done" if self.model.fits(shut=[claim]) else "ROOM_SOLD"
        answer = self.answer(self.desk.rooms.shut(self.order(), claim.room, span, forced=False))
        assert _reason(answer) == expected
        if not isinstance(answer, Shut):
            return multiple()
        self.model.shut[answer.closure.closure_id] = claim
        return answer.closure.closure_id

    @rule(one=closures)
    def reopen(self, one: UUID) -> None:
        """A room is sold again, however often it is said."""
        self.run(self.desk.rooms.reopen(self.order(), one))
        self.model.shut.pop(one, None)

    @rule()
    def assign(self) -> None:
        """Everybody has a room, so nobody moves."""
        done = self.run(self.desk.rooms.assign_rooms(self.order(), ()))
        assert (done.moves, done.without) == ([], [])

    @rule(
        kind=st.sampled_from(sorted(ROOMS)), night=st.integers(0, NIGHTS), euros=st.integers(1, 3)
    )
    def reprice(self, kind: str, night: int, euros: int) -> None:
        """The hotel asks another price for a night."""
        self.model.prices[kind, night] = Decimal(euros)
        day = self.hotel.today + dt.timedelta(days=night)
        self.run(self.desk.reprice(kind, day, Decimal(euros)))

    @rule(stay=stays)
    def search(self, stay: tuple[int, int]) -> None:
        """What is shown as free, now or on other dates, can be had, and no more than that."""
        asked = self.hotel.stay(*stay)
        inventory = self.run(self.desk.inventory(asked))
        for offer in search(inventory, asked, TWO).offers:
            kind = offer.room_type.room_type_id
            count = offer.free_count
            one = Claim(kind, stay[0], stay[0] + stay[1])
            assert self.model.fits([one] * count)
            assert not self.model.fits([one] * (count + 1))
            if offer.nearest is not None:
                wish = RoomWish(kind, TWO)
                assert self.model.fits(self.claims([wish], offer.nearest.stay))

    @invariant()
    def capacity_holds(self) -> None:
        """Never more than the rooms of a night, and nobody in another's room."""
        look = self.run(self.desk.look())
        for kind, night, free in look.free:
            assert 0 <= free <= self.model.free(kind, (night - self.hotel.today).days)
        inside: set[tuple[str, dt.date]] = set()
        for room, stay in look.placed:
            assert room, "somebody has no room"
            for night in nights_of(stay.check_in, stay.check_out):
                assert (room, night) not in inside
                inside.add((room, night))


def noon() -> str:
    """A time zone where the day is not about to end."""
    return f"Etc/GMT{dt.datetime.now(dt.UTC).hour - 12:+d}"


def _identity(answer: Lock | MeshError) -> str:
    return answer.reason if isinstance(answer, MeshError) else str(answer.lock_id)


def _reason(answer: object) -> str:
    return answer.reason if isinstance(answer, MeshError) else "done"
