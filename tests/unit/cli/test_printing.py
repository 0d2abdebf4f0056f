"""What the command prints of answers and errors."""

import json
from datetime import UTC, datetime, timedelta

from conserje.audit.v1.audit_service_pb2 import OperatorChange
from conserje.messaging.v1.messaging_service_pb2 import TraceMessageResponse

from cli import audit
from cli.doctor import BAD, GOOD, Finding
from cli.trace import table


def test_a_trace_tells_the_time_since_the_start_and_of_each_hop() -> None:
    start = datetime(2026, 11, 23, 10, 0, 0, 250_000, tzinfo=UTC)
    answer = TraceMessageResponse(tenant_id="hotel-mirador", trace_id="4bf92f35")
    for name, milliseconds, detail in (
        ("gateway.receive", 0, ""),
        ("inbox.store", 3.5, "text"),
        ("outbox.accepted", 40, "SENT"),
    ):
        hop = answer.hops.add(name=name, detail=detail)
        hop.time.FromDatetime(start + timedelta(milliseconds=milliseconds))
    assert list(table(answer)) == [
        "hotel  hotel-mirador",
        "trace  4bf92f35",
        "start  2026-11-23 10:00:00.250000Z",
        "",
        "  since start     this hop  what",
        "       0.0 ms       0.0 ms  gateway.receive",
        "       3.5 ms       3.5 ms  inbox.store      text",
        "      40.0 ms      36.5 ms  outbox.accepted  SENT",
    ]


def test_a_message_without_hops_or_hotel_is_told_so() -> None:
    assert list(table(TraceMessageResponse())) == ["hotel  (not resolved)"]


def test_a_change_by_hand_tells_which_row_it_was() -> None:
    row = {"tenant_id": "azul", "room_type_id": "doble", "night": "2027-01-31", "price": 90}
    change = OperatorChange(
        actor="eva",
        method="/conserje.booking.v1.InventoryService/ImportInventory",
        tenant_id="azul",
        table_name="night_inventory",
        before_json=json.dumps(row),
        after_json=json.dumps({**row, "price": 95}),
    )
    change.change_time.FromJsonString("2026-11-23T10:00:00Z")
    assert audit.describe(change).splitlines() == [
        "2026-11-23 10:00:00Z  eva  ImportInventory  azul  night_inventory"
        "  night 2027-01-31  room_type_id doble",
        "    price: 90 -> 95",
    ]


def test_findings_are_aligned() -> None:
    lines = [
        *Finding(GOOD, "tenant", "is ready").lines(9),
        *Finding(BAD, "messaging", "is up and not ready", ("postgres: away",)).lines(9),
    ]
    assert lines == [
        "  ✓ tenant     is ready",
        "  ✗ messaging  is up and not ready",
        "               postgres: away",
    ]
