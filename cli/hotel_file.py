"""Hotels as YAML: what operators decide, field by field as in the contract."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from conserje.tenant.v1.tenant_pb2 import Tenant

from cli.files import parse_yaml, read_text
from cli.places import UsageError
from cli.plain import PlainError, from_plain, to_plain
from meshkit.phones import phone_key

OUTPUT_ONLY = ("state", "create_time", "update_time", "etag")
# Everything else is what `UpdateTenant` changes.
FIXED = (*OUTPUT_ONLY, "tenant_id", "numbers", "identifiers")
CHANGEABLE = tuple(one.name for one in Tenant.DESCRIPTOR.fields if one.name not in FIXED)

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def read(name: str) -> Tenant:
    """The hotel in a file, - being standard input; what is in doubt is told, not guessed."""
    return _tenant(name, parse_yaml(read_text(name), name))


def read_many(name: str) -> list[Tenant]:
    """The hotels in a file: a list, or one alone."""
    written = parse_yaml(read_text(name), name)
    if not isinstance(written, list):
        return [_tenant(name, written)]
    return [_tenant(f"{name}, hotel {number}", one) for number, one in enumerate(written, 1)]


def write(tenant: Tenant) -> str:
    """The YAML of a hotel, to be read again by `read`."""
    return _dump(_decided(tenant))


def write_many(tenants: Sequence[Tenant]) -> str:
    """The YAML of hotels, to be read again by `read_many`."""
    return _dump([_decided(tenant) for tenant in tenants])


def differences(before: Tenant, after: Tenant) -> Iterator[tuple[str, list[str]]]:
    """What `after` changes: each field with lines for people."""
    old, new = _decided(before), _decided(after)
    for name in CHANGEABLE:
        if old.get(name) != new.get(name):
            yield name, _told(name, old.get(name), new.get(name))


def _tenant(name: str, written: Any) -> Tenant:
    if not isinstance(written, dict):
        raise UsageError(f"{name} is not a list of fields with their values")
    if written.keys() & set(OUTPUT_ONLY):
        raise UsageError(f"{name}: {', '.join(OUTPUT_ONLY)} are told, not given")
    tenant = Tenant()
    try:
        from_plain(written, tenant)
    except PlainError as error:
        raise UsageError(f"{name}: {error}") from None
    return tenant


def _decided(tenant: Tenant) -> dict[str, Any]:
    return {name: value for name, value in to_plain(tenant).items() if name not in OUTPUT_ONLY}


def _told(name: str, old: Any, new: Any) -> list[str]:
    """On one line what fits on one, else the lines that go and come."""
    if _is_flat(old) and _is_flat(new):
        return [f"{name}: {_shown(old)} -> {_shown(new)}"]
    before, after = (_dump({name: value}).splitlines() if value else [] for value in (old, new))
    changed = difflib.unified_diff(before, after, lineterm="", n=2)
    return [line for line in changed if not line.startswith(("---", "+++", "@@"))]


def _is_flat(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return not any(isinstance(one, dict | list) for one in items)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _dump(plain: Any) -> str:
    told: str = yaml.dump(plain, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    return told.removesuffix("\n")


def found_alike(before: Tenant, after: Tenant) -> bool:
    """Whether both have the same numbers and identifiers."""
    return _numbers(before) == _numbers(after) and _found_by(before) == _found_by(after)


def _numbers(tenant: Tenant) -> list[bytes]:
    return sorted(number.SerializeToString() for number in tenant.numbers)


def _found_by(tenant: Tenant) -> set[tuple[int, str]]:
    """What it is found by, in the forms that the service knows."""
    return {
        (one.kind, phone_key(one.value) or one.value.strip().lower()) for one in tenant.identifiers
    }
