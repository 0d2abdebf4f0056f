"""What a hotel sells, read and replaced over gRPC and by `conserje inventory`."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import secrets
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from conserje.booking.v1.booking_service_pb2 import SearchAvailabilityRequest
from conserje.booking.v1.inventory_pb2 import Inventory
from conserje.booking.v1.inventory_service_pb2 import GetInventoryRequest, ImportInventoryRequest
from conserje.booking.v1.inventory_service_pb2_grpc import InventoryServiceStub
from conserje.booking.v1.reservation_pb2 import ReservationTerms
from conserje.tenant.v1.tenant_pb2 import Tenant
from conserje.tenant.v1.tenant_service_pb2 import GetTenantResponse
from conserje.tenant.v1.tenant_service_pb2_grpc import add_TenantServiceServicer_to_server
from google.type.money_pb2 import Money

from cli.command import main
from cli.inventory_file import from_yaml, to_yaml
from meshkit.dates import from_date
from meshkit.errors import InvalidArgument, NotFound
from meshkit.metrics import new_registry
from meshkit.server import Server
from meshkit.telemetry import Tracing
from tests.contract.booking.test_booking_contract import (
    Call,
    confirm_request,
    lock_request,
    refused,
)
from tests.integration.booking.hotel import Hotel, assert_consistent
from tests.tenants import Resolving

SELECT_ALL = """
SELECT (SELECT count(*) FROM property WHERE tenant_id = $1),
    (SELECT count(*) FROM room_type WHERE tenant_id = $1),
    (SELECT string_agg(r.room_id || r.room_number, ',' ORDER BY r.room_id) FROM room r
        WHERE r.tenant_id = $1),
    (SELECT string_agg(n::text, ',' ORDER BY n) FROM night_inventory n WHERE tenant_id = $1)
"""
EVERYTHING = """
time_zone: UTC
currency_code: EUR
last_night: {last}
taxes_and_fees:
- {{id: vat, display_names: {{en: VAT}}, percent: 10, per: stay, included: true}}
- {{id: city, display_names: {{es: Tasa, en: City tax}}, amount: 1.50, per: person_night,
    adults_only: true}}
lock_minutes: 45
locks_per_guest: 1
terms:
  check_in: "16:00"
  deposit: 30%
  deposit_hours: 48
  cancellation:
  - {{hours_before: 72, penalty: 1 night}}
  - {{hours_before: 24, penalty: 100%}}
  no_show: 100%
  late_checkout:
  - {{until: "14:00", fee: 20.50}}
  room_ready_minutes: 90
rate_plans:
- rate_plan_id: saver
  display_names: {{en: Not refundable}}
  terms: {{cancellation: [{{hours_before: 8784, penalty: 100%}}]}}
restrictions:
- {{first_night: {first}, last_night: {last}, weekdays: [fri, sat], room_types: [double],
    min_nights_on_arrival: 2, min_nights_through: 1, max_nights: 30, min_notice_days: 1}}
- {{first_night: {last}, last_night: {last}, rate_plans: [saver], closed: true,
    closed_to_arrival: true, closed_to_departure: true}}
room_types:
- room_type_id: double
  display_names: {{en: Double room}}
  descriptions: {{es: Con balcón., en: With a balcony.}}
  photos:
  - {{url: "https://hotel.example/double.jpg", captions: {{en: The bed}}}}
  max_guest_count: 4
  max_adult_count: 3
  max_child_count: 1
  adult_supplements: {{1: -10.00, 3: 25.00}}
  child_supplement: 7.50
  rooms: {{d1: "201"}}
  nightly_prices:
  - {{first_night: {first}, last_night: {last}, price: 95.00}}
  plan_prices:
    saver:
    - {{first_night: {first}, last_night: {last}, weekdays: [mon, tue], price: 80.00}}
"""
NEW = """
time_zone: UTC
currency_code: EUR
last_night: {last}
room_types:
- room_type_id: double
  display_names: {{es: Habitación doble, en: Double room}}
  max_guest_count: 3
  rooms: {{d1: "201", d2: "202"}}
  nightly_prices:
  - {{first_night: {first}, last_night: {last}, price: 95.00}}
  - {{first_night: {first}, last_night: {last}, weekdays: [fri, sat], price: 118.10}}
- room_type_id: suite
  display_names: {{en: Suite}}
  max_guest_count: 4
  rooms: {{s1: "301"}}
  nightly_prices:
  - {{first_night: {first}, last_night: {last}, price: 180}}
"""

Conserje = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def inventories(grpc_channel: grpc.Channel) -> Any:
    """The service under test."""
    return InventoryServiceStub(grpc_channel)


@pytest.fixture
def conserje(grpc_addr: str, capsys: pytest.CaptureFixture[str]) -> Conserje:
    """Runs `conserje inventory`."""

    async def run(verb: str, tenant_id: str, *rest: str) -> tuple[int, str, str]:
        typed = ["inventory", verb, tenant_id, *rest, "--target", grpc_addr]
        code = await asyncio.to_thread(main, typed)
        return code, *capsys.readouterr()

    return run


def new_inventory(today: dt.date) -> str:
    """A file for a hotel that sells two types for 90 nights."""
    return NEW.format(first=today, last=today + dt.timedelta(days=89))


async def current(inventories: Any, call: Call, tenant_id: str) -> Inventory:
    """What the hotel sells."""
    answer = await call(inventories.GetInventory, GetInventoryRequest(tenant_id=tenant_id))
    found: Inventory = answer.inventory
    return found


async def test_a_file_brings_a_new_hotel_live_and_its_export_changes_nothing(
    grpc_stub: Any, call: Call, hotel: Hotel, conserje: Conserje, tmp_path: Path
) -> None:
    tenant = f"new-{secrets.token_hex(4)}"
    file = tmp_path / "hotel.yaml"
    file.write_text(new_inventory(hotel.today))
    nothing = await hotel.sql.fetchrow(SELECT_ALL, tenant)
    code, out, err = await conserje("import", tenant, str(file), "--dry-run")
    assert (code, err) == (0, "")
    assert "+    price: '118.10'" in out
    assert await hotel.sql.fetchrow(SELECT_ALL, tenant) == nothing

    assert (await conserje("import", tenant, str(file)))[0] == 0
    friday = hotel.today + dt.timedelta(days=(4 - hotel.today.weekday()) % 7 + 7)
    request = SearchAvailabilityRequest(
        tenant_id=tenant,
        check_in_date=from_date(friday - dt.timedelta(days=1)),
        check_out_date=from_date(friday + dt.timedelta(days=1)),
        adult_count=2,
    )
    double, suite = (await call(grpc_stub.SearchAvailability, request)).room_types
    assert double.display_names["es"] == "Habitación doble"
    assert [(one.units, one.nanos) for one in double.nightly_prices] == [(95, 0), (118, 10**8)]
    assert (double.free_count, suite.free_count) == (2, 1)

    file.write_text((await conserje("export", tenant))[1])
    before = await hotel.sql.fetchrow(SELECT_ALL, tenant)
    assert (await conserje("import", tenant, str(file)))[1] == "Nothing changes.\n"
    assert await hotel.sql.fetchrow(SELECT_ALL, tenant) == before
    assert (
        "double  3 guests  95.00 to 118.10  rooms 201, 202" in (await conserje("show", tenant))[1]
    )


async def test_everything_that_decides_a_price_comes_back_as_it_was_written(
    inventories: Any, call: Call, hotel: Hotel, conserje: Conserje, tmp_path: Path
) -> None:
    tenant = f"new-{secrets.token_hex(4)}"
    file = tmp_path / "hotel.yaml"
    last = hotel.today + dt.timedelta(days=89)
    file.write_text(EVERYTHING.format(first=hotel.today, last=last))
    assert (await conserje("import", tenant, str(file)))[0] == 0
    written, found = yaml.safe_load(file.read_text()), await current(inventories, call, tenant)
    export = yaml.safe_load((await conserje("export", tenant))[1])
    assert export.pop("etag")
    assert texts(export) == texts(_with_defaults(written))
    assert from_yaml(to_yaml(found)) == found
    request = ImportInventoryRequest(tenant_id=tenant, inventory=found)
    assert (await call(inventories.ImportInventory, request)).inventory == found

    # Terms that an import does not tell stay; taxes that it does not tell are gone.
    found.ClearField("terms")
    found.ClearField("lock_period")
    found.ClearField("locks_per_guest")
    del found.levies[:]
    request = ImportInventoryRequest(tenant_id=tenant, inventory=found)
    after = (await call(inventories.ImportInventory, request)).inventory
    assert (after.terms.deposit.percent, len(after.levies)) == (30, 0)
    assert after.etag != found.etag
    # And so long a room is kept, and so many locks a guest may have.
    assert (after.lock_period.seconds, after.locks_per_guest) == (45 * 60, 1)
    query = "SELECT lock_seconds, live_locks_per_guest FROM property WHERE tenant_id = $1"
    assert [tuple(row) for row in await hotel.sql.fetch(query, tenant)] == [(45 * 60, 1)]


def _with_defaults(written: dict[str, Any]) -> dict[str, Any]:
    """What an export says of what a file left open."""
    defaults = {"check_in": "15:00", "check_out": "11:00", "deposit_hours": 24}
    defaults["room_ready_minutes"] = 120
    for plan in (written, *written["rate_plans"]):
        plan["terms"] = defaults | plan["terms"]
    for levy in written["taxes_and_fees"]:
        levy.setdefault("included", False)
    return written


def texts(value: Any) -> Any:
    """Numbers and days as the texts they are compared by."""
    if isinstance(value, dict):
        return {str(key): texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [texts(one) for one in value]
    try:
        return str(Decimal(str(value)).normalize())
    except ArithmeticError:
        return str(value)


async def test_what_contradicts_itself_is_named_and_leaves_nothing(
    inventories: Any, call: Call, hotel: Hotel
) -> None:
    tenant = f"new-{secrets.token_hex(4)}"
    nothing = await hotel.sql.fetchrow(SELECT_ALL, tenant)
    last = hotel.today + dt.timedelta(days=89)
    good = from_yaml(EVERYTHING.format(first=hotel.today, last=last))
    spoils: dict[str, Callable[[Inventory], object]] = {
        "levies[1].levy_id": lambda it: setattr(it.levies[1], "levy_id", "vat"),
        "levies[1].percent": lambda it: setattr(it.levies[1], "percent", "5"),
        "levies[0].percent": lambda it: setattr(it.levies[0], "percent", "100.5"),
        "levies[1].amount": lambda it: setattr(it.levies[1].amount, "nanos", 1),
        "rate_plans[0].rate_plan_id": lambda it: setattr(it.rate_plans[0], "rate_plan_id", ""),
        "restrictions[0].room_type_ids": lambda it: it.restrictions[0].room_type_ids.append("x"),
        "restrictions[1].rate_plan_ids": lambda it: it.restrictions[1].rate_plan_ids.append("x"),
        "restrictions[1].last_night_date": lambda it: setattr(
            it.restrictions[1].last_night_date, "year", 2020
        ),
        "restrictions[0].first_night_date": lambda it: setattr(
            it.restrictions[0].first_night_date, "day", 31 * 2
        ),
        "lock_period": lambda it: setattr(it.lock_period, "seconds", 301),
        "locks_per_guest": lambda it: setattr(it, "locks_per_guest", 21),
        "terms.check_in_time": lambda it: setattr(it.terms, "check_in_time", "24:00"),
        "terms.deposit_period": lambda it: setattr(it.terms.deposit_period, "seconds", 1800),
        "terms.late_checkout_steps[0].fee.amount": lambda it: setattr(
            it.terms.late_checkout_steps[0].fee.amount, "currency_code", "USD"
        ),
        "room_types[0].adult_supplements[0].supplement": lambda it: setattr(
            it.room_types[0].adult_supplements[0].supplement, "units", -90
        ),
        "room_types[0].adult_supplements": lambda it: setattr(
            it.room_types[0].adult_supplements[0], "adult_count", 3
        ),
        "room_types[0].plan_prices[0].rate_plan_id": lambda it: setattr(
            it.room_types[0].plan_prices[0], "rate_plan_id", "x"
        ),
        "room_types[0].photos[0].url": lambda it: setattr(it.room_types[0].photos[0], "url", "x"),
        "restrictions[0].max_nights": lambda it: setattr(it.restrictions[0], "max_nights", 1),
        "restrictions[1]": lambda it: [
            it.restrictions[1].ClearField(one)  # type: ignore[func-returns-value]
            for one in ("closed", "closed_to_arrival", "closed_to_departure")
        ],
        "terms.cancellation_steps[1].before_arrival": lambda it: setattr(
            it.terms.cancellation_steps[1].before_arrival, "seconds", 72 * 3600
        ),
        "terms.deposit_period ": lambda it: setattr(it.terms.deposit_period, "seconds", 0),
        "room_types[0].max_adult_count": lambda it: setattr(it.room_types[0], "max_adult_count", 5),
        'room_types[0].descriptions["english"]': lambda it: it.room_types[0].descriptions.update(
            english="A bed."
        ),
        'room_types[0].photos[0].captions["e_s"]': lambda it: (
            it.room_types[0].photos[0].captions.update(e_s="A bed.")
        ),
        'levies[0].display_names["EN"]': lambda it: it.levies[0].display_names.update(EN="VAT"),
        "room_types[0].photos[0].url ": lambda it: setattr(
            it.room_types[0].photos[0], "url", "http://hotel.example/double.jpg"
        ),
    }
    for field, spoil in spoils.items():
        bad = Inventory.FromString(good.SerializeToString())
        spoil(bad)
        request = ImportInventoryRequest(tenant_id=tenant, inventory=bad)
        code, error = await refused(call, inventories.ImportInventory, request)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert isinstance(error, InvalidArgument)
        assert f"inventory.{field.strip()}" in [one.field for one in error.violations]
        assert await hotel.sql.fetchrow(SELECT_ALL, tenant) == nothing


async def test_what_contradicts_itself_is_told_where_the_file_has_it(
    hotel: Hotel, conserje: Conserje, tmp_path: Path
) -> None:
    tenant, file = f"new-{secrets.token_hex(4)}", tmp_path / "hotel.yaml"
    good = EVERYTHING.format(first=hotel.today, last=hotel.today + dt.timedelta(days=89))
    for written, wrong, said in (
        (
            "lock_minutes: 45",
            "lock_minutes: 2",
            "lock_minutes: must be greater than or equal to 5",
        ),
        ("hours_before: 72", "hours_before: 9999", "terms.cancellation[0].hours_before: must be"),
        ("percent: 10", "percent: 101", "taxes_and_fees[0].percent: must be a percentage"),
        ("id: vat", 'id: ""', "taxes_and_fees[0].id: must be at least 1 character"),
        ("[double]", "[palace]", "restrictions[0].room_types: names a room type that there"),
        ("en: Double room", "e: Double room", "room_types[0].display_names.e: must be at"),
        ("price: 95.00", "price: 95.001", "room_types[0].nightly_prices[0].price: cannot be paid"),
        ("price: 95.00", f"price: {10**12 + 1}", "price: is more than 1,000,000,000,000."),
        ("price: 80.00", "price: -1", "room_types[0].plan_prices.saver[0].price: is negative."),
        ("1: -10.00", "1: -90", "room_types[0].adult_supplements.1: would make a night cost"),
        ('d1: "201"', 'd1: "201", d2: "201"', "room_types[0].rooms.d2: is there twice."),
        ("currency_code: EUR", "currency_code: eur", "currency_code: 'eur' is no currency"),
        ("currency_code: EUR", "currency_code: EUX", "currency_code: is no currency of ISO 4217"),
        ("hours_before: 24", "hours_before: 72", "terms.cancellation[1].hours_before: is there"),
        ("deposit_hours: 48", "deposit_hours: 0", "terms.deposit_hours: is nothing, and every"),
        ("https://", "http://", "room_types[0].photos[0].url: is no https:// link"),
        ("en: The bed", "english: The bed", "photos[0].captions.english: is no language code"),
        ("last_night: ", "last_night: 2020-01-01 #", "last_night: must be from"),
    ):
        assert written in good
        file.write_text(good.replace(written, wrong, 1))
        code, out, err = await conserje("import", tenant, str(file), "--dry-run")
        assert (code, out) == (2, ""), wrong
        assert said in err, err
        assert "_date" not in err
        assert "inventory." not in err
    # Each place that is wrong is named.
    file.write_text(re.sub("price: [0-9.]+", "price: -1", good))
    code, _, err = await conserje("import", tenant, str(file))
    assert (code, err.count("[0].price: is negative.\n")) == (2, 2)


async def test_every_amount_has_a_bound_and_one_beyond_it_is_named(
    inventories: Any, call: Call, hotel: Hotel
) -> None:
    tenant = f"new-{secrets.token_hex(4)}"
    last = hotel.today + dt.timedelta(days=89)
    good = from_yaml(EVERYTHING.format(first=hotel.today, last=last))
    step = good.terms.cancellation_steps[0].penalty
    for charge in (step, good.terms.deposit, good.terms.no_show_penalty):
        charge.amount.CopyFrom(Money(currency_code="EUR"))
    good.rate_plans[0].terms.deposit.amount.CopyFrom(Money(currency_code="EUR"))
    amounts: dict[str, Callable[[Inventory], Money]] = {
        "levies[1].amount": lambda it: it.levies[1].amount,
        "terms.deposit.amount": lambda it: it.terms.deposit.amount,
        "terms.no_show_penalty.amount": lambda it: it.terms.no_show_penalty.amount,
        "terms.cancellation_steps[0].penalty.amount": lambda it: (
            it.terms.cancellation_steps[0].penalty.amount
        ),
        "terms.late_checkout_steps[0].fee.amount": lambda it: (
            it.terms.late_checkout_steps[0].fee.amount
        ),
        "rate_plans[0].terms.deposit.amount": lambda it: it.rate_plans[0].terms.deposit.amount,
        "room_types[0].nightly_prices[0].price": lambda it: (
            it.room_types[0].nightly_prices[0].price
        ),
        "room_types[0].plan_prices[0].nightly_prices[0].price": lambda it: (
            it.room_types[0].plan_prices[0].nightly_prices[0].price
        ),
        "room_types[0].adult_supplements[1].supplement": lambda it: (
            it.room_types[0].adult_supplements[1].supplement
        ),
        "room_types[0].child_supplement": lambda it: it.room_types[0].child_supplement,
    }
    most = 10**12
    for field, amount in amounts.items():
        one = Inventory.FromString(good.SerializeToString())
        amount(one).units, amount(one).nanos = most, 0
        request = ImportInventoryRequest(tenant_id=tenant, inventory=one, validate_only=True)
        await call(inventories.ImportInventory, request)
        for beyond in (Money(nanos=10**7), Money(units=2**63 - 1)):
            amount(one).MergeFrom(beyond)
            request = ImportInventoryRequest(tenant_id=tenant, inventory=one)
            code, error = await refused(call, inventories.ImportInventory, request)
            assert code == grpc.StatusCode.INVALID_ARGUMENT
            assert isinstance(error, InvalidArgument)
            assert [found.field for found in error.violations] == [f"inventory.{field}"]
            assert "1,000,000,000,000" in error.message


async def test_new_prices_and_rooms_are_searched_at_once_and_what_is_held_stays(
    grpc_stub: Any, inventories: Any, call: Call, hotel: Hotel
) -> None:
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel))).lock
    await call(grpc_stub.AcquireLock, lock_request(hotel, room_type_id="double"))
    search = SearchAvailabilityRequest(
        tenant_id=hotel.tenant_id,
        check_in_date=lock.check_in_date,
        check_out_date=lock.check_out_date,
        adult_count=2,
    )
    await call(grpc_stub.SearchAvailability, search)
    wanted = await current(inventories, call, hotel.tenant_id)
    (suite,) = [one for one in wanted.room_types if one.room_type_id == "suite"]
    suite.rooms.add(room_id="suite-2", room_number="1")
    suite.rooms[0].room_number = "2"  # The numbers are exchanged.
    suite.nightly_prices[0].price.units = 300
    wanted.last_night_date.CopyFrom(from_date(hotel.today + dt.timedelta(days=99)))
    request = ImportInventoryRequest(tenant_id=hotel.tenant_id, inventory=wanted)
    after = (await call(inventories.ImportInventory, request)).inventory
    assert after.etag != wanted.etag
    assert (await call(inventories.ImportInventory, request)).inventory == after

    answer = await call(grpc_stub.SearchAvailability, search)
    found = {one.room_type_id: one for one in answer.room_types}
    assert (found["suite"].free_count, found["double"].free_count) == (1, 4)
    assert {one.units for one in found["suite"].nightly_prices} == {300}
    assert (await call(grpc_stub.ConfirmReservation, confirm_request(lock))).reservation
    await assert_consistent(hotel.sql)


async def test_a_bad_last_type_leaves_nothing_and_is_named(
    inventories: Any, call: Call, hotel: Hotel
) -> None:
    tenant = f"new-{secrets.token_hex(4)}"
    nothing = await hotel.sql.fetchrow(SELECT_ALL, tenant)
    good = from_yaml(new_inventory(hotel.today))
    spoils: tuple[tuple[str, Callable[[Any], None]], ...] = (
        ("rooms[0].room_id", lambda suite: setattr(suite.rooms[0], "room_id", "d1")),
        ("max_guest_count", lambda suite: setattr(suite, "max_guest_count", 41)),
        ("nightly_prices[0].price", lambda s: setattr(s.nightly_prices[0].price, "nanos", 1)),
        (
            "nightly_prices[0].last_night_date",
            lambda suite: setattr(suite.nightly_prices[0].last_night_date, "day", 32),
        ),
    )
    for field, spoil in spoils:
        bad = Inventory.FromString(good.SerializeToString())
        spoil(bad.room_types[-1])
        request = ImportInventoryRequest(tenant_id=tenant, inventory=bad)
        code, error = await refused(call, inventories.ImportInventory, request)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert isinstance(error, InvalidArgument)
        assert [one.field for one in error.violations] == [f"inventory.room_types[1].{field}"]
        assert await hotel.sql.fetchrow(SELECT_ALL, tenant) == nothing


class Hotels(Resolving):
    """The tenant service, which knows one hotel."""

    async def GetTenant(self, request: Any, context: Any) -> GetTenantResponse:
        if request.tenant_id != "casa-azul":
            raise NotFound("TENANT_UNKNOWN")
        hotel = Tenant(tenant_id="casa-azul", time_zone="Europe/Madrid", currency_code="EUR")
        return GetTenantResponse(tenant=hotel)

    async def WatchTenants(self, request: Any, context: Any) -> Any:
        raise NotImplementedError
        yield


async def test_what_is_sold_is_a_hotels_that_is_there_in_its_time_zone_and_currency(
    grpc_addr: str,
    hotel: Hotel,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    server = Server(tracing=Tracing("test"), registry=new_registry())
    # Only what the command calls is played.
    hotels = Hotels()  # type: ignore[abstract]
    server.add(add_TenantServiceServicer_to_server, hotels, "conserje.tenant.v1.TenantService")
    monkeypatch.setenv("CONSERJE_TARGET_TENANT", f"127.0.0.1:{await server.start('127.0.0.1:0')}")
    monkeypatch.setenv("CONSERJE_TARGET_BOOKING", grpc_addr)
    await server.set_serving(True)

    async def refusal(*typed: str) -> str:
        assert await asyncio.to_thread(main, typed) == 2
        return capsys.readouterr().err

    file = tmp_path / "hotel.yaml"
    for zone, currency, wrong in (
        ("Europe/Lisbon", "EUR", "time_zone Europe/Lisbon, the hotel casa-azul Europe/Madrid"),
        ("Europe/Madrid", "USD", "currency_code USD, the hotel casa-azul EUR"),
    ):
        written = re.sub("time_zone: .*", f"time_zone: {zone}", new_inventory(hotel.today))
        file.write_text(re.sub("currency_code: .*", f"currency_code: {currency}", written))
        assert wrong in await refusal("inventory", "import", "casa-azul", str(file))
    nobody = "there is no hotel casa-roja: `conserje tenant list`"
    assert nobody in await refusal("inventory", "import", "casa-roja", str(file))
    for verb in ("show", "export"):
        assert nobody in await refusal("inventory", verb, "casa-roja")
    there = ("--kind", "generic", "--url", "http://127.0.0.1:9", "--property", "1")
    assert nobody in await refusal("pms", "set", "casa-roja", *there)
    await server.stop(0)


async def test_terms_with_amounts_are_not_kept_in_another_currency(
    inventories: Any, call: Call, hotel: Hotel, conserje: Conserje, tmp_path: Path
) -> None:
    tenant, file = f"new-{secrets.token_hex(4)}", tmp_path / "hotel.yaml"
    last = hotel.today + dt.timedelta(days=89)
    priced = from_yaml(new_inventory(hotel.today))
    priced.terms.CopyFrom(from_yaml(EVERYTHING.format(first=hotel.today, last=last)).terms)
    priced.terms.deposit.amount.CopyFrom(Money(currency_code="EUR", units=12, nanos=500000000))
    request = ImportInventoryRequest(tenant_id=tenant, inventory=priced)
    before = (await call(inventories.ImportInventory, request)).inventory
    wanted = Inventory.FromString(before.SerializeToString())
    wanted.currency_code = "JPY"
    for rule in [rule for one in wanted.room_types for rule in one.nightly_prices]:
        rule.price.currency_code, rule.price.nanos = "JPY", 0
    fee = wanted.terms.late_checkout_steps[0].fee
    for charge, units in ((fee, 3000), (wanted.terms.deposit, 2000)):
        charge.amount.CopyFrom(Money(currency_code="JPY", units=units))
    terms = ReservationTerms.FromString(wanted.terms.SerializeToString())
    wanted.ClearField("terms")

    request = ImportInventoryRequest(tenant_id=tenant, inventory=wanted)
    code, error = await refused(call, inventories.ImportInventory, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert isinstance(error, InvalidArgument)
    said = "cannot stay as they are, with 20.5, 12.5 in EUR; name them in JPY, too"
    assert [(one.field, one.description) for one in error.violations] == [("inventory.terms", said)]
    assert await current(inventories, call, tenant) == before
    file.write_text(to_yaml(wanted))
    exit_code, _, err = await conserje("import", tenant, str(file))
    assert (exit_code, f"terms: {said}." in err) == (2, True)

    wanted.terms.CopyFrom(terms)
    request = ImportInventoryRequest(tenant_id=tenant, inventory=wanted)
    after = (await call(inventories.ImportInventory, request)).inventory
    assert (after.currency_code, after.terms) == ("JPY", terms)


async def test_what_fails_in_the_database_leaves_nothing(
    inventories: Any, call: Call, hotel: Hotel
) -> None:
    """The last type's rooms are refused by a constraint after the first type was written."""
    await hotel.sql.execute(
        "ALTER TABLE room ADD CONSTRAINT no_penthouse CHECK (room_id <> 'penthouse')"
    )
    wanted = from_yaml(new_inventory(hotel.today))
    wanted.room_types[-1].rooms[0].room_id = "penthouse"
    tenant = f"new-{secrets.token_hex(4)}"
    nothing = await hotel.sql.fetchrow(SELECT_ALL, tenant)
    request = ImportInventoryRequest(tenant_id=tenant, inventory=wanted)
    await refused(call, inventories.ImportInventory, request)
    await hotel.sql.execute("ALTER TABLE room DROP CONSTRAINT no_penthouse")
    assert await hotel.sql.fetchrow(SELECT_ALL, tenant) == nothing


async def test_what_is_sold_is_not_taken_away_and_is_named(
    grpc_stub: Any, inventories: Any, call: Call, hotel: Hotel
) -> None:
    lock = (await call(grpc_stub.AcquireLock, lock_request(hotel))).lock
    await call(grpc_stub.ConfirmReservation, confirm_request(lock))
    night = dt.date(lock.check_in_date.year, lock.check_in_date.month, lock.check_in_date.day)
    now = await current(inventories, call, hotel.tenant_id)
    before = await hotel.sql.fetchrow(SELECT_ALL, hotel.tenant_id)

    async def refusal(**facts: str) -> None:
        request = ImportInventoryRequest(tenant_id=hotel.tenant_id, inventory=wanted)
        code, error = await refused(call, inventories.ImportInventory, request)
        assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INVENTORY_SOLD")
        assert {name: error.metadata.get(name) for name in facts} == facts
        assert await hotel.sql.fetchrow(SELECT_ALL, hotel.tenant_id) == before

    nights = f"suite {night}, suite {night + dt.timedelta(days=1)}"
    wanted = Inventory.FromString(now.SerializeToString())
    del wanted.room_types[-1]
    await refusal(room_types="suite", rooms="suite-1")
    wanted = Inventory.FromString(now.SerializeToString())
    del wanted.room_types[-1].rooms[:]
    await refusal(rooms="suite-1", nights=nights)
    wanted = Inventory.FromString(now.SerializeToString())
    wanted.last_night_date.CopyFrom(from_date(night - dt.timedelta(days=1)))
    await refusal(nights=nights)

    wanted = Inventory.FromString(now.SerializeToString())
    wanted.currency_code = "USD"
    for kind in wanted.room_types:
        for rule in kind.nightly_prices:
            rule.price.currency_code = "USD"
    await refusal(currency_code="EUR")

    # What nobody has booked may go.
    wanted = Inventory.FromString(now.SerializeToString())
    del wanted.room_types[0]
    request = ImportInventoryRequest(tenant_id=hotel.tenant_id, inventory=wanted)
    after = (await call(inventories.ImportInventory, request)).inventory
    assert [one.room_type_id for one in after.room_types] == ["single", "suite"]
    await assert_consistent(hotel.sql)


async def test_no_import_overwrites_another_nor_another_hotel(
    inventories: Any, call: Call, hotel: Hotel
) -> None:
    other = await Hotel.create(hotel.sql, f"{hotel.tenant_id}-too", {"suite": 1})
    untouched = await hotel.sql.fetchrow(SELECT_ALL, other.tenant_id)
    first = await current(inventories, call, hotel.tenant_id)
    second = Inventory.FromString(first.SerializeToString())
    first.room_types[0].max_guest_count = 2
    second.room_types[0].max_guest_count = 3
    requests = [
        ImportInventoryRequest(tenant_id=hotel.tenant_id, inventory=wanted)
        for wanted in (first, second)
    ]
    await call(inventories.ImportInventory, requests[0])
    code, error = await refused(call, inventories.ImportInventory, requests[1])
    assert (code, error.reason) == (grpc.StatusCode.ABORTED, "INVENTORY_CHANGED")
    now = await current(inventories, call, hotel.tenant_id)
    assert (now.room_types[0].max_guest_count, now.etag) == (2, error.metadata["etag"])
    requests[1].inventory.etag = ""
    code, error = await refused(call, inventories.ImportInventory, requests[1])
    assert (code, error.reason) == (grpc.StatusCode.ABORTED, "INVENTORY_CHANGED")
    assert await hotel.sql.fetchrow(SELECT_ALL, other.tenant_id) == untouched
    unknown = GetInventoryRequest(tenant_id="nobody")
    code, error = await refused(call, inventories.GetInventory, unknown)
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "PROPERTY_UNKNOWN")
    assert from_yaml(to_yaml(now)) == now
