"""What a caller asks of the directory, and the number that is the answer."""

from __future__ import annotations

from datetime import UTC, datetime

from conserje.tenant.v1.tenant_service_pb2 import ResolveTenantRequest

from meshkit.errors import InvalidArgument
from services.tenant.domain import Number, Snapshot
from services.tenant.identifiers.domain import Identifier, Kind


def answer(snapshot: Snapshot, asked: ResolveTenantRequest) -> Number:
    """The owner of the one identifier that is asked for.

    Raises as `Snapshot.resolve` and `Snapshot.find`, and `InvalidArgument` for what is not one
    identifier, or one that cannot be.
    """
    number, account = asked.phone_number_id, asked.whatsapp_business_account_id
    phone, email = asked.whatsapp_phone, asked.email
    if number and not phone and not email:
        guest = _guest(asked) if asked.guest_phone else None
        return snapshot.resolve(number, account, guest, _arrived(asked))
    others = [one for one in (phone, email) if one]
    if number or len(others) > 1 or (others and (account or asked.guest_phone)):
        raise InvalidArgument.field(
            "phone_number_id" if number else "whatsapp_phone",
            "is asked for with others",
        )
    return snapshot.find(_other(asked))


def is_guest(asked: ResolveTenantRequest, found: Number) -> bool:
    """Whether it was found by the guest who wrote, not by what was written to."""
    return not found.phone_number_id and bool(asked.guest_phone)


def _other(asked: ResolveTenantRequest) -> Identifier:
    if asked.whatsapp_phone:
        return Identifier.of(Kind.WHATSAPP_PHONE, asked.whatsapp_phone, "whatsapp_phone")
    if asked.email:
        return Identifier.of(Kind.EMAIL, asked.email, "email")
    account = asked.whatsapp_business_account_id
    if asked.guest_phone and not account:
        return _guest(asked)
    if account and not asked.guest_phone:
        return Identifier.of(
            Kind.WHATSAPP_BUSINESS_ACCOUNT, account, "whatsapp_business_account_id"
        )
    raise InvalidArgument.field("phone_number_id", "or one other identifier is required")


def _arrived(asked: ResolveTenantRequest) -> datetime | None:
    if not asked.HasField("arrive_time"):
        return None
    try:
        return asked.arrive_time.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument.field("arrive_time", "is no time") from None


def _guest(asked: ResolveTenantRequest) -> Identifier:
    return Identifier.of(Kind.GUEST_PHONE, asked.guest_phone, "guest_phone")
