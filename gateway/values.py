"""Small readers for the values of an item; they raise when the shape is not theirs."""

from __future__ import annotations

from typing import Any

from gateway.jsonbody import Json, OddJsonError, Written

SHAPE_ERRORS = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
"""What reading an item of another shape raises, protobuf's own refusals included."""


def text(value: Any) -> str:
    """A text or an id; nothing for null. Ids may come as numbers."""
    return value if type(value) is str else _odd_text(value)


def _odd_text(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if type(value) is Written:
        return value.written
    if type(value) is float:
        raise OddJsonError  # orjson has rounded it; the standard parser keeps the digits
    raise TypeError("a text has another shape")


def amount(value: Any) -> str:
    """A price, as it was written as far as that is known."""
    return repr(value) if type(value) is float else text(value)


def real(value: Any) -> float:
    """A coordinate, which may come as text."""
    if isinstance(value, bool):
        raise TypeError("a number has another shape")
    return float(value)


def items(value: Any) -> list[Any]:
    """The items of a list; one that came without its list is a list of one."""
    if type(value) is list:
        return value
    return [] if value is None else [value]


def mapping(value: Any) -> Json:
    """An object; nothing for null."""
    if type(value) is dict:
        return value
    if value is None:
        return {}
    raise TypeError("an object has another shape")


def number_id(value: Any) -> str:
    """One of Meta's ids of up to 32 digits; empty when it is none."""
    try:
        digits = text(value)
    except TypeError:
        return ""
    return digits if len(digits) <= 32 and digits.isascii() and digits.isdigit() else ""
