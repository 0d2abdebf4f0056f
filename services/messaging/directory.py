"""Whose number is this? The tenant service's answers, kept for a moment."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_ACTIVE, TENANT_STATE_DELETED, RoutingRecord
from conserje.tenant.v1.tenant_service_pb2 import ResolveTenantRequest

from meshkit.clock import Clock
from meshkit.errors import FailedPrecondition, InvalidArgument, NotFound
from services.messaging.conversation.hotel import Hotel

if TYPE_CHECKING:
    from conserje.tenant.v1.tenant_service_pb2_grpc import TenantServiceAsyncStub

# Thousands of hotels with a few numbers each; beyond, the oldest answers go.
MOST_KEPT = 8192


class Standing(Enum):
    """What a number stands for."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DELETED = "TENANT_DELETED"
    UNKNOWN = "NUMBER_UNKNOWN"
    MISMATCH = "WABA_MISMATCH"


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a number; `record` is empty when there is none."""

    standing: Standing
    record: RoutingRecord

    def hotel(self, clock: Clock) -> Hotel:
        """The hotel as conversations know it, at this moment."""
        record = self.record
        return Hotel(
            tenant_id=record.tenant_id,
            display_name=record.display_name,
            time_zone=record.time_zone,
            default_language=record.default_language_code,
            languages=tuple(record.language_codes),
            currency=record.currency_code,
            now=clock.now(),
        )


class Directory:
    """Asks the tenant service, and remembers the answer for `keep_seconds`.

    When the service is away, `Unavailable` is raised once the answer is older:
    messages wait rather than be answered for a hotel that may be gone.
    """

    def __init__(self, stub: TenantServiceAsyncStub, clock: Clock, keep_seconds: float) -> None:
        self._stub = stub
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._kept: OrderedDict[tuple[str, str], tuple[float, Owner]] = OrderedDict()

    async def owner(self, phone_number_id: str, account_id: str) -> Owner:
        """Who owns the number; an empty `account_id` is not compared."""
        key = (phone_number_id, account_id)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock.monotonic():
            return kept[1]
        owner = await self._ask(phone_number_id, account_id)
        self._keep(key, owner)
        return owner

    def _keep(self, key: tuple[str, str], owner: Owner) -> None:
        self._kept[key] = (self._clock.monotonic() + self._keep_seconds, owner)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    async def _ask(self, phone_number_id: str, account_id: str) -> Owner:
        request = ResolveTenantRequest(
            phone_number_id=phone_number_id, whatsapp_business_account_id=account_id
        )
        try:
            record = (await self._stub.ResolveTenant(request)).routing_record
        except (NotFound, InvalidArgument):
            return Owner(Standing.UNKNOWN, RoutingRecord())
        except FailedPrecondition:
            return Owner(Standing.MISMATCH, RoutingRecord())
        return Owner(_standing(record), record)


def _standing(record: RoutingRecord) -> Standing:
    if record.state == TENANT_STATE_ACTIVE:
        return Standing.ACTIVE
    return Standing.DELETED if record.state == TENANT_STATE_DELETED else Standing.SUSPENDED
