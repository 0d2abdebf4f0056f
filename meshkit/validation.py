"""Requests are checked against the rules written in their proto (protovalidate)."""

from __future__ import annotations

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


def validate(message: Message) -> None:
    """Raise `InvalidArgument` with every violation when `message` breaks a rule."""
    found = _validator.collect_violations(message)
    if found:
        raise _invalid([_violation(one) for one in found])


def validate_items(batch: Message, field: str = "items") -> list[MeshError | None]:
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
    for index, violations in by_item.items():
        outcome[index] = _invalid(violations)
    return outcome


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
