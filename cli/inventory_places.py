"""Where the file of an inventory has what the service names by its own fields."""

import re
from typing import Any

from conserje.booking.v1.inventory_pb2 import Inventory
from google.protobuf.descriptor import FieldDescriptor

from cli.inventory_terms import HOUR, MINUTE
from meshkit.errors import Violation

NAMES = {
    "basis": "per",
    "before_arrival": "hours_before",
    "cancellation_steps": "cancellation",
    "check_in_time": "check_in",
    "check_out_time": "check_out",
    "deposit_period": "deposit_hours",
    "first_night_date": "first_night",
    "last_night_date": "last_night",
    "late_checkout_steps": "late_checkout",
    "levies": "taxes_and_fees",
    "levy_id": "id",
    "lock_period": "lock_minutes",
    "no_show_penalty": "no_show",
    "rate_plan_ids": "rate_plans",
    "room_ready_period": "room_ready_minutes",
    "room_type_ids": "room_types",
    "until_time": "until",
}
"""What the file calls otherwise than the service."""
KEYS = {"adult_supplements": "adult_count", "plan_prices": "rate_plan_id", "rooms": "room_id"}
"""Lists of the service that are mappings in the file, with what they go by there."""
VALUES = {
    "conserje.booking.v1.Charge",
    "google.protobuf.Duration",
    "google.type.Date",
    "google.type.Money",
}
"""What the file writes as one value."""

UNITS = {"hours": HOUR, "minutes": MINUTE}
"""What spans are counted in that have it in their names."""

_SECONDS = re.compile(r"\b([0-9]+)s\b")
_STEP = re.compile(r'(\w+)(?:\["?([^\]"]*)"?\])?')


def told(wrong: Violation, inventory: Inventory) -> str:
    """What is wrong with a field of an import, at its place in the file and in its units."""
    place, said = in_file(wrong.field, inventory), wrong.description
    for name, unit in UNITS.items():
        if name in place.split(".")[-1]:
            said = _counted(said, unit)
    return f"{place}: {said}."


def _counted(said: str, unit: int) -> str:
    return _SECONDS.sub(lambda span: str(int(span[1]) // unit), said)


def in_file(field: str, inventory: Inventory) -> str:
    """The place in the file of a field of an import, such as `room_types[0].rooms.doble-201`."""
    place, here, keyed = "", inventory, False
    for name, index in _STEP.findall(field.removeprefix("inventory.")):
        # What is under a key has no name of its own.
        place += "" if keyed else f".{NAMES.get(name, name)}"
        described = here.DESCRIPTOR.fields_by_name[name]
        keyed = bool(index) and name in KEYS
        found = _inside(here, described, index)
        if keyed:
            place += f".{getattr(found, KEYS[name])}"
        elif index:
            place += f"[{index}]" if index.isdecimal() else f".{index}"
        if found is None:
            break
        here = found
    return place.removeprefix(".")


def _inside(here: Any, described: FieldDescriptor, index: str) -> Any:
    """The message in a field; None when the file has nothing inside of it."""
    kind = described.message_type
    if kind is None or kind.full_name in VALUES or kind.GetOptions().map_entry:
        return None
    found = getattr(here, described.name)
    return found[int(index)] if index else found
