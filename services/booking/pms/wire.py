"""Connections: protobuf in, domain out, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from conserje.booking.v1.pms_pb2 import PmsCapabilities, PmsDifferenceKind, PmsKind
from conserje.booking.v1.pms_pb2 import PmsConnection as ConnectionMessage
from conserje.booking.v1.pms_pb2 import PmsDifference as DifferenceMessage
from conserje.booking.v1.pms_pb2 import PmsRoomType as RoomTypeMessage

from meshkit.errors import InvalidArgument
from services.booking.pms.compare import Difference
from services.booking.pms.port import Capabilities, PmsRoomType
from services.booking.pms.store import DEFAULT_TIER, Connection, Kind

DEFAULT_RATE = 5.0


def to_connection(message: ConnectionMessage, tenant_id: str) -> Connection:
    """A connection as somebody wants it."""
    if message.tenant_id != tenant_id:
        raise InvalidArgument.field("connection.tenant_id", "must be that of the request")
    theirs = list(message.room_types.values())
    if len(set(theirs)) < len(theirs):
        raise InvalidArgument.field("connection.room_types", "names a counterpart twice")
    return Connection(
        tenant_id=tenant_id,
        kind=Kind(PmsKind.Name(message.kind).removeprefix("PMS_KIND_")),
        base_url=message.base_url,
        property_id=message.property_id,
        room_types=dict(message.room_types),
        tier=message.tier or DEFAULT_TIER,
        requests_per_second=message.requests_per_second or DEFAULT_RATE,
        version=int(message.etag or 0),
    )


def check_mapping(wanted: Connection, ours: Collection[str]) -> None:
    """Raise `InvalidArgument` for a room type that is none of `ours`, if the hotel has any."""
    strange = sorted(wanted.room_types.keys() - set(ours))
    if ours and strange:
        raise InvalidArgument.field(
            "connection.room_types",
            f"the hotel has no room type {', '.join(strange)}; it has {', '.join(sorted(ours))}",
        )


def from_connection(connection: Connection) -> ConnectionMessage:
    """A connection as it is."""
    return ConnectionMessage(
        tenant_id=connection.tenant_id,
        kind=PmsKind.Value(f"PMS_KIND_{connection.kind.value}"),
        base_url=connection.base_url,
        property_id=connection.property_id,
        room_types=connection.room_types,
        tier=connection.tier,
        requests_per_second=connection.requests_per_second,
        etag=str(connection.version),
    )


def from_capabilities(told: Capabilities) -> PmsCapabilities:
    """What a system can do."""
    return PmsCapabilities(
        holds_offered=told.has_holds,
        idempotency_offered=told.has_idempotency,
        webhooks_offered=told.has_webhooks,
        overselling_possible=told.may_oversell,
        parallel_writes_allowed=told.parallel_writes,
        requests_per_second=told.requests_per_second,
        system=told.system,
        resources=told.resources,
        currency_code=told.currency_code,
    )


def from_difference(one: Difference) -> DifferenceMessage:
    """One booking on which the sides do not agree."""
    return DifferenceMessage(
        kind=PmsDifferenceKind.Value(f"PMS_DIFFERENCE_KIND_{one.kind.value}"),
        reservation_id=one.reservation_id,
        confirmation_code=one.confirmation_code,
        pms_booking_id=one.booking_id,
        here=one.here,
        there=one.there,
    )


def mapped(
    theirs: Collection[PmsRoomType], mapping: Mapping[str, str], ours: Mapping[str, set[str]]
) -> tuple[list[RoomTypeMessage], list[str]]:
    """Their types, each with ours that is mapped or proposed; and ours that are left over.

    `ours` has the names of each type of ours; one is proposed where names or ids agree. What is
    mapped to something that they do not have is left over too.
    """
    there = {one.type_id for one in theirs}
    of_theirs = {their_id: our_id for our_id, their_id in mapping.items()}
    left = {one: names for one, names in ours.items() if mapping.get(one) not in there}
    told = []
    for one in theirs:
        message = RoomTypeMessage(
            pms_room_type_id=one.type_id,
            display_name=one.name,
            max_guest_count=one.max_guest_count,
            room_count=one.room_count,
            room_type_id=of_theirs.get(one.type_id, ""),
        )
        if not message.room_type_id:
            known = {_plain(one.name), _plain(one.type_id)}
            found = next((our for our, names in left.items() if _names(our, names) & known), "")
            message.room_type_id, message.proposed = found, bool(found)
            left.pop(found, None)
        told.append(message)
    return told, sorted(left)


def _names(our_id: str, names: set[str]) -> set[str]:
    return {_plain(our_id), *map(_plain, names)}


def _plain(name: str) -> str:
    return "".join(one for one in name.casefold() if one.isalnum())
