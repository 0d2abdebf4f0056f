"""The directory of hotels as it was at one moment, and what may be asked of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import TypeVar

from meshkit.clock import Clock
from meshkit.errors import FailedPrecondition, NotFound, Unavailable
from services.tenant.identifiers.domain import Identifier

DOMAIN = "tenant.conserje"
"""Under which the reasons of this service's errors are told."""
RETRY_AFTER_SECONDS = 1.0

T = TypeVar("T")


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
    throughput_tier: str = ""
    """The contract's name, shared like the next one; "": as the installation says."""
    graph_version: str = ""

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


@dataclass(frozen=True, slots=True)
class Holdings:
    """What hotels are found by, in tables."""

    numbers: dict[str, Number]
    """By `phone_number_id`."""
    identifiers: dict[str, Number]
    """By `Identifier.key`, just so; one for all that a hotel has."""
    past: dict[str, tuple[Number, ...]]
    """Whose numbers were before, by `phone_number_id`, the first owner first."""

    def memory(self) -> int:
        """Bytes that all this takes, the tables aside."""
        hotels = {id(hotel): hotel for hotel in self.identifiers.values()}.values()
        past = chain.from_iterable(self.past.values())
        own = sum(map(sys.getsizeof, chain(self.identifiers, self.past.values())))
        return own + sum(one.memory() for one in chain(self.numbers.values(), hotels, past))

    def tables(self) -> int:
        """Bytes of the tables alone."""
        return sum(map(sys.getsizeof, (self.numbers, self.identifiers, self.past)))

    def replace(self, before: Holdings, now: Holdings) -> None:
        """Have `now` in the place of `before`."""
        _replace(self.numbers, before.numbers, now.numbers)
        _replace(self.identifiers, before.identifiers, now.identifiers)
        _replace(self.past, before.past, now.past)


@dataclass(frozen=True, slots=True)
class Difference:
    """What has changed in the database since a version."""

    version: int
    """The directory's now."""
    read_time: datetime
    active_tenant_count: int
    tenant_ids: set[str]
    """The hotels that have changed, or what they are found by."""
    held: Holdings
    """All that these are found by now, and were before."""


@dataclass(frozen=True)
class Snapshot:
    """One consistent reading of the database."""

    version: int
    """The directory's; it grows with every change."""
    read_time: datetime
    active_tenant_count: int
    held: Holdings
    """The next snapshot may take these tables over, and change them."""
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
        held = Holdings(by_id, by_key, dict(past))
        memory = held.tables() + held.memory()
        return cls(version, read_time, active_tenant_count, held, memory)

    @property
    def numbers(self) -> dict[str, Number]:
        """By `phone_number_id`."""
        return self.held.numbers

    @property
    def identifiers(self) -> dict[str, Number]:
        """By `Identifier.key`."""
        return self.held.identifiers

    @property
    def size(self) -> int:
        """How many answers it has at most."""
        return len(self.numbers) + len(self.identifiers) + len(self.past)

    @property
    def past(self) -> dict[str, tuple[Number, ...]]:
        """Whose numbers were before."""
        return self.held.past

    def after(self, difference: Difference, before: Holdings) -> Snapshot:
        """The next one, made of this one: nothing may be asked of this one afterwards.

        `before` is what the hotels that have changed are found by here, and whose all numbers
        were that have been or are in their past. Nothing else is touched, and nobody sees half
        of it.
        """
        found, others = difference.held, difference.tenant_ids
        past = {key: found.past.get(key, ()) for key in before.past.keys() | found.past.keys()}
        for key, owners in before.past.items():
            kept = [one for one in owners if one.tenant_id not in others]
            past[key] = tuple(sorted((*kept, *past[key]), key=until))
        now = Holdings(found.numbers, found.identifiers, {k: v for k, v in past.items() if v})
        memory = self.memory - self.held.tables() - before.memory() + now.memory()
        self.held.replace(before, now)
        return Snapshot(
            difference.version,
            difference.read_time,
            difference.active_tenant_count,
            self.held,
            memory + self.held.tables(),
        )

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

        What came at `arrive_time` is his who had the number then or, if nobody had it under this
        account, got it next under it. A shared number is the hotel's whose `guest` it is, if that
        is known. Raises `NotFound` NUMBER_UNKNOWN and `FailedPrecondition` WABA_MISMATCH.
        """
        if guest is None and arrive_time is None:
            # Nearly all that is asked, and most often.
            number = self.held.numbers.get(phone_number_id)
            if number is not None and whatsapp_business_account_id in (
                "",
                number.whatsapp_business_account_id,
            ):
                return number
        owners = self._owners(phone_number_id, arrive_time)
        if not owners:
            raise NotFound("NUMBER_UNKNOWN", "No hotel owns this number.")
        for number in owners:
            if whatsapp_business_account_id in ("", number.whatsapp_business_account_id):
                break
        else:
            raise FailedPrecondition(
                "WABA_MISMATCH", "The number belongs to another business account."
            )
        if guest is not None and number.shared:
            return self.identifiers.get(guest.key, number)
        return number

    def _owners(self, phone_number_id: str, arrive_time: datetime | None) -> list[Number]:
        """Who has had it from then on, the first one first."""
        owners: list[Number] = []
        if arrive_time is not None:
            past = self.past.get(phone_number_id, ())
            owners += (number for number in past if arrive_time < until(number))
        if (number := self.numbers.get(phone_number_id)) is not None:
            owners.append(number)
        return owners


def _replace(table: dict[str, T], before: dict[str, T], now: dict[str, T]) -> None:
    for key in before.keys() - now.keys():
        del table[key]
    table.update(now)


def until(past: Number) -> datetime:
    """When a number of before became somebody else's."""
    assert past.until_time is not None, "it is over"
    return past.until_time


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

    def staleness(self, after_seconds: float) -> str | None:
        """How old the answers are, if the database was not heard for so long; else None."""
        if self.age() <= after_seconds:
            return None
        return f"The directory is of {self.age():.0f} s ago: the database is not heard."

    def problem(self) -> str | None:
        """Why nothing can be answered; None when something can."""
        return "The directory of hotels was not read yet." if self._snapshot is None else None
