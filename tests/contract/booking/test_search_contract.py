"""What a search tells, and what nobody may ask for."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

import grpc
import pytest
from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    BatchSearchAvailabilityRequest,
    CreateReservationRequest,
    RoomRequest,
    SearchAvailabilityRequest,
    SearchAvailabilityResponse,
)
from conserje.booking.v1.inventory_service_pb2 import GetInventoryRequest, ImportInventoryRequest
from conserje.booking.v1.inventory_service_pb2_grpc import InventoryServiceStub
from conserje.booking.v1.room_type_pb2 import (
    FRESHNESS_CACHED,
    UNAVAILABLE_REASON_CLOSED,
    UNAVAILABLE_REASON_MINIMUM_STAY,
    UNAVAILABLE_REASON_SOLD_OUT,
    UNAVAILABLE_REASON_UNSPECIFIED,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from cli.inventory_file import from_yaml
from meshkit.dates import from_date
from meshkit.errors import Internal, InvalidArgument
from meshkit.status import from_status
from tests.contract.booking.test_booking_contract import (
    Call,
    confirm_request,
    day,
    lock_request,
    refused,
)
from tests.integration.booking.hotel import COUNT_CHANGE, Hotel

FILE = """
time_zone: UTC
currency_code: EUR
last_night: {last}
taxes_and_fees:
- {{id: vat, display_names: {{en: VAT}}, percent: 10, per: stay, included: true}}
- {{id: city, display_names: {{en: City tax}}, amount: 1.50, per: person_night}}
terms:
  check_in: "15:00"
  deposit: 50%
  cancellation:
  - {{hours_before: 48, penalty: 1 night}}
rate_plans:
- rate_plan_id: saver
  display_names: {{en: Not refundable}}
  terms: {{cancellation: [{{hours_before: 8784, penalty: 100%}}]}}
restrictions:
- {{first_night: {first}, last_night: {last}, room_types: [suite], min_nights_on_arrival: 3}}
room_types:
- room_type_id: double
  display_names: {{en: Double room}}
  descriptions: {{en: With a balcony.}}
  max_guest_count: 3
  adult_supplements: {{1: -10.00}}
  rooms: {{d1: "201"}}
  nightly_prices:
  - {{first_night: {first}, last_night: {last}, price: 95.00}}
  plan_prices:
    saver:
    - {{first_night: {first}, last_night: {last}, price: 80.00}}
- room_type_id: suite
  display_names: {{en: Suite}}
  max_guest_count: 4
  rooms: {{s1: "301"}}
  nightly_prices:
  - {{first_night: {first}, last_night: {last}, price: 180}}
"""


@pytest.fixture
async def sold(hotel: Hotel, call: Call, grpc_channel: grpc.Channel) -> Hotel:
    """A hotel with taxes, terms, a plan and a minimum stay."""
    tenant_id = f"new-{secrets.token_hex(4)}"
    text = FILE.format(first=hotel.today, last=hotel.today + dt.timedelta(days=89))
    request = ImportInventoryRequest(tenant_id=tenant_id, inventory=from_yaml(text))
    await call(InventoryServiceStub(grpc_channel).ImportInventory, request)
    return Hotel(tenant_id, hotel.today, hotel.sql)


def search_request(hotel: Hotel, **changes: Any) -> SearchAvailabilityRequest:
    """Two nights for two adults, ten days ahead, unless told otherwise."""
    fields: dict[str, Any] = {
        "tenant_id": hotel.tenant_id,
        "check_in_date": day(hotel, 10),
        "check_out_date": day(hotel, 12),
        "adult_count": 2,
    }
    return SearchAvailabilityRequest(**(fields | changes))


def euros(money: Money) -> float:
    """An amount, for comparing; never for counting."""
    assert money.currency_code == "EUR"
    return money.units + money.nanos / 1e9


def at(hotel: Hotel, after: int, hour: int) -> Timestamp:
    """An hour of a day; the hotel's clocks show UTC."""
    date = hotel.today + dt.timedelta(days=after)
    found = Timestamp()
    found.FromDatetime(dt.datetime.combine(date, dt.time(hour), dt.UTC))
    return found


async def test_a_search_tells_price_taxes_total_deposit_terms_plans_and_why_not(
    grpc_stub: Any, call: Call, sold: Hotel
) -> None:
    found = await call(grpc_stub.SearchAvailability, search_request(sold))
    double, suite = found.room_types
    assert [euros(one) for one in double.nightly_prices] == [95, 95]
    assert [(one.levy_id, euros(one.amount), one.included) for one in double.lines] == [
        ("vat", 17.27, True),
        ("city", 6, False),
    ]
    assert euros(double.total_price) == 196
    assert euros(double.deposit) == 98
    assert double.deposit_due_time.seconds > found.as_of.seconds
    (cost,) = double.cancellation_costs
    assert (cost.start_time, euros(cost.penalty)) == (at(sold, 8, 15), 95)
    assert (double.unavailable_reason, double.free_count) == (UNAVAILABLE_REASON_UNSPECIFIED, 1)
    assert double.descriptions["en"] == "With a balcony."
    (saver,) = double.other_rates
    assert (saver.rate_plan_id, euros(saver.quote.total_price)) == ("saver", 166)
    assert euros(saver.cancellation_costs[0].penalty) == 166
    assert saver.cancellation_costs[0].start_time == found.as_of
    assert not saver.HasField("deposit")

    assert suite.unavailable_reason == UNAVAILABLE_REASON_MINIMUM_STAY
    assert (suite.required_night_count, suite.free_count) == (3, 0)
    # The hotel has the plan, and no night of the suite has a price under it.
    (saver,) = suite.other_rates
    assert (saver.rate_plan_id, saver.HasField("quote")) == ("saver", False)
    assert saver.unavailable_reason == UNAVAILABLE_REASON_CLOSED
    assert not suite.HasField("nearest_stay")  # Two nights are too few on any date.
    alone = await call(grpc_stub.SearchAvailability, search_request(sold, adult_count=1))
    assert euros(alone.room_types[0].total_price) == 173

    # What is shown is what is kept, and what it costs under the plan.
    shown = {"accepted_total_price": double.total_price, "room_type_id": "double"}
    request = lock_request(sold, **shown)
    lock = (await call(grpc_stub.AcquireLock, request)).lock
    assert lock.quote.total_price == double.total_price
    assert list(lock.quote.lines) == list(double.lines)
    booked = (await call(grpc_stub.ConfirmReservation, confirm_request(lock))).reservation
    assert booked.total_price == double.total_price
    assert euros(booked.deposit.amount) == 98
    again = await call(grpc_stub.SearchAvailability, search_request(sold))
    double = again.room_types[0]
    assert double.unavailable_reason == UNAVAILABLE_REASON_SOLD_OUT
    assert double.nearest_stay.check_in_date == day(sold, 12)
    assert [one.check_in_date for one in again.alternative_stays] == [
        day(sold, 12),
        day(sold, 8),
        day(sold, 13),
    ]


async def test_a_batch_of_searches_answers_each_item_by_itself(
    grpc_stub: Any, call: Call, sold: Hotel, hotel: Hotel
) -> None:
    items = [
        search_request(sold),
        search_request(hotel),
        search_request(sold, tenant_id="nobody"),
        search_request(sold, check_out_date=day(sold, 10)),
        search_request(sold, check_in_date=Date(year=2027, month=2, day=31)),
        search_request(sold, adult_count=-1),
        search_request(sold, check_in_date=day(sold, 88), check_out_date=day(sold, 91)),
        search_request(sold, time_remaining=Duration()),
        search_request(sold, check_in_date=day(sold, 20), check_out_date=day(sold, 23)),
    ]
    response = await call(
        grpc_stub.BatchSearchAvailability, BatchSearchAvailabilityRequest(items=items)
    )
    said = [
        ",".join(sorted(room.room_type_id for room in one.value.room_types))
        if one.HasField("value")
        else from_status(Status.FromString(one.error.SerializeToString())).reason
        for one in response.results
    ]
    assert said == [
        "double,suite",
        "double,single,suite",
        "PROPERTY_UNKNOWN",
        "INVALID_REQUEST",
        "INVALID_REQUEST",
        "INVALID_REQUEST",
        "BEYOND_HORIZON",
        "TIME_OVER",
        "double,suite",
    ]
    alone = await call(grpc_stub.SearchAvailability, items[0])
    assert list(response.results[0].value.room_types) == list(alone.room_types)
    # Three nights are enough for the suite.
    longer = {one.room_type_id: one for one in response.results[-1].value.room_types}
    assert longer["suite"].free_count == 1


async def test_an_answer_that_fits_no_message_fails_alone(
    grpc_stub: Any, call: Call, sold: Hotel, hotel: Hotel
) -> None:
    """As of a hotel whose prices are from before amounts had a bound."""
    much = "UPDATE night_inventory SET price = 9223372036854775807 WHERE tenant_id = $1"
    await hotel.sql.execute(much, sold.tenant_id)
    await hotel.sql.execute(COUNT_CHANGE)
    items = [search_request(sold), search_request(hotel)]
    bad, good = (
        await call(grpc_stub.BatchSearchAvailability, BatchSearchAvailabilityRequest(items=items))
    ).results
    error = from_status(Status.FromString(bad.error.SerializeToString()))
    assert isinstance(error, Internal)
    assert error.metadata["error_id"]
    assert len(good.value.room_types) == 3
    assert (await refused(call, grpc_stub.SearchAvailability, items[0]))[0] == (
        grpc.StatusCode.INTERNAL
    )


async def test_days_at_the_ends_of_the_calendar_are_refused_alone(
    grpc_stub: Any, call: Call, hotel: Hotel
) -> None:
    """Near a room that is sold as this very one the days around the stay are counted."""
    await call(grpc_stub.AcquireLock, lock_request(hotel, room_id="suite-1"))
    early, late = search_request(hotel), search_request(hotel)
    from_date(dt.date(1, 1, 2), early.check_in_date)
    from_date(dt.date(1, 1, 3), early.check_out_date)
    from_date(dt.date(9999, 12, 29), late.check_in_date)
    from_date(dt.date(9999, 12, 30), late.check_out_date)
    items = [early, search_request(hotel), late]
    first, good, last = (
        await call(grpc_stub.BatchSearchAvailability, BatchSearchAvailabilityRequest(items=items))
    ).results
    for bad in (first, last):
        error = from_status(Status.FromString(bad.error.SerializeToString()))
        assert isinstance(error, InvalidArgument)
        assert error.violations[0].field == "check_in_date"
    assert len(good.value.room_types) == 3


async def test_a_cached_answer_is_the_live_one_and_ends_with_any_change(
    grpc_stub: Any, call: Call, sold: Hotel, grpc_channel: grpc.Channel
) -> None:
    """Whoever asks again gets the same answer without its being built, until anything changes."""

    async def told(request: SearchAvailabilityRequest) -> SearchAvailabilityResponse:
        """The answer once it comes from the cache, of which nothing but that is told."""
        found = await call(grpc_stub.SearchAvailability, request)
        async with asyncio.timeout(10):
            while found.freshness != FRESHNESS_CACHED:
                found = await call(grpc_stub.SearchAvailability, request)
        return cast(SearchAvailabilityResponse, found)

    request, alone = search_request(sold), search_request(sold, adult_count=1)
    live = await call(grpc_stub.SearchAvailability, request)
    for _ in range(3):
        assert list((await told(request)).room_types) == list(live.room_types)
    assert euros((await told(alone)).room_types[0].total_price) == 173
    inventories = InventoryServiceStub(grpc_channel)
    now = await call(inventories.GetInventory, GetInventoryRequest(tenant_id=sold.tenant_id))
    now.inventory.levies[1].amount.units = 2
    wanted = ImportInventoryRequest(tenant_id=sold.tenant_id, inventory=now.inventory)
    await call(inventories.ImportInventory, wanted)
    assert euros((await told(request)).room_types[0].total_price) == 200
    await call(grpc_stub.AcquireLock, lock_request(sold, room_type_id="double"))
    reasons = {one.room_type_id: one.unavailable_reason for one in (await told(request)).room_types}
    assert reasons["double"] == UNAVAILABLE_REASON_SOLD_OUT


SELECT_WRITTEN = """
SELECT (SELECT count(*) FROM room_lock WHERE tenant_id = $1),
    (SELECT count(*) FROM lock_audit WHERE tenant_id = $1),
    (SELECT count(*) FROM request_answer WHERE tenant_id = $1),
    (SELECT count(*) FROM reservation WHERE tenant_id = $1),
    (SELECT sum(held + sold) FROM night_inventory WHERE tenant_id = $1)
"""
FEBRUARY = Date(year=2027, month=2, day=31)


@pytest.mark.parametrize(
    ("field", "reason", "first", "last", "changes"),
    [
        ("check_out_date", "INVALID_REQUEST", 12, 10, {}),
        ("check_out_date", "INVALID_REQUEST", 10, 10, {}),
        ("check_out_date", "INVALID_REQUEST", 10, 101, {}),
        ("check_in_date", "INVALID_REQUEST", 10, 12, {"check_in_date": FEBRUARY}),
        ("check_out_date", "INVALID_REQUEST", 10, 12, {"check_out_date": FEBRUARY}),
        ("check_in_date", "INVALID_REQUEST", 10, 12, {"check_in_date": None}),
        ("check_in_date", "CHECK_IN_PAST", -1, 2, {}),
        ("check_out_date", "BEYOND_HORIZON", 59, 61, {}),
        ("check_out_date", "BEYOND_HORIZON", 400, 402, {}),
        ("adult_count", "INVALID_REQUEST", 10, 12, {"adult_count": -1}),
        ("adult_count", "INVALID_REQUEST", 10, 12, {"adult_count": 0}),
        ("child_count", "INVALID_REQUEST", 10, 12, {"child_count": -2}),
    ],
)
async def test_bad_input_names_its_field_and_leaves_nothing(
    grpc_stub: Any,
    call: Call,
    hotel: Hotel,
    field: str,
    reason: str,
    first: int,
    last: int,
    changes: Mapping[str, Any],
) -> None:
    before = await hotel.sql.fetchrow(SELECT_WRITTEN, hotel.tenant_id)
    asked: dict[str, Any] = {
        "tenant_id": hotel.tenant_id,
        "check_in_date": from_date(hotel.today + dt.timedelta(days=first)),
        "check_out_date": from_date(hotel.today + dt.timedelta(days=last)),
        "adult_count": 2,
        "child_count": 0,
    } | dict(changes)
    guests = {name: asked[name] for name in ("adult_count", "child_count")}
    dates = {name: one for name, one in asked.items() if name not in guests}
    ids: dict[str, Any] = {"request_id": str(uuid4()), "guest_id": "guest"}
    rooms = [RoomRequest(room_type_id="double", **guests)]
    requests = [
        (grpc_stub.SearchAvailability, field, SearchAvailabilityRequest(**asked)),
        (
            grpc_stub.AcquireLock,
            field,
            AcquireLockRequest(**asked, **ids, room_type_id="double"),
        ),
        (
            grpc_stub.CreateReservation,
            f"rooms[0].{field}" if field in guests else field,
            CreateReservationRequest(**dates, **ids, rooms=rooms),
        ),
    ]
    for method, path, request in requests:
        code, error = await refused(call, method, request)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert isinstance(error, InvalidArgument)
        assert error.reason == reason
        assert [one.field for one in error.violations] == [path]
    assert await hotel.sql.fetchrow(SELECT_WRITTEN, hotel.tenant_id) == before
