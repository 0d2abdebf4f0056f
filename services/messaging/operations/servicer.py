"""The RPCs of operators: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.event_pb2 import InboundEvent

from meshkit.clock import Clock
from meshkit.errors import FailedPrecondition, MeshError, NotFound
from meshkit.pages import number_from_token, page_size, to_token
from services.messaging.archive.replay import Replay
from services.messaging.archive.servicer import ArchiveRpcs
from services.messaging.conversation.stage import awaited_codes
from services.messaging.conversation.state_json import from_json
from services.messaging.operations.wire import timestamp
from services.messaging.overview.servicer import ConversationRpcs
from services.messaging.refusals import conversation_unknown
from services.messaging.store.aside import AsideStore, DeadLetterRow, QuarantineRow
from services.messaging.store.conversations import ConversationStore
from services.messaging.store.erasure import (
    Awaiting,
    Erased,
    ErasureStore,
    NotErased,
    nothing,
)
from services.messaging.store.merges import MergeRow, MergeStore
from services.messaging.store.templates import TemplateStore
from services.messaging.store.unknown import UnknownRow, UnknownStore
from services.messaging.store.window import WindowStore
from services.messaging.wake import Wake
from services.messaging.windows.servicer import WindowRpcs

RELEASED_AT_ONCE = 1000

Context = grpc.aio.ServicerContext[Any, Any]


class MessagingOperationsServicer(ConversationRpcs, WindowRpcs, ArchiveRpcs):
    """`conserje.messaging.v1.MessagingOperationsService`."""

    def __init__(
        self,
        store: AsideStore,
        unknown: UnknownStore,
        windows: WindowStore,
        templates: TemplateStore,
        merges: MergeStore,
        replay: Replay,
        erasures: ErasureStore,
        conversations: ConversationStore,
        *,
        clock: Clock,
        arrived: Wake,
        messages: Wake,
    ) -> None:
        self._store = store
        self._unknown = unknown
        self._windows = windows
        self._templates = templates
        self._merges = merges
        self._replay = replay
        self._erasures = erasures
        self._conversations = conversations
        self._clock = clock
        self._arrived = arrived
        self._messages = messages

    async def ListQuarantine(
        self, request: pb.ListQuarantineRequest, context: Context
    ) -> pb.ListQuarantineResponse:
        """One page of what belongs to no hotel."""
        size = page_size(request.page_size)
        rows = await self._store.quarantine(
            number=request.phone_number_id,
            after=number_from_token(request.page_token),
            limit=size + 1,
            with_events=request.include_events,
        )
        items = [_item(row) for row in rows[:size]]
        token = to_token(items[-1].quarantine_id) if len(rows) > size else ""
        return pb.ListQuarantineResponse(items=items, next_page_token=token)

    async def ReleaseQuarantine(
        self, request: pb.ReleaseQuarantineRequest, context: Context
    ) -> pb.ReleaseQuarantineResponse:
        """Messages of a number that is registered by now go back to the inbox."""
        count = await self._store.release(request.phone_number_id, RELEASED_AT_ONCE)
        self._arrived.set()
        return pb.ReleaseQuarantineResponse(release_count=count, more=count == RELEASED_AT_ONCE)

    async def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: Context
    ) -> pb.ListDeadLettersResponse:
        """One page of a hotel's dead letters."""
        size = page_size(request.page_size)
        rows = await self._store.dead_letters(
            request.tenant_id, after=number_from_token(request.page_token), limit=size + 1
        )
        letters = [_letter(row) for row in rows[:size]]
        token = to_token(letters[-1].dead_letter_id) if len(rows) > size else ""
        return pb.ListDeadLettersResponse(dead_letters=letters, next_page_token=token)

    async def RetryDeadLetter(
        self, request: pb.RetryDeadLetterRequest, context: Context
    ) -> pb.RetryDeadLetterResponse:
        """A dead letter is worked on once more."""
        if not await self._store.retry(request.tenant_id, request.dead_letter_id):
            raise _unknown(request.dead_letter_id)
        self._arrived.set()
        return pb.RetryDeadLetterResponse()

    async def DropDeadLetter(
        self, request: pb.DropDeadLetterRequest, context: Context
    ) -> pb.DropDeadLetterResponse:
        """A dead letter is given up."""
        if not await self._store.drop(request.tenant_id, request.dead_letter_id):
            raise _unknown(request.dead_letter_id)
        return pb.DropDeadLetterResponse()

    async def ListUnknownSends(
        self, request: pb.ListUnknownSendsRequest, context: Context
    ) -> pb.ListUnknownSendsResponse:
        """One page of what may have been sent or not."""
        size = page_size(request.page_size)
        rows = await self._unknown.page(
            request.tenant_id, after=number_from_token(request.page_token), limit=size + 1
        )
        token = to_token(rows[size - 1].outbox_number) if len(rows) > size else ""
        sends = [_send(row) for row in rows[:size]]
        return pb.ListUnknownSendsResponse(sends=sends, next_page_token=token)

    async def SettleSend(
        self, request: pb.SettleSendRequest, context: Context
    ) -> pb.SettleSendResponse:
        """A person says what became of a send."""
        key = (request.tenant_id, UUID(request.send_id), request.attempt_count)
        received = request.verdict == pb.SEND_VERDICT_RECEIVED
        if not await self._unknown.settle(*key, received=received, actor_id=request.actor_id):
            await self._need_same_word(*key, received)
        self._messages.set()
        return pb.SettleSendResponse()

    async def ListMerges(
        self, request: pb.ListMergesRequest, context: Context
    ) -> pb.ListMergesResponse:
        """One page of conversations that became one."""
        size = page_size(request.page_size)
        rows = await self._merges.page(
            request.tenant_id, after=number_from_token(request.page_token), limit=size + 1
        )
        token = to_token(rows[size - 1].merge_id) if len(rows) > size else ""
        return pb.ListMergesResponse(
            merges=[_merge(row) for row in rows[:size]], next_page_token=token
        )

    async def EraseGuest(
        self, request: pb.EraseGuestRequest, context: Context
    ) -> pb.EraseGuestResponse:
        """A guest is forgotten."""
        row = await self._window(request)
        erased: Erased | NotErased | Awaiting = NotErased.UNKNOWN
        if row is not None:
            awaited = nothing if request.forced else self._awaited
            erased = await self._erasures.erase(request.tenant_id, row.mailbox_id, awaited)
        if isinstance(erased, Erased):
            return pb.EraseGuestResponse(
                item_count=erased.item_count, message_count=erased.message_count
            )
        raise _not_erased(erased)

    def _awaited(self, state: bytes) -> tuple[str, ...]:
        return awaited_codes(from_json(state), self._clock.now())

    async def _need_same_word(
        self, tenant_id: str, outbox_id: UUID, attempt: int, received: bool
    ) -> None:
        """An error, unless just this was said of the attempt before."""
        standing = await self._unknown.standing(tenant_id, outbox_id, attempt)
        if standing is None:
            raise NotFound(
                "SEND_NOT_FOUND", "The hotel has no such message.", send_id=str(outbox_id)
            )
        if standing.received is not received:
            raise FailedPrecondition(
                "SEND_NOT_UNKNOWN",
                "What became of that attempt is known, or was said otherwise.",
                state=standing.state,
            )


def _not_erased(why: NotErased | Awaiting) -> MeshError:
    if why is NotErased.UNKNOWN:
        return conversation_unknown()
    if isinstance(why, Awaiting):
        codes = ", ".join(why.codes)
        return FailedPrecondition(
            "RESERVATION_PENDING",
            f"The guest is still to be told whether the hotel's own system agrees to {codes}; wait "
            "for it, or say that it is meant all the same (forced).",
            confirmation_codes=codes,
        )
    return FailedPrecondition(
        "COMMAND_UNDER_WAY",
        "A command of the guest is on its way to the booking service; try again once it is "
        "answered.",
    )


def _unknown(dead_letter_id: int) -> NotFound:
    return NotFound(
        "DEAD_LETTER_UNKNOWN",
        "The hotel has no such dead letter.",
        dead_letter_id=str(dead_letter_id),
    )


def _item(row: QuarantineRow) -> pb.QuarantinedItem:
    return pb.QuarantinedItem(
        quarantine_id=row.quarantine_id,
        reason=row.reason,
        phone_number_id=row.phone_number_id,
        whatsapp_business_account_id=row.account_id,
        arrive_time=timestamp(row.arrive_time),
        size_bytes=row.size_bytes,
        releasable=row.releasable,
        event=InboundEvent.FromString(row.event) if row.event else None,
    )


def _letter(row: DeadLetterRow) -> pb.DeadLetter:
    return pb.DeadLetter(
        dead_letter_id=row.inbox_id,
        conversation_id=row.mailbox_id,
        arrive_time=timestamp(row.arrive_time),
        attempt_count=row.attempt_count,
        reason=row.failure,
    )


def _merge(row: MergeRow) -> pb.ConversationMerge:
    return pb.ConversationMerge(
        from_conversation_id=row.from_mailbox_id,
        into_conversation_id=row.into_mailbox_id,
        reason=row.reason,
        merge_time=timestamp(row.done_time),
    )


def _send(row: UnknownRow) -> pb.UnknownSend:
    return pb.UnknownSend(
        send_id=str(row.outbox_id),
        conversation_id=row.mailbox_id,
        kind=row.kind,
        attempt_count=row.attempt_count,
        send_time=timestamp(row.send_time),
        detail=row.detail,
        waits_for_person=row.waits_for_person,
    )
