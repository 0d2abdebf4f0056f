"""Requests are checked against the rules written in their proto (protovalidate)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import protovalidate
from google.protobuf.message import Message

from meshkit.errors import InvalidArgument, MeshError, Violation
from meshkit.patterns import meaning

if TYPE_CHECKING:
    from protovalidate import FieldPathElementPb, ViolationPb
    from protovalidate import Violation as Found

REASON = "INVALID_REQUEST"
MAX_VIOLATIONS = 32
"""More than these are not sent back: the caller has enough to correct."""

_validator = protovalidate.Validator()


def validate(message: Message, *, verbatim: bool = False) -> None:
    """Raise `InvalidArgument` with every violation when `message` breaks a rule.

    Unless it is kept `verbatim`, as bytes, a text in it with U+0000 is one: no row can hold that.
    """
    found = [_violation(one) for one in _validator.collect_violations(message)]
    if not found and not verbatim and _may_have_nul(message):
        found = _with_nul(message)
    if found:
        raise _invalid(found)


def validate_items(
    batch: Message, field: str = "items", *, verbatim: bool = False
) -> list[MeshError | None]:
    """Check a batch once: what is wrong with each item, None where nothing is.

    A fault of the envelope (no items, too many) raises `InvalidArgument`. The
    fields of an item's violations are named as in the single request.
    """
    outcome: list[MeshError | None] = [None] * len(getattr(batch, field))
    by_item: dict[int, list[Violation]] = {}
    envelope: list[Violation] = []
    for one in _validator.collect_violations(batch):
        index = _item_index(one.proto, field)
        if index is None:
            envelope.append(_violation(one))
        else:
            by_item.setdefault(index, []).append(_violation(one, skip=1))
    if envelope:
        raise _invalid(envelope)
    if not verbatim and _may_have_nul(batch):
        for index, item in enumerate(getattr(batch, field)):
            by_item.setdefault(index, _with_nul(item))
    for index, violations in by_item.items():
        if violations:
            outcome[index] = _invalid(violations)
    return outcome


def _may_have_nul(message: Message) -> bool:
    """Whether there is a zero among its bytes, which takes a microsecond to see."""
    return b"\0" in message.SerializeToString()


def _with_nul(message: Message) -> list[Violation]:
    return [Violation(path, "must not contain U+0000") for path in _texts_with_nul(message, "")]


def _texts_with_nul(message: Message, within: str) -> Iterator[str]:
    for field, value in message.ListFields():
        path = f"{within}{field.name}"
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            # A key with U+0000 is not repeated in what names it.
            parts = [(path, part) for pair in value.items() for part in pair]
        elif field.is_repeated:
            parts = [(f"{path}[{index}]", part) for index, part in enumerate(value)]
        else:
            parts = [(path, value)]
        for place, part in parts:
            if isinstance(part, Message):
                yield from _texts_with_nul(part, f"{place}.")
            elif isinstance(part, str) and "\0" in part:
                yield place


def _invalid(violations: list[Violation]) -> InvalidArgument:
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return InvalidArgument(
        REASON,
        f"{first.field}: {first.description}{more}",
        violations=tuple(violations[:MAX_VIOLATIONS]),
    )


def _item_index(violation: ViolationPb, field: str) -> int | None:
    elements = _elements(violation)
    if not elements or elements[0].field_name != field:
        return None
    subscript = elements[0].subscript
    return int(subscript.value) if subscript is not None and subscript.field == "index" else None


def _violation(found: Found, skip: int = 0) -> Violation:
    violation = found.proto
    path = "".join(_step(element) for element in _elements(violation)[skip:])
    why = violation.message or violation.rule_id
    if violation.rule_id == "string.pattern":
        why = meaning(str(found.rule_value))
    return Violation(path.removeprefix(".") or "(message)", why)


def _elements(violation: ViolationPb) -> list[FieldPathElementPb]:
    return list(violation.field.elements) if violation.field is not None else []


def _step(element: FieldPathElementPb) -> str:
    key = "" if element.subscript is None else f"[{element.subscript.value}]"
    return f".{element.field_name}{key}"
