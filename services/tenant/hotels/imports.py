"""What an import does to each hotel, decided before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from meshkit.errors import FailedPrecondition, InvalidArgument, MeshError
from services.tenant.hotels.domain import Draft, Hotel, HotelNumber
from services.tenant.identifiers.domain import Identifier


@dataclass(frozen=True, slots=True)
class Wanted:
    """A hotel as a file has it; `etag` as for a change."""

    draft: Draft
    etag: str


class Action(StrEnum):
    """What an import does to a hotel."""

    CREATED = "CREATED"
    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be written for one hotel."""

    draft: Draft
    action: Action
    fields_change: bool
    """Whether the hotel itself is written, and not only what it is found by."""
    numbers: tuple[HotelNumber, ...]
    identifiers: tuple[Identifier, ...]


def planned(wanted: Sequence[Wanted], there: Mapping[str, Hotel]) -> list[Plan]:
    """The plan of each hotel; raises what `ImportTenants` says, with the hotel in `tenant_id`."""
    plans = []
    for one in wanted:
        try:
            plans.append(_planned(one, there.get(one.draft.tenant_id)))
        except MeshError as error:
            raise type(error)(error.reason, error.message, tenant_id=one.draft.tenant_id) from None
    return plans


def check_once(wanted: Sequence[Wanted]) -> None:
    """Raise `InvalidArgument` for a hotel, number or identifier that is in the import twice."""
    seen: dict[object, int] = {}
    for index, one in enumerate(wanted):
        draft, within = one.draft, f"items[{index}].tenant"
        keys: list[tuple[str, object]] = [("tenant_id", draft.tenant_id)]
        keys += [("numbers", ("number", number.phone_number_id)) for number in draft.numbers]
        keys += [("identifiers", identifier) for identifier in draft.identifiers]
        for field, key in keys:
            first = seen.setdefault(key, index)
            if first != index:
                raise InvalidArgument.field(
                    f"{within}.{field}", f"is in items[{first}] too", tenant_id=draft.tenant_id
                )


def _planned(wanted: Wanted, hotel: Hotel | None) -> Plan:
    draft = wanted.draft
    if hotel is None:
        return Plan(draft, Action.CREATED, True, draft.numbers, draft.identifiers)
    before = hotel.draft
    numbers = tuple(number for number in draft.numbers if number not in before.numbers)
    identifiers = tuple(one for one in draft.identifiers if one not in before.identifiers)
    fields_change = _decided(draft) != _decided(before)
    if not (numbers or identifiers or fields_change) and _keeps(draft, before):
        return Plan(draft, Action.UNCHANGED, False, (), ())
    hotel.need(wanted.etag)
    if not _keeps(draft, before):
        raise FailedPrecondition(
            "WOULD_TAKE_AWAY", "It has a number or an identifier that the file does not have."
        )
    return Plan(draft, Action.CHANGED, fields_change, numbers, identifiers)


def _decided(draft: Draft) -> Draft:
    return replace(draft, numbers=(), identifiers=())


def _keeps(draft: Draft, before: Draft) -> bool:
    return set(before.numbers) <= set(draft.numbers) and set(before.identifiers) <= set(
        draft.identifiers
    )
