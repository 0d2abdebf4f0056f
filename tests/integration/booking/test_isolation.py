"""Every method of the stores, asked by one hotel with the things of another."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

import services.audit
import services.booking
from meshkit.errors import FailedPrecondition, MeshError
from meshkit.postgres import Postgres
from services.booking.domain import Guests, RoomWish
from services.booking.inventory.book import PriceBook
from services.booking.locks.conflicts import ConflictFilter, ConflictPlace
from services.booking.locks.store import LockFilter, LockPlace
from services.booking.metrics import BookingMetrics
from services.booking.pms.ledger import Taken
from services.booking.pms.store import Connection, Kind
from services.booking.reservations.domain import Actor, ActorKind, Order
from services.booking.reservations.reading import Filter
from services.booking.reservations.taking import Wishes
from services.booking.rooms.assigned import Assignment
from services.booking.rooms.domain import Place, Span
from services.booking.rooms.store import RoomStore
from services.booking.store import BookingStore
from tests.integration.booking.hotel import Hotel, Sql
from tests.isolation import Values, arguments, kind_of, store_methods

OTHER = "posada-luna"
WRITER = UUID(int=0xA1)
ROOMS = {"single": 3, "double": 5, "suite": 1}
PMS = """
INSERT INTO pms_connection (tenant_id, kind, base_url, property_id, room_types, tier,
    requests_per_second, cursor, write_owner, write_until)
VALUES ($1, 'GENERIC', 'http://127.0.0.1:9/mirador', 'their-hotel', '{}', 'slow', 1, 'their-cursor',
    $2, now())
"""
PMS_BOOKING = """
INSERT INTO pms_booking (tenant_id, reservation_id, step, create_time, due_time)
VALUES ($1, $2, 'NONE', now(), now() + interval '1 day')
"""
NOTICE = "INSERT INTO pms_notice (tenant_id, notice_id) VALUES ($1, 'their-notice')"
ELSEWHERE = """
INSERT INTO pms_elsewhere VALUES ($1, 'their-booking', 1, 'single', '[2030-01-01,2030-01-03)')
"""
BY_HAND = """
INSERT INTO audit.operator_change (actor, method, tenant_id, table_name)
VALUES ('ana-of-mirador', 'ShutRoom', $1, 'room_closure')
"""
CURRENCY = "UPDATE property SET currency_code = 'USD' WHERE tenant_id = $1"
DEBT = "UPDATE night_inventory SET debt = 1 WHERE tenant_id = $1 AND room_type_id = 'suite'"
TABLES_OF_HOTELS = """
SELECT table_schema || '.' || table_name FROM information_schema.columns
JOIN information_schema.tables USING (table_schema, table_name)
WHERE column_name = 'tenant_id' AND table_schema IN ('public', 'audit')
  AND table_type = 'BASE TABLE' ORDER BY 1
"""
_WORKER = "a worker's, of all hotels"
_CLAIMED = "a worker's: the row that it has claimed says whose it is"
_IN_REDIS = "in Redis, by keys that the hotel is part of; nothing is decided by it"
OF_ALL_HOTELS = {
    f"{store}.{name}": reason
    for store, reason, names in (
        ("BookingStore", _WORKER, "sweep_answers sweep_locks"),
        ("ReservationStore", _WORKER, "lapse_overdue"),
        ("ReservationStream", "tested as a stream", "watch"),
        ("ReservationReads", "of a reservation that was read for the hotel", "facts"),
        ("PmsStore", _WORKER, "connections pending"),
        ("PmsStore", _CLAIMED, "claim next sending"),
        ("NoticeStore", _WORKER, "sweep take"),
        ("AvailabilityCache", _IN_REDIS, "inventories inventory outdate written"),
        ("Breakers", _IN_REDIS, "ask failed look worked"),
        ("PmsNights", _IN_REDIS, "around certain forget refresh turn"),
        ("PriceBook", "in memory, by the hotel", "forget"),
        ("InventoryStore", "makes the hotel that is named sell what is given", "replace"),
    )
    for name in names.split()
}
STORES = store_methods(services.booking) | store_methods(services.audit)


def _found(*_reservation: Any) -> Any:
    raise FailedPrecondition("FOUND")


class Mirador:
    """A hotel that has one of everything, and what its things are called."""

    def __init__(self, postgres: Postgres, hotel: Hotel) -> None:
        metrics = BookingMetrics(CollectorRegistry())
        self.hotel = hotel
        self.store = BookingStore(postgres, metrics)
        self.rooms = RoomStore(postgres, metrics)
        self.postgres = postgres
        self.stores = (self.store, self.rooms, PriceBook(postgres, metrics))
        self.things: dict[str, Any] = {}
        self.secrets: list[str] = []

    async def furnish(self) -> None:
        """Everything is there."""
        hotel, store = self.hotel, self.store
        order = Order(hotel.tenant_id, uuid4(), b"", Actor(ActorKind.STAFF, "ana-of-mirador"))
        asked = hotel.request("double", guest_id="its-guest")
        lock = await store.acquire_settled(asked)
        sold = await store.acquire_settled(hotel.request("double"))
        assert not isinstance(lock, MeshError)
        assert not isinstance(sold, MeshError)
        owned = (sold.lock_id, sold.owner_token, sold.fencing_number)
        booked = await store.confirm_for(order, *owned)
        nights = Span(hotel.stay(20).check_in, hotel.stay(20).check_in)
        shut = await self.rooms.shut(
            Order(hotel.tenant_id, uuid4(), b"", order.actor), "double-5", nights, forced=False
        )
        await hotel.sql.execute(PMS, hotel.tenant_id, WRITER)
        await hotel.sql.execute(PMS_BOOKING, hotel.tenant_id, booked.reservation_id)
        await hotel.sql.execute(ELSEWHERE, hotel.tenant_id)
        await hotel.sql.execute(NOTICE, hotel.tenant_id)
        await hotel.sql.execute(BY_HAND, hotel.tenant_id)
        await hotel.sql.execute(DEBT, hotel.tenant_id)
        await hotel.sql.execute(CURRENCY, hotel.tenant_id)
        closure_id = shut.closure.closure_id
        self.things = {
            **{"lock_id": lock.lock_id, "owner_token": lock.owner_token},
            **{"fencing_number": lock.fencing_number, "closure_id": closure_id},
            **{"reservation_id": booked.reservation_id, "key": booked.reservation_id},
            **{"room_id": "double-4", "room_type_id": "", "guest_id": "its-guest"},
            "reservation_ids": [booked.reservation_id],
            "asked_before": asked.request_id,
            "Sequence[Assignment]": [Assignment(booked.reservation_id, 1, "double-3")],
        }
        self.secrets = [
            *(hotel.tenant_id, str(lock.lock_id), lock.owner_token, str(closure_id)),
            *(str(booked.reservation_id), booked.confirmation_code, "their-", "its-guest"),
            "ana-of-mirador",
        ]

    def named_by(self, tenant_id: str, connection: Any) -> Values:
        """What a hotel asks with that names the things of this one."""
        stay = self.hotel.stay(30)
        mine = Hotel(tenant_id, self.hotel.today, self.hotel.sql)
        request = mine.request("double", stay)
        return {
            **self.things,
            **{"tenant_id": tenant_id, "tenant_ids": [tenant_id], "request_id": uuid4()},
            **{"digest": b"", "size": 9, "after_version": 0, "after_number": 0, "seconds": 9.0},
            **{"before": 2**62, "limit": 9, "forced": False, "owner": WRITER, "method": "Change"},
            **{"stay": stay, "nights": Span(stay.check_in, stay.check_in), "today": mine.today},
            **{
                "request": request,
                "requests": [request],
                "asked": [(tenant_id, self.hotel.stay())],
                "keys": [(tenant_id, self.things["asked_before"])],
            },
            "order": Order(tenant_id, uuid4(), b"", Actor(ActorKind.STAFF, "bea")),
            "decide": _found,
            "after_cursor": "their-cursor",
            "notice_id": "their-notice-2",
            "taken": Taken((), (), "next", complete=True),
            "connection": connection,
            "Filter": Filter(tenant_id),
            "LockFilter": LockFilter(tenant_id),
            "ConflictFilter": ConflictFilter(tenant_id, "double", "", self.hotel.stay()),
            "Connection": Connection(
                *(tenant_id, Kind.GENERIC, "http://127.0.0.1:9", "other", {}), version=1
            ),
            "ConflictPlace": ConflictPlace(dt.date.min, UUID(int=0)),
            "LockPlace": LockPlace("", dt.datetime.min.replace(tzinfo=dt.UTC), UUID(int=0)),
            "Place": Place(dt.date.min, UUID(int=0)),
            "Wishes": Wishes(check_out=stay.check_out),
            "tuple[dt.date, UUID]": (dt.date.min, UUID(int=0)),
            "tuple[dt.date, str]": (dt.date.min, ""),
            "Sequence[RoomWish]": [RoomWish("double", Guests(2, 0))],
        }

    async def ask(self, name: str, tenant_id: str) -> tuple[str, str]:
        """A hotel names the things of this one to a method: what it asks, and what it gets."""
        method = STORES[name]
        async with self.postgres.of(tenant_id).acquire() as connection:
            given = arguments(method, self.named_by(tenant_id, connection))
            found = [one for one in self.stores if isinstance(one, kind_of(method))]
            store = found[0] if found else kind_of(method)(self.postgres)
            try:
                return repr(given), repr(await method(store, **given))
            except MeshError as refused:
                return repr(given), f"refused: {refused!r} {refused.metadata}"

    async def tables(self) -> list[str]:
        """Those in which each row is a hotel's."""
        return [row[0] for row in await self.hotel.sql.fetch(TABLES_OF_HOTELS)]

    async def everything(self) -> dict[str, list[str]]:
        """All that the hotel has."""
        return {
            table: sorted(
                map(
                    repr,
                    await self.hotel.sql.fetch(
                        f"SELECT * FROM {table} WHERE tenant_id = $1", self.hotel.tenant_id
                    ),
                )
            )
            for table in await self.tables()
        }


@pytest.fixture
async def mirador(postgres: Postgres, sql: Sql) -> Mirador:
    """The hotel, and another that has nothing of it."""
    await Hotel.create(sql, OTHER, {"palace": 1})
    found = Mirador(postgres, await Hotel.create(sql, "mirador", ROOMS))
    await found.furnish()
    return found


async def test_each_table_that_hotels_have_has_something_to_be_found(mirador: Mirador) -> None:
    has = await mirador.everything()
    assert [table for table, rows in has.items() if not rows] == []


async def test_no_store_gives_or_changes_what_is_another_hotels(mirador: Mirador) -> None:
    before = await mirador.everything()
    for name in sorted(STORES.keys() - OF_ALL_HOTELS.keys()):
        question, answer = await mirador.ask(name, OTHER)
        said = [one for one in mirador.secrets if one not in question]
        assert [one for one in said if one in answer] == [], name
        # Who has no connection has no cursor that could be moved.
        found_nothing = re.search("NotFound|PMS_CURSOR_MOVED|PMS_CHANGED", answer)
        assert "refused" not in answer or found_nothing, (name, answer)
        assert await mirador.everything() == before, name


async def test_each_store_gives_or_changes_what_is_the_hotels_own(
    mirador: Mirador, postgres: Postgres, sql: Sql
) -> None:
    for number, name in enumerate(sorted(STORES.keys() - OF_ALL_HOTELS.keys())):
        fresh = Mirador(postgres, await Hotel.create(sql, f"mirador-{number}", ROOMS))
        await fresh.furnish()
        before = await fresh.everything()
        (_, others), (_, own) = [await fresh.ask(name, one) for one in (OTHER, f"mirador-{number}")]
        assert own != others or await fresh.everything() != before, name
        assert "NotFound" not in own, (name, own)


def test_what_is_left_out_of_the_walk_is_there() -> None:
    assert OF_ALL_HOTELS.keys() <= STORES.keys()
