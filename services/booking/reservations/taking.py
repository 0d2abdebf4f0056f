"""Rooms taken without a lock before: a direct booking, and other dates, types or guests.

The type rows, those of before and those that are wanted, are locked together in
key order. What is taken is taken inside a savepoint: when one room cannot be
had, the reservation is as it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import orjson

from meshkit.errors import FailedPrecondition, MeshError
from meshkit.money import Money
from services.booking import quotes
from services.booking.domain import (
    Quote,
    Reservation,
    ReservedRoom,
    RoomWish,
    Stay,
    new_code,
    refusal,
)
from services.booking.inventory.book import Page
from services.booking.inventory.catalogue import STANDARD
from services.booking.inventory.pricing import Agreed
from services.booking.reservations.domain import Facts, Order, modified
from services.booking.reservations.store import ReservationStore
from services.booking.reservations.transitions import Action, Origin, rule_for
from services.booking.rooms.placing import (
    UNDECIDED,
    keep_rooms,
    particular_room,
    settle_reservation,
)

if TYPE_CHECKING:
    from meshkit.postgres import Connection


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a reservation should become; what is None stays as it is."""

    check_in: dt.date | None = None
    check_out: dt.date | None = None
    rooms: tuple[RoomWish, ...] | None = None
    etag: str = ""
    accepted_total: Money | None = None
    """The most that was agreed to; None: not more than before."""


class TakingStore(ReservationStore):
    """Books directly and changes what is booked."""

    async def create(
        self,
        order: Order,
        guest_id: str,
        stay: Stay,
        rooms: Sequence[RoomWish],
        plan: str = STANDARD,
    ) -> Reservation:
        """Book rooms at once under a rate plan; the reservation as it was booked."""
        return await self._carry_out(
            "CreateReservation",
            order,
            lambda connection: self._create(connection, order, guest_id, stay, rooms, plan),
        )

    LOCK_WANTED_TYPES = """
SELECT lock_room_types(array_fill($1::text, ARRAY[cardinality($2::text[])]), $2)
"""
    SELECT_TODAY = """
SELECT (clock_timestamp() AT TIME ZONE time_zone)::date FROM property WHERE tenant_id = $1
"""
    INSERT_RESERVATION = """
INSERT INTO reservation
    (tenant_id, reservation_id, confirmation_code, guest_id, state, create_time)
VALUES ($1, $2, $3, $4, 'CONFIRMED', clock_timestamp())
"""

    async def _create(
        self,
        connection: Connection,
        order: Order,
        guest_id: str,
        stay: Stay,
        rooms: Sequence[RoomWish],
        plan: str,
    ) -> Reservation | MeshError:
        tenant_id = order.tenant_id
        types = [room.room_type_id for room in rooms]
        await connection.execute(self.LOCK_WANTED_TYPES, tenant_id, types)
        known = await self._known(connection, order)
        if known is not None:
            return known
        today = await connection.fetchval(self.SELECT_TODAY, tenant_id)
        if today is None:
            raise refusal("PROPERTY_UNKNOWN")
        if stay.check_in < today:
            raise refusal("CHECK_IN_PAST")
        reservation_id = uuid4()
        try:
            async with connection.transaction():
                await connection.execute(
                    self.INSERT_RESERVATION, tenant_id, reservation_id, new_code(), guest_id
                )
                taking = Taking(stay, today, plan)
                await self._take(connection, (tenant_id, reservation_id), taking, rooms)
        except FailedPrecondition as refused:
            return await self._refused(connection, order, refused)
        booked = await self._read(connection, tenant_id, reservation_id)
        return await self._open(connection, order, booked, Origin.NEW)

    async def modify(self, order: Order, reservation_id: UUID, wishes: Wishes) -> Reservation:
        """Other dates, types or guests; the reservation as it is then.

        Refused, it is what it was: no night of the old stay is given away before
        all of the new one are taken.
        """
        return await self._carry_out(
            "ModifyReservation",
            order,
            lambda connection: self._modify(connection, order, reservation_id, wishes),
        )

    SELECT_TYPES = """
SELECT room_type_id FROM stay WHERE tenant_id = $1 AND reservation_id = $2
"""

    async def _modify(
        self, connection: Connection, order: Order, reservation_id: UUID, wishes: Wishes
    ) -> Reservation | MeshError:
        key = (order.tenant_id, reservation_id)
        await connection.execute(self.LOCK_RESERVATION, *key)
        had = [row["room_type_id"] for row in await connection.fetch(self.SELECT_TYPES, *key)]
        wanted = [one.room_type_id for one in wishes.rooms or ()]
        await connection.execute(self.LOCK_WANTED_TYPES, order.tenant_id, [*had, *wanted])
        known = await self._known(connection, order)
        if known is not None:
            return known
        before = await self._read(connection, *key)
        facts = await self._facts(connection, before)
        stay = _new_stay(before, wishes, facts)
        try:
            async with connection.transaction():
                return await self._replace(connection, order, before, stay, wishes, facts)
        except FailedPrecondition as refused:
            return await self._refused(connection, order, refused)

    SELECT_ROOMS_HAD = """
SELECT stay_number, room_key, pinned FROM stay WHERE tenant_id = $1 AND reservation_id = $2
"""
    # Debt is paid back with what is given back, but what is taken again was never given: a guest
    # of an oversold night may still leave earlier, stay longer, or bring a child.
    SELECT_DEBTS = """
SELECT room_type_id, night, debt FROM night_inventory
WHERE tenant_id = $1 AND room_type_id = ANY ($2) AND night >= $3 AND night < $4 AND debt > 0
"""
    KEEP_DEBTS = """
UPDATE night_inventory n SET debt = u.debt
FROM unnest($2::text[], $3::date[], $4::integer[]) AS u (room_type_id, night, debt)
WHERE n.tenant_id = $1 AND n.room_type_id = u.room_type_id AND n.night = u.night
"""
    PAY_DEBTS = """
UPDATE night_inventory n SET debt = greatest(n.held + n.sold - n.sellable, 0)
FROM unnest($2::text[], $3::date[]) AS u (room_type_id, night)
WHERE n.tenant_id = $1 AND n.room_type_id = u.room_type_id AND n.night = u.night
    AND n.debt > greatest(n.held + n.sold - n.sellable, 0)
"""
    DELETE_STAYS = "DELETE FROM stay WHERE tenant_id = $1 AND reservation_id = $2"

    async def _replace(
        self,
        connection: Connection,
        order: Order,
        before: Reservation,
        stay: Stay,
        wishes: Wishes,
        facts: Facts,
    ) -> Reservation:
        """The new rooms instead of the old ones; raises when one cannot be had."""
        rule = rule_for(Action.MODIFY, before.state)
        rooms = wishes.rooms or tuple(
            RoomWish(one.room_type_id, one.guests) for one in before.rooms
        )
        key = (before.tenant_id, before.reservation_id)
        had = await connection.fetch(self.SELECT_ROOMS_HAD, *key)
        debts = await self._give_back(connection, before)
        kept = Kept(
            before,
            {row["stay_number"]: row["room_key"] for row in had},
            {row["stay_number"]: row["room_key"] for row in had if row["pinned"]},
        )
        taking = Taking(stay, facts.today, before.quote.rate_plan_id, kept)
        await self._take(connection, key, taking, rooms)
        if debts:
            await connection.execute(self.PAY_DEBTS, key[0], *debts[:2])
        if before.check_in_time is not None:
            await self._stay_inside(connection, key, kept, rooms)
        after = modified(
            replace(
                await self._read(connection, *key),
                state=rule.to_state,
                version=before.version + 1,
                late_checkout=before.late_checkout if stay == before.stay else None,
            )
        )
        _check_price(before, after, wishes.accepted_total)
        _check_rooms(before, after)
        await self._update(connection, after)
        await self._insert_event(connection, order, Action.MODIFY, before.state.value, after, facts)
        await self._store_answer(connection, order, None, after)
        self._metrics.reservations.labels(Action.MODIFY.value).inc()
        return after

    async def _give_back(
        self, connection: Connection, before: Reservation
    ) -> list[tuple[object, ...]]:
        """Nothing is taken any more; types, nights and debts of the nights that are oversold."""
        key = (before.tenant_id, before.reservation_id)
        types, stay = [one.room_type_id for one in before.rooms], before.stay
        oversold = await connection.fetch(
            self.SELECT_DEBTS, before.tenant_id, types, stay.check_in, stay.check_out
        )
        await connection.execute(self.COUNT_BACK, *key, stay.check_in)
        debts = list(zip(*oversold, strict=True))
        if debts:
            await connection.execute(self.KEEP_DEBTS, before.tenant_id, *debts)
        await connection.execute(self.DELETE_STAYS, *key)
        return debts

    async def _stay_inside(
        self, connection: Connection, key: tuple[str, UUID], kept: Kept, rooms: Sequence[RoomWish]
    ) -> None:
        """Whoever has not arrived makes way for guests who are in their rooms."""
        inside = {
            number: had
            for number, room in enumerate(rooms, start=1)
            if not room.room_id and (had := kept.room_key(number, room)) is not None
        }
        try:
            await keep_rooms(connection, *key, inside)
        except FailedPrecondition as refused:
            if refused.reason == UNDECIDED:
                raise
            raise refusal("ROOM_TAKEN") from None

    async def _refused(
        self, connection: Connection, order: Order, refused: FailedPrecondition
    ) -> MeshError:
        """Remembers a definite refusal; what nobody could decide is asked again."""
        if refused.reason == UNDECIDED:
            self._metrics.undecided.inc()
            raise refused
        await self._store_answer(connection, order, refused, None)
        return refused

    TAKE_ROOM = """
SELECT reason, metadata FROM take_quoted_room($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

    async def _take(
        self,
        connection: Connection,
        key: tuple[str, UUID],
        taking: Taking,
        rooms: Sequence[RoomWish],
    ) -> None:
        """One room after the other; raises for the first that cannot be had.

        The rows of the types are locked, so what is found out here holds.
        """
        page = await self._book.current(connection, key[0])
        bound: dict[int, int] = {}
        for number, room in enumerate(rooms, start=1):
            quote = taking.quote(page, number, room)
            row = await connection.fetchrow(
                self.TAKE_ROOM,
                *key,
                number,
                room.room_type_id,
                taking.stay.check_in,
                taking.stay.check_out,
                room.guests.adult_count,
                room.guests.child_count,
                list(quote.nightly_prices),
                quotes.to_json(quote, page.terms_json(taking.plan)),
                taking.room_key(number, room),
            )
            assert row is not None
            if row["reason"]:
                raise refusal(row["reason"], orjson.loads(row["metadata"]))
            room_key = taking.pinned(number, room)
            if room.room_id:
                room_key = await particular_room(
                    connection, key[0], room.room_type_id, room.room_id
                )
            if room_key is not None:
                bound[number] = room_key
                await connection.execute(self.PIN_STAY, *key, number)
        await settle_reservation(connection, *key, range(1, len(rooms) + 1), bound)

    PIN_STAY = """
WITH pinned AS (
    UPDATE stay SET pinned = true
    WHERE tenant_id = $1 AND reservation_id = $2 AND stay_number = $3
    RETURNING tenant_id, room_type_id, departure
)
SELECT pin_type(tenant_id, room_type_id, departure) FROM pinned
"""


@dataclass(frozen=True, slots=True)
class Taking:
    """What is taken: a stay under a plan, and what of it somebody had before."""

    stay: Stay
    today: dt.date
    plan: str
    kept: Kept | None = None

    def quote(self, page: Page, number: int, room: RoomWish) -> Quote:
        """What a room costs; nights that were agreed keep their price and their right.

        Raises when the stay is not sold.
        """
        same = self.kept.same(number, room) if self.kept else None
        if same and self.kept and self.kept.before.stay == self.stay:
            return same.quote
        agreed = self.kept.agreed(number, room, self.today) if self.kept else None
        rate = page.rate(room.room_type_id, self.plan)
        refused = rate.why_not(self.stay, room.guests, agreed)
        if refused is not None:
            raise refusal(refused.reason, refused.facts)
        notice = rate.notice_days(self.stay.check_in)
        soon = self.stay.check_in < self.today + dt.timedelta(days=notice)
        if soon and not (agreed and agreed.stay.check_in == self.stay.check_in):
            raise refusal("ADVANCE_NOTICE", {"days": notice})
        return rate.quote(self.stay, room.guests, agreed)

    def pinned(self, number: int, room: RoomWish) -> int | None:
        """The very room that was sold before."""
        kept = self.kept
        return kept.pinned.get(number) if kept and kept.of_type(number, room) else None

    def room_key(self, number: int, room: RoomWish) -> int | None:
        """The room to keep when it is free."""
        return self.kept.room_key(number, room) if self.kept else None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a reservation had, of which as much as possible is kept."""

    before: Reservation
    room_keys: dict[int, int | None]
    pinned: dict[int, int]
    """Those that were sold as this very room."""

    def same(self, number: int, room: RoomWish) -> ReservedRoom | None:
        """The room of this number, when it is to be of the same type for the same guests."""
        had = self.of_type(number, room)
        return had if had and had.guests == room.guests else None

    def room_key(self, number: int, room: RoomWish) -> int | None:
        """The room of this number, when it is to be of the same type, whoever sleeps in it."""
        return self.room_keys.get(number) if self.of_type(number, room) else None

    def agreed(self, number: int, room: RoomWish, today: dt.date) -> Agreed | None:
        """What was agreed for the room of this number; None when it is to be of another type."""
        had = self.of_type(number, room)
        if had is None:
            return None
        first = self.before.stay.check_in
        every = enumerate(had.quote.nightly_prices)
        nights = {first + dt.timedelta(days=day): one for day, one in every}
        if had.guests != room.guests:
            # Nights that are over have no price any more: they were slept for what was agreed.
            nights = {night: one for night, one in nights.items() if night < today}
        return Agreed(self.before.stay, had.guests, nights)

    def of_type(self, number: int, room: RoomWish) -> ReservedRoom | None:
        """The room of this number, when it is to be of the same type, for whomever."""
        return next(
            (
                one
                for one in self.before.rooms
                if (one.stay_number, one.room_type_id) == (number, room.room_type_id)
            ),
            None,
        )


def _new_stay(before: Reservation, wishes: Wishes, facts: Facts) -> Stay:
    """The nights that are wanted; raises when it is not the reservation that was read."""
    if wishes.etag and wishes.etag != str(before.version):
        raise refusal("ETAG_MISMATCH", {"etag": before.version})
    stay = Stay(wishes.check_in or before.stay.check_in, wishes.check_out or before.stay.check_out)
    if stay.check_in != before.stay.check_in and stay.check_in < facts.today:
        raise refusal("CHECK_IN_PAST")
    return stay


def _check_price(before: Reservation, after: Reservation, accepted: Money | None) -> None:
    limit = before.total_price
    if accepted is not None and accepted.currency == after.currency_code:
        limit = accepted.amount
    if after.total_price > limit:
        raise refusal(
            "TOTAL_PRICE_CHANGED",
            {"total_price": after.total_price, "currency_code": after.currency_code},
        )


def _check_rooms(before: Reservation, after: Reservation) -> None:
    """Guests who are in their rooms stay in them, and do not arrive again."""
    if before.check_in_time is None:
        return
    rooms = [one.room_number for one in before.rooms]
    moved = [one.room_number for one in after.rooms] != rooms
    if moved or before.stay.check_in != after.stay.check_in:
        raise refusal("ROOM_TAKEN")
