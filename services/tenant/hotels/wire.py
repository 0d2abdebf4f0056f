"""Between the messages about hotels and the domain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from conserje.tenant.v1.identifier_pb2 import Identifier as IdentifierMessage
from conserje.tenant.v1.identifier_pb2 import IdentifierKind
from conserje.tenant.v1.tenant_pb2 import (
    THROUGHPUT_TIER_UNSPECIFIED,
    Tenant,
    ThroughputTier,
    WhatsAppNumber,
)
from conserje.tenant.v1.tenant_pb2 import TenantState as TenantStateMessage
from conserje.tenant.v1.tenant_service_pb2 import (
    ImportTenantsRequest,
    UpdateNumberRequest,
    UpdateTenantRequest,
)
from google.protobuf.descriptor import Descriptor

from meshkit.errors import InvalidArgument, Violation
from meshkit.validation import validate
from services.tenant.hotels.domain import Draft, Hotel, HotelNumber, number_check
from services.tenant.hotels.imports import Wanted, check_once
from services.tenant.hotels.settings import FIELDS, add_settings, to_settings
from services.tenant.identifiers.domain import Identifier, Kind

PAGE_BYTES = 4 * 1024 * 1024
"""A page of hotels with long settings is shorter; a message may have 8 MiB."""
CHANGEABLE = frozenset(
    ("display_name", "time_zone", "default_language_code", "language_codes", "currency_code")
) | frozenset(FIELDS)
NUMBER_CHANGEABLE = frozenset(("display_phone_number", "throughput_tier", "graph_version"))
_TIER = "THROUGHPUT_TIER_"


def to_draft(tenant: Tenant, within: str = "tenant.") -> Draft:
    """What an operator has decided; what is output only is not read.

    Raises `InvalidArgument` for settings that make no sense, with the field under `within`.
    """
    return Draft(
        tenant_id=tenant.tenant_id,
        display_name=tenant.display_name,
        time_zone=tenant.time_zone,
        default_language_code=tenant.default_language_code,
        language_codes=tuple(tenant.language_codes),
        currency_code=tenant.currency_code,
        numbers=tuple(map(to_number, tenant.numbers)),
        settings=to_settings(tenant, within),
        identifiers=tuple(
            _to_identifier_of_hotel(one, f"{within}identifiers[{index}].")
            for index, one in enumerate(tenant.identifiers)
        ),
    )


def to_identifier(message: IdentifierMessage, within: str = "identifier.") -> Identifier:
    """What somebody wrote; raises `InvalidArgument` for a value that is none of its kind."""
    kind = Kind(IdentifierKind.Name(message.kind).removeprefix("IDENTIFIER_KIND_"))
    return Identifier.of(kind, message.value, f"{within}value")


def from_identifier(identifier: Identifier) -> IdentifierMessage:
    """It, in the form that it is stored in."""
    kind = IdentifierKind.Value(f"IDENTIFIER_KIND_{identifier.kind}")
    return IdentifierMessage(kind=kind, value=identifier.value)


def _to_identifier_of_hotel(message: IdentifierMessage, within: str) -> Identifier:
    identifier = to_identifier(message, within)
    if identifier.kind is Kind.GUEST_PHONE:
        raise InvalidArgument.field(f"{within}kind", "guests are added by AddIdentifier")
    return identifier


def to_number(number: WhatsAppNumber) -> HotelNumber:
    """A number as an operator gives it."""
    return HotelNumber(
        phone_number_id=number.phone_number_id,
        whatsapp_business_account_id=number.whatsapp_business_account_id,
        display_phone_number=number.display_phone_number,
        shared=number.shared,
        throughput_tier=""
        if number.throughput_tier == THROUGHPUT_TIER_UNSPECIFIED
        else ThroughputTier.Name(number.throughput_tier).removeprefix(_TIER),
        graph_version=number.graph_version,
    )


def from_number(number: HotelNumber) -> WhatsAppNumber:
    """A number as its operators read it."""
    return WhatsAppNumber(
        phone_number_id=number.phone_number_id,
        whatsapp_business_account_id=number.whatsapp_business_account_id,
        display_phone_number=number.display_phone_number,
        shared=number.shared,
        throughput_tier=ThroughputTier.Value(f"{_TIER}{number.throughput_tier or 'UNSPECIFIED'}"),
        graph_version=number.graph_version,
    )


def from_hotel(hotel: Hotel) -> Tenant:
    """A hotel as its operators read it."""
    tenant = from_draft(hotel.draft)
    tenant.state = TenantStateMessage.Value(f"TENANT_STATE_{hotel.state}")
    tenant.etag = hotel.etag
    tenant.create_time.FromDatetime(hotel.create_time)
    tenant.update_time.FromDatetime(hotel.update_time)
    return tenant


def from_draft(draft: Draft) -> Tenant:
    """What operators decide."""
    tenant = Tenant(
        tenant_id=draft.tenant_id,
        display_name=draft.display_name,
        time_zone=draft.time_zone,
        default_language_code=draft.default_language_code,
        language_codes=draft.language_codes,
        currency_code=draft.currency_code,
        numbers=map(from_number, draft.numbers),
        identifiers=map(from_identifier, draft.identifiers),
    )
    add_settings(tenant, draft.settings)
    return tenant


def merged(request: UpdateTenantRequest, before: Draft) -> Draft:
    """What the request makes of `before`.

    Raises `InvalidArgument` for a mask that names what cannot be changed, and
    for values out of the bounds of `Tenant`.
    """
    paths = [path.split(".") for path in request.update_mask.paths]
    if not paths or any(path[0] not in CHANGEABLE for path in paths):
        raise InvalidArgument.field(
            "update_mask", f"must name one or more of {', '.join(sorted(CHANGEABLE))}"
        )
    tenant = from_draft(before)
    for path in paths:
        if not _reaches(path, Tenant.DESCRIPTOR):
            raise InvalidArgument.field("update_mask", f"{'.'.join(path)} names no field")
        _take(path, request.tenant, tenant)
    check_bounds(tenant)
    return to_draft(tenant)


def merged_number(request: UpdateNumberRequest, before: HotelNumber) -> HotelNumber:
    """What the request makes of `before`; raises as `merged` does."""
    paths = request.update_mask.paths
    if not paths or not NUMBER_CHANGEABLE.issuperset(paths):
        raise InvalidArgument.field(
            "update_mask", f"must name one or more of {', '.join(sorted(NUMBER_CHANGEABLE))}"
        )
    number = from_number(before)
    for path in paths:
        _take([path], request.number, number)
    check_bounds(number, "number.")
    after = to_number(number)
    number_check(after)
    return after


def _reaches(path: Sequence[str], descriptor: Descriptor) -> bool:
    """Whether there is such a field; what is in a list cannot be named."""
    field = descriptor.fields_by_name.get(path[0])
    if field is None or len(path) == 1:
        return field is not None
    inside = field.message_type
    return inside is not None and not field.is_repeated and _reaches(path[1:], inside)


def _take(path: Sequence[str], source: Any, into: Any) -> None:
    """Have one field of `into` be as in `source`, unset when it is unset there."""
    name, rest = path[0], path[1:]
    if rest:
        if source.HasField(name) or into.HasField(name):
            _take(rest, getattr(source, name), getattr(into, name))
        return
    only = type(source)()
    only.CopyFrom(source)
    for field, _ in source.ListFields():
        if field.name != name:
            only.ClearField(field.name)
    into.ClearField(name)
    into.MergeFrom(only)


def check_bounds(message: Tenant | WhatsAppNumber, within: str = "tenant.") -> None:
    """As `validate`, with the fields named as they are in the request."""
    try:
        validate(message)
    except InvalidArgument as error:
        violations = [
            Violation(f"{within}{one.field}", one.description) for one in error.violations
        ]
        raise InvalidArgument(
            error.reason, f"{within}{error.message}", violations=tuple(violations)
        ) from None


async def to_wanted(request: ImportTenantsRequest) -> list[Wanted]:
    """The hotels of an import, checked one after the other so that the loop goes on turning.

    Raises `InvalidArgument` with the field under `items[n].tenant.`, and the hotel.
    """
    wanted = []
    for index, item in enumerate(request.items):
        try:
            draft = _checked(item.tenant, f"items[{index}].tenant.")
        except InvalidArgument as error:
            # What is no id may be anything, and is not repeated.
            if not any(one.field.endswith(".tenant.tenant_id") for one in error.violations):
                error.metadata["tenant_id"] = item.tenant.tenant_id
            raise
        wanted.append(Wanted(draft, item.etag))
        await asyncio.sleep(0)
    check_once(wanted)
    return wanted


def _checked(tenant: Tenant, within: str) -> Draft:
    check_bounds(tenant, within)
    draft = to_draft(tenant, within)
    draft.check(within)
    return draft


def page(hotels: Sequence[Hotel], size: int) -> list[Tenant]:
    """The first of `hotels`: `size` at most, and no more than a message may carry."""
    tenants: list[Tenant] = []
    left = PAGE_BYTES
    for hotel in hotels[:size]:
        tenant = from_hotel(hotel)
        left -= tenant.ByteSize()
        if tenants and left < 0:
            break
        tenants.append(tenant)
    return tenants
