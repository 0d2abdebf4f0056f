"""Ingest: events become rows, a batch in one statement, one bad item alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from conserje.messaging.v1.event_pb2 import (
    DELIVERY_STATE_DELIVERED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_PLAYED,
    DELIVERY_STATE_READ,
    DELIVERY_STATE_SENT,
    InboundMessage,
    MediaContent,
    MessageStatus,
)
from conserje.messaging.v1.messaging_service_pb2 import (
    IngestEventRequest,
    IngestEventResponse,
    IngestEventResult,
)

from copies.directory import Directory
from meshkit.errors import InvalidArgument, MeshError
from meshkit.phones import whatsapp_key
from meshkit.telemetry import is_traceparent
from services.messaging.archive.sealing import Sealer
from services.messaging.directory import hotel_at_once
from services.messaging.metrics import MessagingMetrics
from services.messaging.opaque import read_opaque
from services.messaging.store.inbox import InboxStore, IngestColumns
from services.messaging.wake import Wake

DAY = 86_400
# Meta delivers again for up to 7 days; clocks differ by seconds, not by days.
OLDEST_SECONDS = 9 * DAY
NEWEST_SECONDS = 1 * DAY
# Postgres knows days from 4713 BC on; anything beyond the year 9999 is noise.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
NO_DAY = FIRST_DAY
# Ids of WhatsApp are shorter; longer ones would not fit into an index.
LONGEST_ID = 512

# The lattice of deliveries; it only ever grows, and a failure is final.
DELIVERY_RANK = {
    DELIVERY_STATE_SENT: 1,
    DELIVERY_STATE_DELIVERED: 2,
    DELIVERY_STATE_READ: 3,
    DELIVERY_STATE_PLAYED: 4,
    DELIVERY_STATE_FAILED: 9,
}

# Made once: making one for each item takes longer than all else about the answer.
NEW = IngestEventResult(value=IngestEventResponse(duplicate=False))
DUPLICATE = IngestEventResult(value=IngestEventResponse(duplicate=True))

log = structlog.get_logger()


class Ingest:
    """Stores what the gateway hands in; what it answers is committed."""

    def __init__(
        self,
        store: InboxStore,
        metrics: MessagingMetrics,
        arrived: Wake,
        directory: Directory,
        sealer: Sealer,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._arrived = arrived
        self._directory = directory
        self._sealer = sealer

    async def decide(
        self, items: Sequence[IngestEventRequest]
    ) -> Sequence[IngestEventResult | MeshError]:
        """Store items; answers which were known. Whatever an item holds, it fails alone."""
        columns = IngestColumns()
        now = time.time()
        for item in items:
            append(columns, item, now)
        sealed = self._sealer.seal(columns, self._hotels(columns))
        try:
            fresh = await self._store.ingest(columns, sealed)
        except InvalidArgument:
            if len(items) == 1:
                return [await self._set_aside(items[0])]
            return [(await self.decide([item]))[0] for item in items]
        new = [at in fresh for at in range(len(items))]
        self._metrics.ingested(columns.kind, new)
        self._arrived.set()
        return [NEW if one else DUPLICATE for one in new]

    def _hotels(self, columns: IngestColumns) -> list[str | None]:
        """Whose the items are; what cannot be said at once is not waited for."""
        sent = zip(columns.number, columns.account, strict=True)
        return [hotel_at_once(self._directory, number, account) for number, account in sent]

    async def _set_aside(self, item: IngestEventRequest) -> IngestEventResult:
        """Keep what the database refuses: as bytes, it holds nothing that can be refused."""
        event = item.event
        await self._store.quarantine(
            "NOT_STORABLE",
            event.phone_number_id,
            event.whatsapp_business_account_id,
            item.traceparent if is_traceparent(item.traceparent) else "",
            event.SerializeToString(),
        )
        self._metrics.quarantined.labels("NOT_STORABLE").inc()
        log.warning("item not storable", phone_number_id=event.phone_number_id)
        return NEW


def append(columns: IngestColumns, item: IngestEventRequest, now: float) -> None:
    """Add one item to a batch; `now` is in seconds since the epoch."""
    event = item.event
    kind: str = event.WhichOneof("payload") or "unreadable"
    if not event.phone_number_id and kind in ("message", "status"):
        kind = "no_number"
    seconds = event.event_time.seconds if event.HasField("event_time") else None
    plausible = seconds is not None and now - OLDEST_SECONDS < seconds < now + NEWEST_SECONDS
    columns.number.append(event.phone_number_id)
    columns.account.append(event.whatsapp_business_account_id)
    columns.key.append(event.item_key)
    columns.day.append(_day(seconds))
    columns.order.append(int((seconds if plausible and seconds is not None else now) * 1_000_000))
    columns.receive.append(_micros(item))
    columns.kind.append(kind)
    columns.event.append(event.SerializeToString())
    columns.trace.append(item.traceparent)
    message = event.message if kind == "message" else None
    columns.media.append(_media(message) if message is not None else None)
    _append_sender(columns, message)
    _append_status(columns, event.status if kind == "status" else None)


def _day(seconds: int | None) -> int:
    """The item's own day. A redelivery has the same one, whatever the clock says meanwhile."""
    return NO_DAY if seconds is None else min(max(seconds // DAY, FIRST_DAY), LAST_DAY)


def _micros(item: IngestEventRequest) -> int | None:
    if not item.HasField("receive_time"):
        return None
    time_ = item.receive_time
    return time_.seconds * 1_000_000 + time_.nanos // 1000


def _append_sender(columns: IngestColumns, message: InboundMessage | None) -> None:
    names = senders(message) if message is not None else Names()
    columns.was_user.append(names.was_user)
    columns.was_phone.append(names.was_phone)
    columns.user.append(names.user)
    columns.phone.append(names.phone)
    columns.written.append(_written(message) if message is not None and names.phone else None)
    # What WhatsApp says of a guest is nothing that the guest did.
    columns.opens.append(message is not None and message.WhichOneof("content") != "system")


def _media(message: InboundMessage) -> bytes | None:
    """What a file is fetched by, without the guest's words; None where there is no file."""
    if message.WhichOneof("content") != "media" or not message.media.media_id:
        return None
    told = message.media
    return MediaContent(
        kind=told.kind,
        media_id=told.media_id,
        mime_type=told.mime_type,
        sha256=told.sha256,
        voice=told.voice,
        url=told.url,
    ).SerializeToString()


@dataclass(frozen=True, slots=True)
class Names:
    """What a guest is called: `u:` and the user id, `p:` and the key of the number.

    The `was_` ones are what led to the guest before WhatsApp told of a change.
    """

    user: bytes | None = None
    phone: bytes | None = None
    was_user: bytes | None = None
    was_phone: bytes | None = None


def senders(message: InboundMessage) -> Names:
    """The names of a message's sender."""
    sender = message.sender
    user, phone = name_of(b"u:", sender.user_id), name_of(b"p:", whatsapp_key(sender.whatsapp_id))
    if message.WhichOneof("content") != "system":
        return Names(user, phone)
    system = message.system
    new_user = name_of(b"u:", system.new_user_id)
    new_phone = name_of(b"p:", whatsapp_key(system.new_whatsapp_id))
    if new_user is None and new_phone is None:
        return Names(user, phone)
    return Names(new_user or user, new_phone or phone, was_user=user, was_phone=phone)


def _written(message: InboundMessage) -> bytes:
    """The sender's phone number in WhatsApp's own spelling: where he is written to."""
    changed = message.WhichOneof("content") == "system" and message.system.new_whatsapp_id
    return (changed or message.sender.whatsapp_id).encode()


def name_of(prefix: bytes, whatsapp_id: str) -> bytes | None:
    """A name as mailboxes know it; None for what is no id."""
    encoded = whatsapp_id.encode()
    return prefix + encoded if 0 < len(encoded) <= LONGEST_ID else None


def _append_status(columns: IngestColumns, status: MessageStatus | None) -> None:
    tenant: str | None = None
    outbox: UUID | None = None
    if status is not None:
        tenant, outbox = read_opaque(status.biz_opaque_callback_data)
    columns.tenant.append(tenant)
    columns.outbox.append(outbox)
    columns.wamid.append(status.whatsapp_message_id.encode() if status is not None else None)
    columns.delivery.append(DELIVERY_RANK.get(status.state, 0) if status is not None else None)
    columns.error.append(_failure(status) if status is not None else None)


def _failure(status: MessageStatus) -> int | None:
    if status.state != DELIVERY_STATE_FAILED or not status.errors:
        return None
    return status.errors[0].code
