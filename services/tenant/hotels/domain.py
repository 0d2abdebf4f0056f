"""What a hotel is to its operators, and what it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from meshkit.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from services.tenant.domain import TenantState
from services.tenant.identifiers.domain import Identifier

MOST_NUMBERS = 100
MOST_IDENTIFIERS = 100
MOST_GUESTS = 10_000

Settings = Mapping[str, Any]
"""JSON by the names of the contract's fields; `hotels.settings` knows what is in it."""


@dataclass(frozen=True, slots=True)
class HotelNumber:
    """A WhatsApp number of a hotel."""

    phone_number_id: str
    whatsapp_business_account_id: str
    display_phone_number: str
    shared: bool = False
    throughput_tier: str = ""
    """As the contract names it; "", like the next one, is as the installation says."""
    graph_version: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What operators decide about a hotel; its bounds are those of the contract."""

    tenant_id: str
    display_name: str
    time_zone: str
    default_language_code: str
    language_codes: tuple[str, ...]
    currency_code: str
    numbers: tuple[HotelNumber, ...]
    settings: Settings = field(default_factory=dict)
    identifiers: tuple[Identifier, ...] = ()
    """Without the guests, of whom there may be thousands."""

    def check(self, within: str = "tenant.") -> None:
        """Raise `InvalidArgument` for what the bounds of single fields do not say.

        Fields are named as they are under `within`.
        """
        if not _is_time_zone(self.time_zone):
            raise InvalidArgument.field(f"{within}time_zone", "is no zone of the IANA database")
        if self.default_language_code not in self.language_codes:
            raise InvalidArgument.field(
                f"{within}default_language_code", "must be one of language_codes"
            )
        if not self.display_name.isprintable():
            raise InvalidArgument.field(f"{within}display_name", "must be printable")
        ids = [number.phone_number_id for number in self.numbers]
        if len(set(ids)) < len(ids):
            raise InvalidArgument.field(f"{within}numbers", "must differ by phone_number_id")
        for index, number in enumerate(self.numbers):
            number_check(number, f"{within}numbers[{index}].")
        if len(set(self.identifiers)) < len(self.identifiers):
            raise InvalidArgument.field(f"{within}identifiers", "must differ")


@dataclass(frozen=True, slots=True)
class Hotel:
    """A hotel as it is stored."""

    draft: Draft
    state: TenantState
    version: int
    """The directory's at the last change of the hotel or of its numbers."""
    create_time: datetime
    update_time: datetime

    @property
    def etag(self) -> str:
        """Another one with every change."""
        return str(self.version)

    def number(self, phone_number_id: str) -> HotelNumber:
        """One of its numbers; raises `NotFound` NUMBER_UNKNOWN."""
        for number in self.draft.numbers:
            if number.phone_number_id == phone_number_id:
                return number
        raise number_unknown(phone_number_id)

    def has_number(self, phone_number_id: str, account_id: str) -> bool:
        """Whether it is found by a number; an empty `account_id` is not compared."""
        return any(
            number.phone_number_id == phone_number_id
            and account_id in ("", number.whatsapp_business_account_id)
            for number in self.draft.numbers
        )

    def need(self, etag: str) -> None:
        """Raise `Aborted` ETAG_MISMATCH unless `etag` is of this version, or empty."""
        if etag not in ("", self.etag):
            raise Aborted("ETAG_MISMATCH", "The hotel was changed since it was read.")

    def in_state(self, state: TenantState) -> Hotel:
        """The hotel in that state; raises `FailedPrecondition` TENANT_DELETED.

        One that has left is brought back by being switched on, by nothing else.
        """
        if self.state is TenantState.DELETED and state is TenantState.SUSPENDED:
            raise FailedPrecondition("TENANT_DELETED", "The hotel has left.")
        return replace(self, state=state)

    def with_draft(self, draft: Draft) -> Hotel:
        """The hotel as an operator has decided; numbers are another matter."""
        draft.check()
        return replace(self, draft=draft)


def unknown(tenant_id: str) -> NotFound:
    """What is told of the id of no hotel."""
    return NotFound("TENANT_UNKNOWN", "There is no such hotel.", tenant_id=tenant_id)


def number_unknown(phone_number_id: str) -> NotFound:
    """What is said of a number that is not the hotel's."""
    return NotFound(
        "NUMBER_UNKNOWN", "The hotel has no such number.", phone_number_id=phone_number_id
    )


def number_check(number: HotelNumber, within: str = "number.") -> None:
    """Raise `InvalidArgument` for a number that cannot be printed."""
    if not number.display_phone_number.isprintable():
        raise InvalidArgument.field(f"{within}display_phone_number", "must be printable")


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
