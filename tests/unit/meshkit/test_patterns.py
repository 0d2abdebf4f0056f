"""What breaks a pattern of the contract is told in words, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import conserje
import pytest
from buf.validate import validate_pb2
from conserje.tenant.v1.tenant_service_pb2 import GetTenantRequest
from google.protobuf.descriptor import Descriptor

from meshkit.errors import InvalidArgument
from meshkit.patterns import SENTENCES, meaning
from meshkit.validation import validate


def patterns() -> Iterator[str]:
    """Every pattern of every field of the contract."""
    for root in map(Path, conserje.__path__):
        for file in root.rglob("*_pb2.py"):
            module = ".".join(("conserje", *file.relative_to(root).with_suffix("").parts))
            for message in import_module(module).DESCRIPTOR.message_types_by_name.values():
                yield from patterns_of(message)


def patterns_of(message: Descriptor) -> Iterator[str]:
    for field in message.fields:
        rules = field.GetOptions().Extensions[validate_pb2.field]
        strings = (rules.string, rules.repeated.items.string, rules.map.keys.string)
        yield from (one.pattern for one in (*strings, rules.map.values.string) if one.pattern)
    for nested in message.nested_types:
        yield from patterns_of(nested)


def test_every_pattern_of_the_contract_has_a_sentence_and_no_other_has() -> None:
    assert set(patterns()) == set(SENTENCES)


def test_a_field_that_breaks_one_is_told_in_words() -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate(GetTenantRequest(tenant_id="Hotel Mirador"))
    (violation,) = caught.value.violations
    assert violation.description == (
        "must be 1 to 64 small letters, digits and hyphens, no hyphen first"
    )


def test_one_that_a_newer_contract_has_is_not_shown() -> None:
    assert meaning("^[q]$") == "is not written like that"
