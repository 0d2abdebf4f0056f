"""Whose mailbox is this, and may its hotel answer?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from conserje.tenant.v1.tenant_pb2 import TENANT_STATE_ACTIVE, TENANT_STATE_DELETED

from copies.directory import Directory, Record
from meshkit.clock import Clock
from meshkit.errors import Unavailable
from services.messaging.conversation.hotel import Hotel


class Standing(Enum):
    """What a number stands for."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DELETED = "TENANT_DELETED"
    UNKNOWN = "NUMBER_UNKNOWN"
    MISMATCH = "WABA_MISMATCH"


@dataclass(frozen=True, slots=True)
class Owner:
    """A hotel that owns a number, or none."""

    standing: Standing
    record: Record | None = None

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
    if record is not None and account_id in ("", record.whatsapp_business_account_id):
        return Owner(_standing(record), record)
    if directory.stale:
        raise Unavailable("DIRECTORY_STALE", "The number may have become a hotel's.")
    return Owner(Standing.UNKNOWN if record is None else Standing.MISMATCH)


def _standing(record: Record) -> Standing:
    if record.state == TENANT_STATE_ACTIVE:
        return Standing.ACTIVE
    return Standing.DELETED if record.state == TENANT_STATE_DELETED else Standing.SUSPENDED
