"""Between the messages about hotels and the domain."""

from __future__ import annotations

from conserje.tenant.v1.tenant_pb2 import Tenant, WhatsAppNumber
from conserje.tenant.v1.tenant_pb2 import TenantState as TenantStateMessage
from conserje.tenant.v1.tenant_service_pb2 import UpdateTenantRequest

from meshkit.errors import InvalidArgument, Violation
from meshkit.validation import validate
from services.tenant.hotels.domain import Draft, Hotel, HotelNumber

CHANGEABLE = frozenset(
    ("display_name", "time_zone", "default_language_code", "language_codes", "currency_code")
)


def to_draft(tenant: Tenant) -> Draft:
    """What an operator has decided; what is output only is not read."""
    return Draft(
        tenant_id=tenant.tenant_id,
        display_name=tenant.display_name,
        time_zone=tenant.time_zone,
        default_language_code=tenant.default_language_code,
        language_codes=tuple(tenant.language_codes),
        currency_code=tenant.currency_code,
        numbers=tuple(map(to_number, tenant.numbers)),
    )


def to_number(number: WhatsAppNumber) -> HotelNumber:
    """A number as an operator gives it."""
    return HotelNumber(
        phone_number_id=number.phone_number_id,
        whatsapp_business_account_id=number.whatsapp_business_account_id,
        display_phone_number=number.display_phone_number,
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
    numbers = [
        WhatsAppNumber(
            phone_number_id=number.phone_number_id,
            whatsapp_business_account_id=number.whatsapp_business_account_id,
            display_phone_number=number.display_phone_number,
        )
        for number in draft.numbers
    ]
    return Tenant(
        tenant_id=draft.tenant_id,
        display_name=draft.display_name,
        time_zone=draft.time_zone,
        default_language_code=draft.default_language_code,
        language_codes=draft.language_codes,
        currency_code=draft.currency_code,
        numbers=numbers,
    )


def merged(request: UpdateTenantRequest, before: Draft) -> Draft:
    """What the request makes of `before`.

    Raises `InvalidArgument` for a mask that names what cannot be changed, and
    for values out of the bounds of `Tenant`.
    """
    paths = set(request.update_mask.paths)
    if not paths or not paths <= CHANGEABLE:
        raise InvalidArgument.field(
            "update_mask", f"must name one or more of {', '.join(sorted(CHANGEABLE))}"
        )
    tenant = from_draft(before)
    for path in paths:
        tenant.ClearField(path)  # type: ignore[arg-type]  # one of CHANGEABLE
    tenant.MergeFrom(_only(request.tenant, paths))
    _validate(tenant)
    return to_draft(tenant)


def _only(tenant: Tenant, paths: set[str]) -> Tenant:
    """A copy with the fields that are named and nothing else."""
    copy = Tenant.FromString(tenant.SerializeToString())
    for field in Tenant.DESCRIPTOR.fields:
        if field.name not in paths:
            copy.ClearField(field.name)  # type: ignore[arg-type]  # a field of it
    return copy


def _validate(tenant: Tenant) -> None:
    """As `validate`, with the fields named as they are in the request."""
    try:
        validate(tenant)
    except InvalidArgument as error:
        violations = [Violation(f"tenant.{one.field}", one.description) for one in error.violations]
        raise InvalidArgument(
            error.reason, f"tenant.{error.message}", violations=tuple(violations)
        ) from None
