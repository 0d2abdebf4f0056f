"""The settings of a hotel: their messages as JSON for the store, and what they must be.

What the bounds of single fields do not say is checked here, of the hotel as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from conserje.tenant.v1.settings_pb2 import (
    BusinessHours,
    CancellationPolicy,
    Charge,
    DepositRule,
    LateCheckoutRule,
    LocalizedText,
    TimeSpan,
)
from conserje.tenant.v1.tenant_pb2 import Tenant
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration

from meshkit import dates, money
from meshkit.errors import InvalidArgument
from services.tenant.hotels.domain import Settings
from services.tenant.hotels.hours import overlap

FIELDS = (
    "address",
    "business_hours",
    "check_in_time",
    "check_out_time",
    "cancellation_policy",
    "deposit_rule",
    "late_checkout_rule",
    "lock_period",
    "info_texts",
    "room_photos",
    "staff_contacts",
    "feature_flags",
    "pms_connection",
    "suspension_policy",
)
"""Of `Tenant`: they are stored together."""
LARGEST = 128 * 1024
"""Bytes of a hotel's settings as JSON; a thousand long texts would make lists too heavy."""
DEFAULT_CHECK_IN, DEFAULT_CHECK_OUT = "15:00", "11:00"
HOUR = 3600


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
    yield from _cancellation(tenant.cancellation_policy, tenant.currency_code)
    if tenant.HasField("deposit_rule"):
        yield from _deposit(tenant.deposit_rule, tenant.currency_code)
    yield from _late_checkout(tenant.late_checkout_rule, tenant)
    if tenant.lock_period.nanos:
        yield "lock_period", "must be whole seconds"
    yield from _twice("info_texts", ((one.topic, one.language_code) for one in tenant.info_texts))
    for index, photo in enumerate(tenant.room_photos):
        yield from _languages(f"room_photos[{index}].captions", photo.captions)
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


def _cancellation(policy: CancellationPolicy, currency_code: str) -> Problems:
    field = "cancellation_policy"
    for index, step in enumerate(policy.steps):
        yield from _hours_long(f"{field}.steps[{index}].before_arrival", step.before_arrival)
        yield from _charge(f"{field}.steps[{index}].penalty", step.penalty, currency_code)
    yield from _twice(f"{field}.steps", (step.before_arrival.seconds for step in policy.steps))
    if policy.HasField("no_show_penalty"):
        yield from _charge(f"{field}.no_show_penalty", policy.no_show_penalty, currency_code)


def _deposit(rule: DepositRule, currency_code: str) -> Problems:
    yield from _charge("deposit_rule.amount", rule.amount, currency_code)
    yield from _hours_long("deposit_rule.deposit_period", rule.deposit_period)


def _late_checkout(rule: LateCheckoutRule, tenant: Tenant) -> Problems:
    for index, step in enumerate(rule.steps):
        field = f"late_checkout_rule.steps[{index}]"
        if step.until_time <= (tenant.check_out_time or DEFAULT_CHECK_OUT):
            yield f"{field}.until_time", "must be after check_out_time"
        yield from _charge(f"{field}.fee", step.fee, tenant.currency_code)
    yield from _twice("late_checkout_rule.steps", (step.until_time for step in rule.steps))
    if rule.room_ready_period.nanos:
        yield "late_checkout_rule.room_ready_period", "must be whole seconds"


def _charge(field: str, charge: Charge, currency_code: str) -> Problems:
    if charge.WhichOneof("measure") != "amount":
        return
    try:
        amount = money.from_proto(charge.amount)
    except (InvalidArgument, ValueError):
        yield f"{field}.amount", "is no amount of money"
        return
    if amount.currency != currency_code or amount.amount < 0:
        yield f"{field}.amount", "must be in the hotel's currency, and not negative"


def _hours_long(field: str, period: Duration) -> Problems:
    if period.seconds % HOUR or period.nanos:
        yield field, "must be whole hours"


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
