"""The list of a hotel's conversations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceServicer,
)

from meshkit.clock import Clock
from meshkit.errors import InvalidArgument
from meshkit.pages import bad_token, from_token, page_size, to_token
from services.messaging.conversation.stage import Stage, stage_of
from services.messaging.conversation.state_json import from_json
from services.messaging.operations.wire import timestamp
from services.messaging.store.conversations import ConversationRow, ConversationStore
from services.messaging.windows.servicer import guest_name

Context = grpc.aio.ServicerContext[Any, Any]

NEWEST = datetime(9999, 1, 1, tzinfo=UTC), 0
"""Before the first page."""
MOST = 2**63 - 1

STATES = {
    Stage.TALKING: pb.CONVERSATION_STATE_TALKING,
    Stage.OFFERED: pb.CONVERSATION_STATE_OFFERED,
    Stage.ROOM_HELD: pb.CONVERSATION_STATE_ROOM_HELD,
    Stage.BOOKING_AWAITED: pb.CONVERSATION_STATE_BOOKING_AWAITED,
    Stage.HOTEL_AWAITED: pb.CONVERSATION_STATE_HOTEL_AWAITED,
    Stage.RESERVED: pb.CONVERSATION_STATE_RESERVED,
    Stage.CANCELLING: pb.CONVERSATION_STATE_CANCELLING,
}


class ConversationRpcs(MessagingOperationsServiceServicer):
    """Part of `conserje.messaging.v1.MessagingOperationsService`."""

    _conversations: ConversationStore
    _clock: Clock

    async def ListConversations(
        self, request: pb.ListConversationsRequest, context: Context
    ) -> pb.ListConversationsResponse:
        """One page of whom a hotel has talked with."""
        size = page_size(request.page_size)
        rows = await self._found(request, size + 1)
        now = self._clock.now()
        response = pb.ListConversationsResponse(
            conversations=[_conversation(row, now) for row in rows[:size]]
        )
        if len(rows) > size:
            last = rows[size - 1]
            response.next_page_token = to_token(last.update_time.isoformat(), last.mailbox_id)
        return response

    async def _found(
        self, request: pb.ListConversationsRequest, limit: int
    ) -> list[ConversationRow]:
        tenant, number = request.tenant_id, request.phone_number_id
        if request.WhichOneof("guest"):
            return await self._conversations.of_guest(tenant, number, guest_name(request))
        if number:
            raise InvalidArgument.field("phone_number_id", "only with the guest it is to find")
        until = _place(request.page_token) if request.page_token else NEWEST
        return await self._conversations.page(tenant, until=until, limit=limit)


def _place(token: str) -> tuple[datetime, int]:
    """Where a page ended."""
    time, box = from_token(token, 2)
    try:
        place = datetime.fromisoformat(time).astimezone(UTC), int(box)
    except (ValueError, OverflowError):
        raise bad_token() from None
    if not 0 < place[1] <= MOST:
        raise bad_token()
    return place


def _conversation(row: ConversationRow, now: datetime) -> pb.Conversation:
    state = from_json(row.state)
    times = {"last_inbound_time": row.inbound_time, "window_close_time": row.close_time}
    return pb.Conversation(
        conversation_id=row.mailbox_id,
        phone_number_id=row.phone_number_id,
        masked_guest=f"…{row.guest_end.decode('ascii', 'replace')}",
        update_time=timestamp(row.update_time),
        state=STATES[stage_of(state, now)],
        language_code=state.language,
        window_open=row.open,
        **{name: timestamp(time) for name, time in times.items() if time is not None},
    )
