"""Hotels as YAML: what operators decide, field by field as in the contract."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from conserje.tenant.v1.tenant_pb2 import Tenant
from google.protobuf import json_format

from cli.places import UsageError

OUTPUT_ONLY = ("state", "create_time", "update_time", "etag")
CHANGEABLE = (
    "display_name",
    "time_zone",
    "default_language_code",
    "language_codes",
    "currency_code",
)


def read(name: str) -> Tenant:
    """The hotel in a file, - being standard input; what is in doubt is told, not guessed."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        # Every scalar is text: `no` is a language, and ids may begin with a zero.
        written = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - it makes no objects
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} cannot be read ({type(error).__name__})") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{name} is no YAML: {error}") from None
    return _tenant(name, written)


def write(tenant: Tenant) -> str:
    """The YAML of a hotel, to be read again by `read`."""
    return yaml.safe_dump(_decided(tenant), sort_keys=False, allow_unicode=True).rstrip()


def differences(before: Tenant, after: Tenant) -> Iterator[tuple[str, str]]:
    """What `after` changes: each field with a line for people."""
    old, new = _decided(before), _decided(after)
    for name in CHANGEABLE:
        if old.get(name) != new.get(name):
            yield name, f"{name}: {_shown(old.get(name))} -> {_shown(new.get(name))}"


def _tenant(name: str, written: Any) -> Tenant:
    if not isinstance(written, dict):
        raise UsageError(f"{name} is not a list of fields with their values")
    if written.keys() & set(OUTPUT_ONLY):
        raise UsageError(f"{name}: {', '.join(OUTPUT_ONLY)} are told, not given")
    try:
        return json_format.ParseDict(written, Tenant())
    except json_format.ParseError as error:
        raise UsageError(f"{name}: {error}") from None


def _decided(tenant: Tenant) -> dict[str, Any]:
    told: dict[str, Any] = json_format.MessageToDict(tenant, preserving_proto_field_name=True)
    return {name: value for name, value in told.items() if name not in OUTPUT_ONLY}


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
