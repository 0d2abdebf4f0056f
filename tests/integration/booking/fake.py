"""A hotel in memory that answers as the stores do; `test_contract` holds both to the same.

It has no counters and no rows: for each change it looks for rooms for everybody from the start.
What things cost and what becomes of a reservation is decided by the service's own pure code.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import TypeVar, cast
from uuid import UUID, uuid4

from meshkit.dates import nights as nights_of
from meshkit.errors import FailedPrecondition, MeshError
from meshkit.money import Money
from services.booking.domain import (
    Lock,
    LockedRoom,
    LockRequest,
    LockState,
    Quote,
    Reservation,
    ReservationState,
    ReservedRoom,
    RoomWish,
    Stay,
    new_code,
    refusal,
)
from services.booking.inventory import domain as inventory
from services.booking.inventory.book import Page
from services.booking.inventory.catalogue import STANDARD
from services.booking.inventory.store import Stored
from services.booking.locks.pricing import refuse_dearer
from services.booking.reservations import domain
from services.booking.reservations.domain import Decide, Facts, Order
from services.booking.reservations.store import FREE_CANCELLATION, OCCUPYING
from services.booking.reservations.taking import Kept, Taking, Wishes
from services.booking.reservations.transitions import Action, Origin, rule_for
from services.booking.rooms.assigned import Assigned, Assignment, Move
from services.booking.rooms.domain import Closure, Span, sold
from services.booking.rooms.seats import Seats
from services.booking.rooms.store import Shut
from services.booking.search.domain import Counters, Inventory
from services.booking.search.store import AROUND
from tests.integration.booking.desk import Look
from tests.integration.booking.hotel import PRICE, House
from tests.integration.booking.seating import Sleeper, overlap, seat, seated

T = TypeVar("T")

LONGEST_LOCK = dt.timedelta(hours=2)
ONE_HOUR = dt.timedelta(hours=1)


@dataclass(eq=False)
class KeptLock:
    """A lock, and who would sleep in its rooms."""

    lock: Lock
    wanted: Sequence[RoomWish]
    sleepers: Sequence[Sleeper]

    @property
    def live(self) -> bool:
        """In its time, neither given back nor confirmed."""
        return self.lock.state is LockState.LIVE and self.lock.expire_time > _now()


@dataclass(eq=False)
class Booked:
    """A reservation, and who sleeps in its rooms."""

    reservation: Reservation
    sleepers: Sequence[Sleeper]


class FakeDesk:
    """One small hotel, its stores, and what a test does behind their backs."""

    def __init__(
        self, tenant_id: str, rooms: Mapping[str, int], time_zone: str = "UTC", nights: int = 14
    ) -> None:
        today = domain.local_date(_now(), time_zone)
        self.hotel = House(tenant_id, today)
        prices = {today + dt.timedelta(days=day): PRICE for day in range(nights)}
        types = {
            kind: inventory.SoldType(kind, {}, 4, _rooms(kind, number), prices)
            for kind, number in rooms.items()
        }
        self._sold = inventory.Inventory(time_zone, "EUR", max(prices), types)
        self._page = Page(Stored(self._sold, today, 1))
        self._locks: dict[UUID, KeptLock] = {}
        self._booked: dict[UUID, Booked] = {}
        self._shut: dict[UUID, tuple[Closure, Sleeper]] = {}
        self._answers: dict[UUID, tuple[bytes, object]] = {}
        self._fences = count(1)

    @property
    def bookings(self) -> FakeDesk:
        """What is like a `BookingStore`."""
        return self

    @property
    def rooms(self) -> FakeDesk:
        """What is like a `RoomStore`."""
        return self

    # Locks.

    async def acquire(self, requests: Sequence[LockRequest]) -> list[Lock | MeshError]:
        """Those that counters can decide come first, then the others, one by one."""
        pinned = await self.pinned()
        answers: dict[int, Lock | MeshError] = {}
        for last in (False, True):
            for place, one in enumerate(requests):
                if (not one.by_counters or one.room_type_id in pinned) is last:
                    answers[place] = self._acquire(one)
        return [answers[place] for place in range(len(requests))]

    def _acquire(self, request: LockRequest) -> Lock | MeshError:
        order = Order(request.tenant_id, request.request_id, request.fingerprint())
        try:
            return self._once(order, lambda: self._grant(request))
        except MeshError as error:
            return error

    def _grant(self, request: LockRequest) -> Lock:
        if request.stay.check_in < self.hotel.today:
            raise refusal("CHECK_IN_PAST")
        quotes = self._quotes(self._taking(request.stay, request.rate_plan_id), request.rooms)
        live = [one for one in self._locks.values() if one.live]
        if sum(one.lock.guest_id == request.guest_id for one in live) >= self._sold.locks_per_guest:
            raise refusal("TOO_MANY_LOCKS")
        sleepers = self._sleepers(request.rooms, request.stay)
        found = self._seated([*self._everybody(), *sleepers])
        refuse_dearer(request.accepted_total, quotes)
        seat(found)
        now = _now()
        lock = Lock(
            lock_id=uuid4(),
            tenant_id=request.tenant_id,
            room_type_id=request.room_type_id,
            stay=request.stay,
            guest_id=request.guest_id,
            state=LockState.LIVE,
            owner_token=str(uuid4()),
            fencing_number=next(self._fences),
            create_time=now,
            expire_time=now + dt.timedelta(seconds=self._sold.lock_seconds),
            quote=quotes[0],
            room_id=request.room_id,
            other_rooms=tuple(
                LockedRoom(one.room_type_id, one.guests, quote, one.room_id)
                for one, quote in zip(request.other_rooms, quotes[1:], strict=True)
            ),
        )
        self._locks[lock.lock_id] = KeptLock(lock, request.rooms, sleepers)
        return lock

    async def extend(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        lock_id: UUID,
        owner_token: str,
        fencing_number: int,
    ) -> Lock:
        """Start the hotel's term again, up to two hours in all."""
        kept = self._kept(lock_id, owner_token, fencing_number)
        lock = kept.lock

        def longer() -> Lock:
            self._refuse_ended(kept)
            again = _now() + dt.timedelta(seconds=self._sold.lock_seconds)
            until = max(lock.expire_time, min(again, lock.create_time + LONGEST_LOCK))
            kept.lock = replace(lock, expire_time=until)
            return kept.lock

        return self._once(Order(tenant_id, request_id, digest), longer)

    async def release(
        self, tenant_id: str, request_id: UUID, digest: bytes, lock_id: UUID, owner_token: str
    ) -> Lock:
        """Give a lock back, whether or not it still has a room."""
        kept = self._kept(lock_id, owner_token)

        def back() -> Lock:
            if kept.lock.state is LockState.CONVERTED:
                raise refusal("LOCK_CONVERTED")
            kept.lock = replace(kept.lock, state=LockState.RELEASED)
            return kept.lock

        return self._once(Order(tenant_id, request_id, digest), back)

    async def revoke(self, order: Order, lock_id: UUID) -> Lock:
        """Take a live lock from its owner."""
        kept = self._locks.get(lock_id)
        if kept is None:
            raise refusal("LOCK_UNKNOWN")

        def back() -> Lock:
            self._refuse_ended(kept)
            kept.lock = replace(kept.lock, state=LockState.RELEASED)
            return kept.lock

        return self._once(order, back)

    async def sweep_locks(self) -> int:
        """There is nothing to clear away."""
        return 0

    def _refuse_ended(self, kept: KeptLock) -> None:
        if not kept.live:
            ended = kept.lock.state is not LockState.LIVE
            raise refusal(f"LOCK_{kept.lock.state.value}" if ended else "LOCK_EXPIRED")

    def _kept(self, lock_id: UUID, owner_token: str, fencing_number: int | None = None) -> KeptLock:
        kept = self._locks.get(lock_id)
        if kept is None:
            raise refusal("LOCK_UNKNOWN")
        if kept.lock.owner_token != owner_token:
            raise refusal("NOT_LOCK_OWNER")
        if fencing_number not in (None, kept.lock.fencing_number):
            raise refusal("STALE_FENCE")
        return kept

    # Reservations.

    async def confirm(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        lock_id: UUID,
        owner_token: str,
        fencing_number: int,
    ) -> Reservation:
        """In its time always; late when it can be had again, for what it cost."""
        kept = self._kept(lock_id, owner_token, fencing_number)

        def converted() -> Reservation:
            lock = kept.lock
            if lock.state is not LockState.LIVE:
                raise refusal(f"LOCK_{lock.state.value}")
            if not kept.live:
                self._take_again(kept)
            kept.lock = replace(lock, state=LockState.CONVERTED)
            quotes = [lock.quote, *(one.quote for one in lock.other_rooms)]
            rooms = _reserved(kept.wanted, quotes)
            return self._open(lock.guest_id, lock.stay, rooms, kept.sleepers, Origin.LOCKED)

        return self._once(Order(tenant_id, request_id, digest), converted)

    def _take_again(self, kept: KeptLock) -> None:
        """What ran out: its rooms are wanted like any others."""
        everybody = [*self._everybody(), *kept.sleepers]
        if any(self._free(one.room_type_id, one.stay, everybody) < 0 for one in kept.sleepers):
            raise refusal("LOCK_EXPIRED")
        lock = kept.lock
        now = self._quotes(self._taking(lock.stay, lock.quote.rate_plan_id), kept.wanted)
        if now != [lock.quote, *(one.quote for one in lock.other_rooms)]:
            total = sum((one.total_price for one in now), Decimal())
            raise refusal("PRICE_CHANGED", {"total_price": total, "currency_code": "EUR"})
        seat(self._seated(everybody, otherwise="LOCK_EXPIRED"))

    async def create(
        self,
        order: Order,
        guest_id: str,
        stay: Stay,
        rooms: Sequence[RoomWish],
        plan: str = STANDARD,
    ) -> Reservation:
        """All the rooms or none."""

        def booked() -> Reservation:
            if stay.check_in < self.hotel.today:
                raise refusal("CHECK_IN_PAST")
            quotes = self._quotes(self._taking(stay, plan), rooms)
            sleepers = self._sleepers(rooms, stay)
            seat(self._seated([*self._everybody(), *sleepers]))
            return self._open(guest_id, stay, _reserved(rooms, quotes), sleepers, Origin.NEW)

        return self._once(order, booked)

    def _open(
        self,
        guest_id: str,
        stay: Stay,
        rooms: tuple[ReservedRoom, ...],
        sleepers: Sequence[Sleeper],
        origin: Origin,
    ) -> Reservation:
        """A reservation whose rooms have just been found."""
        taken = Reservation(
            reservation_id=uuid4(),
            tenant_id=self.hotel.tenant_id,
            confirmation_code=new_code(),
            stay=stay,
            state=ReservationState.CONFIRMED,
            rooms=rooms,
            guest_id=guest_id,
            create_time=_now(),
            cancel_time=None,
            version=1,
        )
        terms = self._page.terms(taken.quote.rate_plan_id)
        opened = domain.opened(taken, origin, terms, self._facts()).reservation
        self._booked[taken.reservation_id] = Booked(opened, sleepers)
        return self._now(self._booked[taken.reservation_id])

    async def modify(self, order: Order, reservation_id: UUID, wishes: Wishes) -> Reservation:
        """What is wanted, or everything as it was."""
        booked = self._reservation(reservation_id)
        return self._once(order, lambda: self._modify(booked, wishes))

    def _modify(self, booked: Booked, wishes: Wishes) -> Reservation:
        before = self._now(booked)
        rule = rule_for(Action.MODIFY, before.state)
        if wishes.etag not in ("", str(before.version)):
            raise refusal("ETAG_MISMATCH", {"etag": before.version})
        stay = Stay(
            wishes.check_in or before.stay.check_in, wishes.check_out or before.stay.check_out
        )
        if stay.check_in != before.stay.check_in and stay.check_in < self.hotel.today:
            raise refusal("CHECK_IN_PAST")
        wanted = wishes.rooms or [RoomWish(one.room_type_id, one.guests) for one in before.rooms]
        kept = Kept(before, {}, {})
        taking = self._taking(stay, before.quote.rate_plan_id, kept)
        quotes = self._quotes(taking, wanted)
        sleepers = self._sleepers(wanted, stay)
        for number, (old, new, wish) in enumerate(
            zip(booked.sleepers, sleepers, wanted, strict=False), start=1
        ):
            if kept.agreed(number, wish, taking.today) and not new.fixed:
                new.room_id, new.fixed = old.room_id, old.fixed
        found = self._seated([*self._everybody(without=booked), *sleepers])
        after = replace(
            before,
            stay=stay,
            state=rule.to_state,
            rooms=_reserved(wanted, quotes),
            version=before.version + 1,
        )
        most = wishes.accepted_total or Money(before.total_price, before.currency_code)
        if after.total_price > most.amount:
            raise refusal("TOTAL_PRICE_CHANGED", {"total_price": after.total_price})
        seat(found)
        booked.reservation, booked.sleepers = after, sleepers
        return self._now(booked)

    async def change(
        self, method: str, order: Order, reservation_id: UUID, decide: Decide
    ) -> Reservation:
        """What `decide` says; who is inside stays in that room."""
        booked = self._reservation(reservation_id)

        def changed() -> Reservation:
            before = self._now(booked)
            after = decide(before, self._facts()).reservation
            if after is not before:
                booked.reservation = replace(after, version=before.version + 1)
                for one in booked.sleepers:
                    one.stay, one.fixed = after.stay, one.fixed or after.check_in_time is not None
            return self._now(booked)

        return self._once(order, changed)

    async def cancel(
        self,
        tenant_id: str,
        request_id: UUID,
        digest: bytes,
        reservation_id: UUID,
        decide: Decide = FREE_CANCELLATION,
    ) -> Reservation:
        """The nights are free at once."""
        order = Order(tenant_id, request_id, digest)
        return await self.change("CancelReservation", order, reservation_id, decide)

    def _reservation(self, reservation_id: UUID) -> Booked:
        booked = self._booked.get(reservation_id)
        if booked is None:
            raise refusal("RESERVATION_UNKNOWN")
        return booked

    def _now(self, booked: Booked) -> Reservation:
        """The reservation with the rooms as they are: others' changes move its guests."""
        rooms = zip(booked.reservation.rooms, booked.sleepers, strict=True)
        numbered = tuple(replace(one, room_number=_number(who.room_id)) for one, who in rooms)
        return replace(booked.reservation, rooms=numbered)

    # Rooms.

    async def shut(self, order: Order, room_id: str, nights: Span, *, forced: bool) -> Shut:
        """Take a room out of order; nobody is left without one."""
        assert not forced, "nothing is sold here that is not there"
        kind = next((one for one in self._sold.room_types.values() if room_id in one.rooms), None)
        if kind is None:
            raise refusal("ROOM_UNKNOWN")
        wall = Sleeper(kind.room_type_id, Stay(nights.first, nights.end), room_id, fixed=True)

        def closed() -> Shut:
            same = [one for one in self._walls() if one.room_id == room_id]
            if any(overlap(one, wall) for one in same):
                raise refusal("ALREADY_SHUT")
            found = seated(self._sold.room_types, [*self._everybody(), wall])
            if found is None:
                raise sold([], [])
            seat(found)
            closure = Closure(
                uuid4(),
                order.tenant_id,
                room_id,
                _number(room_id),
                kind.room_type_id,
                nights,
                order.reason,
                order.actor.actor_id,
                _now(),
                None,
            )
            self._shut[closure.closure_id] = closure, wall
            return Shut(closure, ())

        return self._once(order, closed)

    async def reopen(self, order: Order, closure_id: UUID) -> Closure:
        """Sell a room again, however often it is said."""
        if closure_id not in self._shut:
            raise refusal("CLOSURE_UNKNOWN")

        def opened() -> Closure:
            closure, wall = self._shut[closure_id]
            if closure.end_time is None:
                closure = replace(closure, end_time=_now())
                self._shut[closure_id] = closure, wall
            return closure

        return self._once(order, opened)

    async def assign_rooms(self, order: Order, wishes: Sequence[Assignment]) -> Assigned:
        """Those wished for, and whoever has to move for them."""
        return self._once(order, lambda: self._assign(wishes))

    def _assign(self, wishes: Sequence[Assignment]) -> Assigned:
        stays = {
            (booked, number): one
            for booked in self._occupying()
            for number, one in enumerate(booked.sleepers, start=1)
        }
        had = {one: one.room_id for one in stays.values()}
        bound = []
        for wish in wishes:
            one = stays[self._reservation(wish.reservation_id), wish.stay_number]
            if one.fixed and one.room_id != wish.room_id:
                raise refusal("NO_ASSIGNMENT")
            bound.append((one, wish.room_id, one.fixed))
        for one, room_id, _ in bound:
            one.room_id, one.fixed = room_id, True
        found = seated(self._sold.room_types, self._everybody())
        for one, _, fixed in bound:
            one.room_id, one.fixed = had[one], fixed
        if found is None:
            raise refusal("NO_ASSIGNMENT")
        seat(found)
        moves = [
            Move(
                str(booked.reservation.reservation_id),
                number,
                one.room_type_id,
                _number(had[one]),
                _number(one.room_id),
            )
            for (booked, number), one in stays.items()
            if one.room_id != had[one]
        ]
        return Assigned(moves, [])

    # What everything is decided by.

    def _once(self, order: Order, work: Callable[[], T]) -> T:
        """The same answer to the same request, also when it was a definite refusal."""
        if order.request_id in self._answers:
            fingerprint, answer = self._answers[order.request_id]
            if fingerprint != order.fingerprint:
                raise refusal("REQUEST_ID_REUSED")
        else:
            try:
                answer = work()
            except FailedPrecondition as refused:
                answer = refused
            self._answers[order.request_id] = order.fingerprint, answer
        if isinstance(answer, MeshError):
            raise answer
        return cast(T, answer)

    def _taking(self, stay: Stay, plan: str, kept: Kept | None = None) -> Taking:
        return Taking(stay, self.hotel.today, plan, kept)

    def _quotes(self, taking: Taking, rooms: Sequence[RoomWish]) -> list[Quote]:
        return [taking.quote(self._page, number, one) for number, one in enumerate(rooms, start=1)]

    def _facts(self) -> Facts:
        return Facts(_now(), self._sold.time_zone)

    def _sleepers(self, rooms: Sequence[RoomWish], stay: Stay) -> list[Sleeper]:
        for one in rooms:
            if one.room_id and one.room_id not in self._sold.room_types[one.room_type_id].rooms:
                raise refusal("ROOM_UNKNOWN")
        return [Sleeper(one.room_type_id, stay, one.room_id, bool(one.room_id)) for one in rooms]

    def _occupying(self) -> list[Booked]:
        return [one for one in self._booked.values() if OCCUPYING[one.reservation.state]]

    def _walls(self) -> list[Sleeper]:
        return [wall for closure, wall in self._shut.values() if closure.end_time is None]

    def _everybody(self, without: Booked | None = None) -> list[Sleeper]:
        """All who need a room now."""
        locks = [one for kept in self._locks.values() if kept.live for one in kept.sleepers]
        stays = [one for it in self._occupying() if it is not without for one in it.sleepers]
        return [*self._walls(), *locks, *stays]

    def _free(self, room_type_id: str, stay: Stay, everybody: Sequence[Sleeper]) -> int:
        """How many rooms are left on the fullest night."""
        kind = self._sold.room_types[room_type_id]
        taken = [one.stay for one in everybody if one.room_type_id == room_type_id]
        return min(
            len(kind.rooms) - sum(one.check_in <= night < one.check_out for one in taken)
            if night in kind.prices
            else 0
            for night in nights_of(stay.check_in, stay.check_out)
        )

    def _seated(
        self, everybody: Sequence[Sleeper], otherwise: str = "SOLD_OUT"
    ) -> dict[Sleeper, str]:
        found = seated(self._sold.room_types, everybody)
        if found is None:
            raise refusal(otherwise)
        return found

    # Behind the stores' backs.

    async def inventory(self, stay: Stay) -> Inventory:
        """What a search reads."""
        everybody = self._everybody()
        first = stay.check_in - AROUND
        nights = [_night(day) for day in nights_of(first, stay.check_out + AROUND)]
        free = {
            kind: [self._free(kind, night, everybody) for night in nights]
            for kind in self._sold.room_types
        }
        seats = {kind: self._seats(kind, first, everybody) for kind in await self.pinned()}
        version, now = self._page.version, _now()
        counters = Counters(version, self.hotel.today, now, None, first, free, seats)
        return Inventory(self._page, counters)

    def _seats(self, kind: str, first: dt.date, everybody: Sequence[Sleeper]) -> Seats:
        """Who is in which room, by the day from `first` on."""
        numbers = {room: number for number, room in enumerate(self._sold.room_types[kind].rooms)}
        return Seats(
            list(numbers.values()),
            [
                (
                    numbers[one.room_id],
                    (one.stay.check_in - first).days,
                    (one.stay.check_out - first).days,
                    one.fixed,
                )
                for one in everybody
                if one.room_type_id == kind
            ],
        )

    async def lapse(self, lock_id: UUID) -> None:
        """An hour passes for a lock; nobody is told."""
        kept = self._locks[lock_id]
        times = (kept.lock.create_time - ONE_HOUR, kept.lock.expire_time - ONE_HOUR)
        kept.lock = replace(kept.lock, create_time=times[0], expire_time=times[1])

    async def reprice(self, room_type_id: str, night: dt.date, price: Decimal) -> None:
        """A night costs something else."""
        kind = self._sold.room_types[room_type_id]
        dearer = replace(kind, prices={**kind.prices, night: price})
        self._sold = replace(self._sold, room_types={**self._sold.room_types, room_type_id: dearer})
        self._page = Page(Stored(self._sold, self.hotel.today, self._page.version + 1))

    async def pinned(self) -> set[str]:
        """The types with somebody who has to be in one room."""
        return {one.room_type_id for one in self._everybody() if one.fixed}

    async def look(self) -> Look:
        """All nights and all rooms."""
        everybody = self._everybody()
        nights = {
            (one.room_type_id, night)
            for one in everybody
            for night in nights_of(one.stay.check_in, one.stay.check_out)
        }
        return Look(
            [
                (
                    kind,
                    night,
                    self._free(kind, Stay(night, night + dt.timedelta(days=1)), everybody),
                )
                for kind, night in nights
            ],
            [(one.room_id, one.stay) for one in everybody],
        )


def _reserved(wanted: Sequence[RoomWish], quotes: Sequence[Quote]) -> tuple[ReservedRoom, ...]:
    rooms = enumerate(zip(wanted, quotes, strict=True), start=1)
    return tuple(
        ReservedRoom(number, one.room_type_id, one.guests, quote, "")
        for number, (one, quote) in rooms
    )


def _rooms(kind: str, number: int) -> dict[str, str]:
    return {f"{kind}-{one}": str(one) for one in range(1, number + 1)}


def _number(room_id: str) -> str:
    return room_id.rpartition("-")[2]


def _night(day: dt.date) -> Stay:
    return Stay(day, day + dt.timedelta(days=1))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
