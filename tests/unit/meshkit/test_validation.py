"""A text that no row can hold is refused with its field, wherever it is; bytes hold anything."""

from __future__ import annotations

import pytest
from conserje.booking.v1.inventory_service_pb2 import ImportInventoryRequest
from conserje.messaging.v1.messaging_operations_service_pb2 import WindowTemplate
from conserje.messaging.v1.messaging_service_pb2 import BatchIngestEventsRequest
from conserje.tenant.v1.tenant_service_pb2 import (
    BatchResolveTenantsRequest,
    ResolveTenantRequest,
    UpdateTenantRequest,
)
from google.protobuf.message import Message

from meshkit import validation
from meshkit.errors import InvalidArgument


class Anything:
    """Finds nothing wrong, so that what is left is found."""

    def collect_violations(self, message: Message) -> list[object]:
        return []


@pytest.fixture(autouse=True)
def _no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_validator", Anything())


def inventory() -> ImportInventoryRequest:
    request = ImportInventoryRequest(tenant_id="h")
    kind = request.inventory.room_types.add(room_type_id="double")
    kind.rooms.add(room_id="1", room_number="1\0")
    kind.display_names["es"] = "Do\0ble"
    kind.descriptions["e\0s"] = "Doble"
    return request


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (ResolveTenantRequest(phone_number_id="1\0"), ["phone_number_id"]),
        (
            WindowTemplate(template_name="\0", parameters=["{text}", "a\0"]),
            ["template_name", "parameters[1]"],
        ),
        (
            inventory(),
            [
                "inventory.room_types[0].descriptions",
                "inventory.room_types[0].display_names",
                "inventory.room_types[0].rooms[0].room_number",
            ],
        ),
    ],
)
def test_each_text_with_a_nul_is_named(message: Message, fields: list[str]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        validation.validate(message)
    assert sorted(one.field for one in refused.value.violations) == sorted(fields)
    assert {one.description for one in refused.value.violations} == {"must not contain U+0000"}
    assert "\0" not in f"{refused.value} {refused.value.violations}"
    validation.validate(message, verbatim=True)


def test_a_zero_in_what_is_no_text_is_nothing() -> None:
    request = UpdateTenantRequest(tenant_id="h")
    request.tenant.address.coordinates.latitude = 19.5  # Most of its bytes are zero.
    assert b"\0" in request.SerializeToString()
    validation.validate(request)


def test_an_item_of_a_batch_is_refused_alone() -> None:
    batch = BatchResolveTenantsRequest()
    for number in ("1", "2\0", "3"):
        batch.items.add().phone_number_id = number
    first, second, third = validation.validate_items(batch)
    assert (first, third) == (None, None)
    assert isinstance(second, InvalidArgument)
    assert [one.field for one in second.violations] == ["phone_number_id"]


def test_what_came_in_is_taken_as_it_is() -> None:
    batch = BatchIngestEventsRequest()
    batch.items.add().event.message.text.body = "a\0b"
    assert validation.validate_items(batch, verbatim=True) == [None]
