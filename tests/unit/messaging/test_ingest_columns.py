"""How events become columns: keys, days, orders and names."""

from __future__ import annotations

from uuid import UUID

import pytest
from conserje.messaging.v1.event_pb2 import DELIVERY_STATE_READ, InboundEvent, InboundMessage
from conserje.messaging.v1.messaging_service_pb2 import IngestEventRequest
from hypothesis import given
from hypothesis import strategies as st

from services.messaging.inbox import Names, append, senders
from services.messaging.opaque import make_opaque, read_opaque
from services.messaging.store.inbox import IngestColumns

NOW = 1_795_000_000.0
DAY = 86_400


def columns_of(event: InboundEvent) -> IngestColumns:
    columns = IngestColumns()
    append(columns, IngestEventRequest(event=event), NOW)
    return columns


@given(st.integers(-(2**62), 2**62), st.floats(0, 4e9))
def test_the_day_is_the_items_own_whenever_it_arrives(seconds: int, now: float) -> None:
    event = InboundEvent(phone_number_id="1", item_key=b"k")
    event.event_time.seconds = seconds
    event.error.code = 1
    columns = IngestColumns()
    append(columns, IngestEventRequest(event=event), now)
    append(columns, IngestEventRequest(event=event), NOW)
    assert columns.day[0] == columns.day[1]
    assert -719_162 <= columns.day[0] <= 2_932_896
    if 0 <= seconds < 4e9:
        assert columns.day[0] == seconds // DAY


@pytest.mark.parametrize(
    ("seconds", "ordered"),
    [
        (int(NOW) - 60, NOW - 60),
        (int(NOW) - 8 * DAY, NOW - 8 * DAY),
        (int(NOW) - 10 * DAY, NOW),
        (int(NOW) + 2 * DAY, NOW),
        (0, NOW),
        (-1, NOW),
    ],
)
def test_an_implausible_time_orders_by_arrival(seconds: int, ordered: float) -> None:
    event = InboundEvent(phone_number_id="1", item_key=b"k")
    event.event_time.seconds = seconds
    event.error.code = 1
    assert columns_of(event).order == [int(ordered * 1_000_000)]


def test_all_columns_have_one_entry_for_each_item() -> None:
    events = [InboundEvent(phone_number_id="1", item_key=b"k") for _ in range(4)]
    events[0].message.sender.whatsapp_id = "34"
    events[1].status.state = DELIVERY_STATE_READ
    events[2].error.code = 1
    columns = IngestColumns()
    for event in events:
        append(columns, IngestEventRequest(event=event), NOW)
    lengths = {len(getattr(columns, name)) for name in IngestColumns.__slots__}
    assert lengths == {4}
    assert columns.kind == ["message", "status", "error", "unreadable"]
    assert columns.delivery == [None, 3, None, None]


@pytest.mark.parametrize(
    ("user", "phone", "names"),
    [
        ("ES.1", "34", (b"u:ES.1", b"p:34")),
        ("", "34", (None, b"p:34")),
        ("ES.1", "", (b"u:ES.1", None)),
        ("", "", (None, None)),
        ("x" * 600, "34", (None, b"p:34")),
    ],
)
def test_a_sender_is_known_by_two_names(
    user: str, phone: str, names: tuple[bytes | None, bytes | None]
) -> None:
    message = InboundMessage()
    message.sender.user_id, message.sender.whatsapp_id = user, phone
    assert senders(message) == Names(*names)


def test_a_new_number_joins_the_old_name() -> None:
    message = InboundMessage()
    message.sender.whatsapp_id = "34"
    message.system.new_whatsapp_id = "35"
    assert senders(message) == Names(phone=b"p:35", was_phone=b"p:34")
    message.sender.user_id = "ES.1"
    assert senders(message) == Names(b"u:ES.1", b"p:35", was_user=b"u:ES.1", was_phone=b"p:34")


def test_a_new_user_id_follows_the_old_one() -> None:
    message = InboundMessage()
    message.sender.user_id = "ES.1"
    message.system.new_user_id = "ES.2"
    assert senders(message) == Names(b"u:ES.2", was_user=b"u:ES.1")


@pytest.mark.parametrize(
    ("phone", "changed", "key", "written"),
    [
        ("5215512345678", "", b"p:525512345678", b"5215512345678"),
        ("34", "551181234567", b"p:5511981234567", b"551181234567"),
        ("", "", None, None),
    ],
)
def test_the_name_is_the_key_and_the_spelling_is_kept(
    phone: str, changed: str, key: bytes | None, written: bytes | None
) -> None:
    event = InboundEvent(phone_number_id="1", item_key=b"k")
    event.message.sender.whatsapp_id = phone
    if changed:
        event.message.system.new_whatsapp_id = changed
    columns = columns_of(event)
    assert columns.written == [written]
    assert columns.phone == [key]


@given(st.uuids(), st.from_regex(r"[a-z0-9/-]{1,64}", fullmatch=True))
def test_our_own_name_comes_back(outbox_id: UUID, tenant_id: str) -> None:
    assert read_opaque(make_opaque(tenant_id, outbox_id)) == (tenant_id, outbox_id)


@given(st.text())
def test_anybody_elses_name_is_nobodys(value: str) -> None:
    tenant_id, outbox_id = read_opaque(value)
    assert (tenant_id is None) == (outbox_id is None)
    assert tenant_id is None or "\0" not in tenant_id
