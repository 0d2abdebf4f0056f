"""The settings of a hotel: their messages as JSON for the store, and what they must be.

What the bounds of single fields do not say is checked here, of the hotel as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from conserje.tenant.v1.settings_pb2 import BusinessHours, LocalizedText, TimeSpan
from conserje.tenant.v1.tenant_pb2 import Tenant
from google.protobuf import json_format

from meshkit import dates
from meshkit.errors import InvalidArgument
from services.tenant.hotels.domain import Settings
from services.tenant.hotels.hours import overlap

FIELDS = (
    "address",
    "business_hours",
    "info_texts",
    "photos",
    "staff_contacts",
    "feature_flags",
    "suspension_policy",
)
"""Of `Tenant`: they are stored together."""
LARGEST = 128 * 1024
"""Bytes of a hotel's settings as JSON; a thousand long texts would make lists too heavy."""


def to_settings(tenant: Tenant, within: str = "tenant.") -> Settings:
    """The settings of `tenant`, checked; raises `InvalidArgument` with the field under `within`."""
    for field, problem in _problems(tenant):
        raise InvalidArgument.field(f"{within}{field}", problem)
    told = json_format.MessageToDict(tenant, preserving_proto_field_name=True)
    settings = {name: told[name] for name in FIELDS if name in told}
    for field in _unprintable(settings):
        raise InvalidArgument.field(f"{within}{field}", "must be printable")
    if len(json.dumps(settings, ensure_ascii=False).encode()) > LARGEST:
        raise InvalidArgument.field(within.rstrip("."), f"has more than {LARGEST} bytes of it")
    return settings


def add_settings(tenant: Tenant, settings: Settings) -> None:
    """Put them into `tenant`; what a later release has written is left out."""
    json_format.ParseDict(dict(settings), tenant, ignore_unknown_fields=True)


Problems = Iterator[tuple[str, str]]


def _problems(tenant: Tenant) -> Problems:
    """Fields and what is wrong with them."""
    yield from _hours(tenant.business_hours)
    yield from _twice("info_texts", ((one.topic, one.language_code) for one in tenant.info_texts))
    for index, photo in enumerate(tenant.photos):
        yield from _languages(f"photos[{index}].captions", photo.captions)
    for index, contact in enumerate(tenant.staff_contacts):
        if not (contact.phone_number or contact.email):
            yield f"staff_contacts[{index}]", "must have a phone_number or an email"
    yield from _languages("suspension_policy.answers", tenant.suspension_policy.answers)


def _hours(hours: BusinessHours) -> Problems:
    yield from _twice("business_hours.days", (day.weekday for day in hours.days))
    for index, day in enumerate(hours.days):
        yield from _spans(f"business_hours.days[{index}].spans", day.spans)
    found = []
    for index, exception in enumerate(hours.exceptions):
        within = f"business_hours.exceptions[{index}]"
        try:
            found.append(dates.to_date(exception.date, "date"))
        except InvalidArgument:
            yield f"{within}.date", "is no day"
        yield from _spans(f"{within}.spans", exception.spans)
    yield from _twice("business_hours.exceptions", found)


def _spans(field: str, spans: Sequence[TimeSpan]) -> Problems:
    if overlap([(span.open_time, span.close_time) for span in spans]):
        yield field, "must not lie over each other"


def _languages(field: str, texts: Sequence[LocalizedText]) -> Problems:
    yield from _twice(field, (text.language_code for text in texts))


def _twice(field: str, keys: Iterable[Hashable]) -> Problems:
    seen: set[Hashable] = set()
    for index, key in enumerate(keys):
        if key in seen:
            yield f"{field}[{index}]", "is there twice"
        seen.add(key)


def _unprintable(value: Any, path: str = "") -> Iterator[str]:
    """Where a text has a sign that nobody can read; texts of several lines are fine."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _unprintable(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _unprintable(one, f"{path}[{index}]")
    elif isinstance(value, str) and any(ord(sign) < 32 and sign != "\n" for sign in value):
        yield path
