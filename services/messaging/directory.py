"""Whose mailbox is this, and may its hotel answer?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_ACTIVE, TENANT_STATE_DELETED
from conserje.tenant.v1.tenant_service_pb2 import ResolveTenantRequest

from copies.directory import Directory, Record, record_of
from meshkit.clock import Clock
from meshkit.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from meshkit.phones import phone_key
from services.messaging.conversation.hotel import Hotel

if TYPE_CHECKING:
    from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub


class Standing(Enum):
    """What a number stands for."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DELETED = "TENANT_DELETED"
    UNKNOWN = "NUMBER_UNKNOWN"
    MISMATCH = "WABA_MISMATCH"


@dataclass(frozen=True, slots=True)
class Owner:
    """A hotel that owns a number, or none, and for which items this is so."""

    standing: Standing
    record: Record | None = None
    since_time: datetime | None = None
    until_time: datetime | None = None

    def was_at(self, arrive_time: datetime) -> bool:
        """Whether what came then is his as well."""
        return (self.since_time is None or self.since_time <= arrive_time) and (
            self.until_time is None or arrive_time < self.until_time
        )

    @property
    def tenant_id(self) -> str:
        """The hotel; empty when there is none."""
        return "" if self.record is None else self.record.tenant_id

    def hotel(self, clock: Clock) -> Hotel:
        """The hotel, which there must be, as conversations know it at this moment."""
        record = self.record
        assert record is not None, f"nobody answers for {self.standing}"
        return Hotel(
            tenant_id=record.tenant_id,
            display_name=record.display_name,
            time_zone=record.time_zone,
            default_language=record.default_language_code,
            languages=record.language_codes,
            currency=record.currency_code,
            now=clock.now(),
            version=record.version,
            suspended=self.standing is Standing.SUSPENDED,
        )


def owner_of(directory: Directory, phone_number_id: str, account_id: str) -> Owner:
    """Who owns the number; an empty `account_id` is not compared.

    Raises `Unavailable` DIRECTORY_STALE for a number that is no hotel's in a copy that changes
    do not reach: it may be one's by now, and its messages wait rather than be set aside.
    """
    record = directory.find(phone_number_id)
    since = None if record is None else record.since_time
    if record is not None and account_id in ("", record.whatsapp_business_account_id):
        return Owner(_standing(record), record, since)
    if directory.stale:
        raise Unavailable("DIRECTORY_STALE", "The number may have become a hotel's.")
    return Owner(Standing.UNKNOWN if record is None else Standing.MISMATCH, None, since)


def hotel_at_once(directory: Directory, phone_number_id: str, account_id: str) -> str | None:
    """The hotel of what comes now, as far as that is known without asking anybody."""
    record = directory.find(phone_number_id)
    if record is None or record.shared:
        return None
    return record.tenant_id if account_id == record.whatsapp_business_account_id else None


@dataclass(frozen=True, slots=True)
class Holder:
    """The hotel that has a number now, and the version of the Graph API it is used with.

    An empty version is that of all numbers that have none of their own.
    """

    tenant_id: str
    graph_version: str = ""


def holder_of(directory: Directory, phone_number_id: str, tenant_id: str) -> Holder:
    """Whose token Meta takes for a number by which a hotel was written to.

    It takes no other's, and that is not `tenant_id`'s where the number has moved since, or is
    shared.
    """
    record = directory.find(phone_number_id)
    return Holder(tenant_id) if record is None else Holder(record.tenant_id, record.graph_version)


def owned(directory: Directory, tenant_id: str, phone_number_id: str) -> Record:
    """The record of a hotel's number; raises `NotFound` NUMBER_UNKNOWN when it is not the hotel's.

    Raises `Unavailable` DIRECTORY_STALE when it may have become the hotel's.
    """
    record = owner_of(directory, phone_number_id, "").record
    if record is None or record.tenant_id != tenant_id:
        raise NotFound(
            "NUMBER_UNKNOWN", "The number is not the hotel's.", phone_number_id=phone_number_id
        )
    return record


def sending(directory: Directory, tenant_id: str, phone_number_id: str) -> Record:
    """The record of a hotel's number that a person has something sent by.

    Raises as `owned` does, and `FailedPrecondition` TENANT_DELETED.
    """
    record = owned(directory, tenant_id, phone_number_id)
    if _standing(record) is Standing.DELETED:
        raise FailedPrecondition("TENANT_DELETED", "The hotel has left: nothing is sent for it.")
    return record


class Owners:
    """Says whose an item is, by the number it was sent to and the time it came.

    That is in the copy, but for numbers that were another hotel's when it came, or that several
    hotels share: then the tenant service is asked.
    """

    def __init__(self, directory: Directory, stub: TenantServiceAsyncStub) -> None:
        self._directory = directory
        self._stub = stub

    async def owner(
        self, phone_number_id: str, account_id: str, arrive_time: datetime, whatsapp_id: bytes
    ) -> Owner:
        """Who owns what a guest has sent; raises when the tenant service must be asked in vain."""
        record = self._directory.find(phone_number_id)
        guest = phone_key(whatsapp_id.decode()) if record is not None and record.shared else None
        is_his = record is not None and (
            record.since_time is None or record.since_time <= arrive_time
        )
        if is_his and guest is None:
            return owner_of(self._directory, phone_number_id, account_id)
        request = ResolveTenantRequest(
            phone_number_id=phone_number_id,
            whatsapp_business_account_id=account_id,
            guest_phone=guest or "",
        )
        request.arrive_time.FromDatetime(arrive_time)
        return await self._ask(request, arrive_time)

    async def _ask(self, request: ResolveTenantRequest, arrive_time: datetime) -> Owner:
        try:
            response = await self._stub.ResolveTenant(request)
        except (NotFound, InvalidArgument):
            # Nobody had it then, nor has had it since.
            return Owner(Standing.UNKNOWN, None, arrive_time)
        except FailedPrecondition:
            # Of another time nothing is known by this.
            return Owner(Standing.MISMATCH, None, arrive_time, arrive_time + timedelta.resolution)
        record = record_of(response.routing_record)
        over = response.until_time.ToDatetime(UTC) if response.HasField("until_time") else None
        since = record.since_time
        if not record.phone_number_id and (shared := self._directory.find(request.phone_number_id)):
            since = shared.since_time
        return Owner(_standing(record), record, since, over)


def _standing(record: Record) -> Standing:
    if record.state == TENANT_STATE_ACTIVE:
        return Standing.ACTIVE
    return Standing.DELETED if record.state == TENANT_STATE_DELETED else Standing.SUSPENDED
