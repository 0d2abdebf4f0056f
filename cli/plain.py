"""Messages as people write them in YAML, field by field as in the contract.

As JSON, but: enums by their short names (`monday`), dates as `2027-01-31`. Every scalar
that is read is text.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.type.date_pb2 import Date

from cli.times import from_day


class PlainError(ValueError):
    """Something cannot be what is written; says where and why."""


def to_plain(message: Message) -> dict[str, Any]:
    """What is set in a message, ready for YAML."""
    told = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return _walk(told, message.DESCRIPTOR, "", _WRITERS, _short, lambda value, _: value)


def from_plain(written: Mapping[str, Any], message: Message) -> None:
    """Put what was written into `message`; raises `PlainError`."""
    told = _walk(written, message.DESCRIPTOR, "", _READERS, _long, _bool)
    try:
        json_format.ParseDict(told, message)
    except json_format.ParseError as error:
        raise PlainError(str(error)) from None


Special = Mapping[str, Callable[[Any, str], Any]]
Naming = Callable[[Any, FieldDescriptor, str], Any]
Truth = Callable[[Any, str], Any]


def _walk(
    written: Any, described: Any, path: str, special: Special, naming: Naming, truth: Truth
) -> dict[str, Any]:
    """A mapping, with every value translated that its field says is special."""
    if not isinstance(written, Mapping):
        raise PlainError(f"{path or 'the file'} must have fields with their values")
    found: dict[str, Any] = {}
    for name, value in written.items():
        within = f"{path}.{name}" if path else str(name)
        field = described.fields_by_name.get(name)
        if field is None:
            raise PlainError(f"{within}: there is no such field")

        def one(value: Any, within: str, field: FieldDescriptor = field) -> Any:
            inside = field.message_type
            if inside is not None and inside.full_name in special:
                return special[inside.full_name](value, within)
            if inside is not None and not inside.full_name.startswith("google.protobuf."):
                return _walk(value, inside, within, special, naming, truth)
            if field.enum_type is not None:
                return naming(value, field, within)
            return truth(value, within) if field.type == FieldDescriptor.TYPE_BOOL else value

        if field.is_repeated:
            if not isinstance(value, list):
                raise PlainError(f"{within} must be a list")
            found[name] = [one(item, f"{within}[{index}]") for index, item in enumerate(value)]
        else:
            found[name] = one(value, within)
    return found


def _prefix(field: FieldDescriptor) -> str:
    """What all names of an enum begin with: that of its first value, without UNSPECIFIED."""
    assert field.enum_type is not None
    return field.enum_type.values[0].name.removesuffix("UNSPECIFIED")


def _short(value: Any, field: FieldDescriptor, _path: str) -> Any:
    return str(value).removeprefix(_prefix(field)).lower()


def _long(value: Any, field: FieldDescriptor, path: str) -> Any:
    prefix = _prefix(field)
    assert field.enum_type is not None
    known = [one.name for one in field.enum_type.values[1:]]
    name = f"{prefix}{str(value).upper().removeprefix(prefix)}"
    if name not in known:
        words = ", ".join(one.removeprefix(prefix).lower() for one in known)
        raise PlainError(f"{path}: {value!r} is none of {words}")
    return name


def _bool(value: Any, path: str) -> bool:
    if value not in ("true", "false"):
        raise PlainError(f"{path} must be true or false")
    return bool(value == "true")


def _to_day(value: Any, path: str) -> dict[str, int]:
    try:
        day = dt.date.fromisoformat(str(value))
    except ValueError:
        raise PlainError(f"{path}: {value!r} is no day such as 2027-01-31") from None
    return {"year": day.year, "month": day.month, "day": day.day}


def _from_day(value: Any, _path: str) -> str:
    return from_day(json_format.ParseDict(value, Date()))


_READERS: Special = {"google.type.Date": _to_day}
_WRITERS: Special = {"google.type.Date": _from_day}
