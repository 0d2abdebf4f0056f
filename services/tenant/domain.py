"""The directory of hotels as it was at one moment, and what may be asked of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from meshkit.clock import Clock
from meshkit.errors import FailedPrecondition, NotFound, Unavailable
from services.tenant.identifiers.domain import Identifier

DOMAIN = "tenant.conserje"
"""Under which the reasons of this service's errors are told."""
RETRY_AFTER_SECONDS = 1.0


class TenantState(StrEnum):
    """What a hotel may do at the moment."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Number:
    """A WhatsApp number and what must be known of the hotel behind it.

    The ids of number and account are "" where a hotel was found otherwise.
    """

    phone_number_id: str
    whatsapp_business_account_id: str
    tenant_id: str
    state: TenantState
    display_name: str
    time_zone: str
    default_language_code: str
    language_codes: tuple[str, ...]
    currency_code: str
    version: int
    shared: bool = False
    """Some who write to it are guests of other hotels."""
    since_time: datetime | None = None
    """What came before it is somebody else's; None: nobody else had it."""
    until_time: datetime | None = None
    """What comes from then on is somebody else's; None: it is the hotel's now."""

    def memory(self) -> int:
        """Bytes that this number takes, with all that is its own."""
        own = (
            self,
            self.phone_number_id,
            self.whatsapp_business_account_id,
            self.tenant_id,
            self.display_name,
            self.time_zone,
            self.default_language_code,
            self.language_codes,
            *self.language_codes,
            self.currency_code,
            self.version,
            *filter(None, (self.since_time, self.until_time)),
        )
        return sum(map(sys.getsizeof, own))


@dataclass(frozen=True)
class Snapshot:
    """One consistent reading of the database."""

    version: int
    """The directory's; it grows with every change."""
    read_time: datetime
    active_tenant_count: int
    numbers: dict[str, Number]
    """By `phone_number_id`; not changed before another snapshot has taken its place."""
    identifiers: dict[str, Number]
    """By `Identifier.key`, just so; one for all that a hotel has."""
    past: dict[str, tuple[Number, ...]]
    """Whose numbers were before, by `phone_number_id`, the first owner first."""
    memory: int
    """Bytes that all this takes, and the tables that find it."""

    @classmethod
    def of(
        cls,
        version: int,
        read_time: datetime,
        active_tenant_count: int,
        numbers: Iterable[Number],
        identifiers: Iterable[tuple[Identifier, Number]] = (),
        past: Mapping[str, tuple[Number, ...]] = MappingProxyType({}),
    ) -> Snapshot:
        """A snapshot of these numbers and other identifiers."""
        by_id = {number.phone_number_id: number for number in numbers}
        by_key = {identifier.key: number for identifier, number in identifiers}
        hotels = {id(number): number for number in by_key.values()}.values()
        memory = sum(map(sys.getsizeof, (by_id, by_key, *by_key)))
        memory += sum(number.memory() for number in (*by_id.values(), *hotels))
        return cls(version, read_time, active_tenant_count, by_id, by_key, dict(past), memory)

    def find(self, identifier: Identifier) -> Number:
        """Find the owner of an identifier, whatever his state.

        Raises `NotFound` IDENTIFIER_UNKNOWN.
        """
        number = self.identifiers.get(identifier.key)
        if number is None:
            raise NotFound("IDENTIFIER_UNKNOWN", "No hotel owns this identifier.")
        return number

    def resolve(
        self,
        phone_number_id: str,
        whatsapp_business_account_id: str,
        guest: Identifier | None = None,
        arrive_time: datetime | None = None,
    ) -> Number:
        """Find the owner of a number, whatever his state; "" as the account compares nothing.

        What came at `arrive_time` is his who had the number then or, if nobody had, got it next.
        A shared number is the hotel's whose `guest` it is, if that is known. Raises `NotFound`
        NUMBER_UNKNOWN and `FailedPrecondition` WABA_MISMATCH.
        """
        number = self._owner(phone_number_id, arrive_time)
        if number is None:
            raise NotFound("NUMBER_UNKNOWN", "No hotel owns this number.")
        if whatsapp_business_account_id not in ("", number.whatsapp_business_account_id):
            raise FailedPrecondition(
                "WABA_MISMATCH", "The number belongs to another business account."
            )
        if guest is not None and number.shared:
            return self.identifiers.get(guest.key, number)
        return number

    def _owner(self, phone_number_id: str, arrive_time: datetime | None) -> Number | None:
        if arrive_time is not None:
            for number in self.past.get(phone_number_id, ()):
                if number.until_time is not None and arrive_time < number.until_time:
                    return number
        return self.numbers.get(phone_number_id)


class Directory:
    """The newest snapshot. It is replaced as a whole, so no answer mixes two of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._confirmed = 0.0

    @property
    def snapshot(self) -> Snapshot:
        """What to answer from; raises `Unavailable` DIRECTORY_NOT_LOADED before the first."""
        if self._snapshot is None:
            raise Unavailable(
                "DIRECTORY_NOT_LOADED",
                "The directory of hotels was not read yet.",
                retry_after=RETRY_AFTER_SECONDS,
            )
        return self._snapshot

    @property
    def current(self) -> Snapshot | None:
        """The newest snapshot; None before the first."""
        return self._snapshot

    @property
    def version(self) -> int | None:
        """The version in memory; None before the first."""
        return None if self._snapshot is None else self._snapshot.version

    def replace(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on."""
        self._snapshot = snapshot
        self.confirm()

    def confirm(self) -> None:
        """Note that the database has nothing newer."""
        self._confirmed = self._clock.monotonic()

    def age(self) -> float:
        """Seconds since the snapshot was known to be the newest; 0 before the first."""
        return 0.0 if self._snapshot is None else self._clock.monotonic() - self._confirmed

    def problem(self) -> str | None:
        """Why nothing can be answered; None when something can."""
        return "The directory of hotels was not read yet." if self._snapshot is None else None
