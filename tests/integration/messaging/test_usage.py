"""What Meta bills is counted once for each message, in its months, and above a cap it is told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import grpc
import pytest
from conserje.messaging.v1 import usage_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import (
    DELIVERY_STATE_DELIVERED,
    DELIVERY_STATE_READ,
    DELIVERY_STATE_SENT,
    DeliveryState,
)
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest
from conserje.messaging.v1.usage_service_pb2_grpc import UsageServiceStub

from services.messaging.usage.model import Count, billable, month_of
from tests.integration.cli.conftest import Conserje
from tests.integration.cli.conftest import conserje as conserje
from tests.integration.messaging.mesh import NUMBER, TENANT, Mesh, status, text

COUNTED = "SELECT coalesce(sum(message_count), 0)::int FROM usage_month"
IDLE = "SELECT NOT EXISTS (SELECT FROM usage_work)"


def priced(
    state: DeliveryState.ValueType, sent: dict[str, Any], category: str = "service", **about: Any
) -> IngestEventRequest:
    """A status of a message of ours, with Meta's price."""
    opaque = sent["biz_opaque_callback_data"]
    request = status(state, wamid=sent["wamid"], opaque=opaque, **about)
    pricing = request.event.status.pricing
    pricing.pricing_model, pricing.type, pricing.category = "PMP", "regular", category
    return request


def stub(mesh: Mesh) -> Any:
    channel = grpc.aio.insecure_channel(mesh.target)
    mesh.channels.append(channel)
    return UsageServiceStub(channel)


async def usage(mesh: Mesh, tenant: str = TENANT, month: date | None = None) -> pb.GetUsageResponse:
    request = pb.GetUsageRequest(tenant_id=tenant)
    if month is not None:
        request.month.year, request.month.month, request.month.day = month.timetuple()[:3]
    told: pb.GetUsageResponse = await stub(mesh).GetUsage(request)
    return told


async def test_a_message_is_counted_once_when_it_was_delivered(mesh: Mesh) -> None:
    messaging = await mesh.start()
    await mesh.say(messaging, text(phone="341"), text(phone="342"), text(phone="343"))
    first, second, third = await mesh.accepted(3)
    await mesh.say(
        messaging,
        priced(DELIVERY_STATE_SENT, first),
        priced(DELIVERY_STATE_DELIVERED, first),
        priced(DELIVERY_STATE_READ, first),
        priced(DELIVERY_STATE_READ, second, "utility"),
        priced(DELIVERY_STATE_SENT, third),
        status(DELIVERY_STATE_DELIVERED, wamid=third["wamid"]),
    )
    await mesh.say(messaging, priced(DELIVERY_STATE_READ, first, participant="again"))
    await mesh.until(COUNTED, value=2)
    await mesh.until(IDLE)
    assert await mesh.admin.fetchval(COUNTED) == 2
    told = await usage(mesh)
    (number,) = told.numbers
    counts = [(one.category, one.pricing_type, one.message_count) for one in number.counts]
    assert counts == [("service", "regular", 1), ("utility", "regular", 1)]
    assert (number.billable_count, number.free_left_count, told.billable_count) == (1, 999, 1)
    assert told.time_zone == "Europe/Madrid"
    assert not (await usage(mesh, "hotel-other")).numbers


async def test_a_month_begins_in_the_time_zone_of_the_account(mesh: Mesh) -> None:
    messaging = await mesh.start()
    await stub(mesh).SetUsageCap(
        pb.SetUsageCapRequest(tenant_id=TENANT, time_zone="America/Mexico_City")
    )
    await mesh.say(messaging, text(phone="341"), text(phone="342"))
    sent = await mesh.accepted(2)
    # The last hour of a month in Mexico, which is the first day of the next one in Madrid.
    today = datetime.now(UTC).date()
    first = today.replace(day=1)
    assert month_of(datetime(2026, 12, 1, 5, 30, tzinfo=UTC), "America/Mexico_City") == date(
        2026, 11, 1
    )
    assert month_of(datetime(2026, 12, 1, 6, 0, tzinfo=UTC), "America/Mexico_City") == date(
        2026, 12, 1
    )
    await mesh.say(messaging, *(priced(DELIVERY_STATE_DELIVERED, one) for one in sent))
    await mesh.until(COUNTED, value=2)
    here = month_of(datetime.now(UTC), "America/Mexico_City")
    told = await usage(mesh, month=here)
    assert (told.time_zone, told.month.month) == ("America/Mexico_City", here.month)
    assert sum(one.message_count for one in told.numbers[0].counts) == 2
    assert not (await usage(mesh, month=first.replace(year=first.year - 1))).numbers


@pytest.mark.parametrize(
    ("counts", "billed"),
    [
        ({("service", "regular"): 1000}, 0),
        ({("service", "regular"): 1001}, 1),
        ({("service", "regular"): 10, ("utility", "regular"): 3}, 3),
        ({("service", "free_entry_point"): 5000, ("marketing", "free_customer_service"): 1}, 0),
    ],
)
def test_a_thousand_service_messages_of_a_number_are_free(
    counts: dict[tuple[str, str], int], billed: int
) -> None:
    assert billable(Count("1", *words, count) for words, count in counts.items()) == billed


async def test_above_the_cap_it_is_told_once_a_month(mesh: Mesh) -> None:
    messaging = await mesh.start()
    cap = pb.SetUsageCapRequest(tenant_id=TENANT, cap_count=1, time_zone="Europe/Madrid")
    await stub(mesh).SetUsageCap(cap)
    gauge = mesh.kits[0].registry.get_sample_value
    await mesh.say(messaging, *(text(phone=f"34{n}") for n in range(3)))
    sent = await mesh.accepted(3)
    await mesh.say(messaging, priced(DELIVERY_STATE_DELIVERED, sent[0], "utility"))
    await mesh.until(COUNTED, value=1)
    assert gauge("usage_caps_passed") == 0
    await mesh.say(
        messaging, *(priced(DELIVERY_STATE_DELIVERED, one, "utility") for one in sent[1:])
    )
    await mesh.until("SELECT passed_month IS NOT NULL FROM usage_plan")
    await mesh.until(COUNTED, value=3)
    told = await usage(mesh)
    assert (told.billable_count, told.cap_count) == (3, 1)
    # A higher cap is another question, and nothing was ever stopped.
    await stub(mesh).SetUsageCap(
        pb.SetUsageCapRequest(tenant_id=TENANT, cap_count=10, time_zone="Europe/Madrid")
    )
    assert await mesh.admin.fetchval("SELECT passed_month FROM usage_plan") is None


async def test_the_command_shows_usage_and_sets_the_cap(mesh: Mesh, conserje: Conserje) -> None:
    await mesh.start("serve")
    month = month_of(datetime.now(UTC), "Europe/Madrid")
    await mesh.admin.execute(
        "INSERT INTO usage_month VALUES ($1, $2, $3, 'service', 'regular', 1200)",
        *(TENANT, month, NUMBER),
    )
    at = ("--target", mesh.target)
    zone = ("--time-zone", "Europe/Madrid")
    assert (await conserje("usage", "cap", TENANT, "5000", *zone, *at)).code == 0
    shown = await conserje("usage", "show", TENANT, *at)
    assert shown.code == 0, shown
    assert f"{NUMBER}  billable 200  free ones left 0" in shown.out
    assert "billable 200, of 5000 expected" in shown.out
    wrong = await conserje("usage", "cap", TENANT, "1", "--time-zone", "Mars/Olympus", *at)
    assert (wrong.code, "--time-zone: is no IANA time zone" in wrong.err) == (1, True), wrong
