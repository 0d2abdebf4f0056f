"""The RPCs about what is archived."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.messaging.v1 import messaging_operations_service_pb2 as pb
from conserje.messaging.v1.messaging_operations_service_pb2_grpc import (
    MessagingOperationsServiceServicer,
)

from services.messaging.archive.replay import Difference, Replay
from services.messaging.operations.wire import timestamp

Context = grpc.aio.ServicerContext[Any, Any]


class ArchiveRpcs(MessagingOperationsServiceServicer):
    """Part of `conserje.messaging.v1.MessagingOperationsService`."""

    _replay: Replay

    async def ReplayConversation(
        self, request: pb.ReplayConversationRequest, context: Context
    ) -> pb.ReplayConversationResponse:
        """Whether a conversation, led over what came in again, ends where it stands."""
        replayed = await self._replay.run(request.tenant_id, request.conversation_id)
        return pb.ReplayConversationResponse(
            step_count=replayed.step_count,
            first_step_time=timestamp(replayed.first_step_time),
            replayed_hash=replayed.replayed_hash,
            live_hash=replayed.live_hash,
            difference=_difference(replayed.difference) if replayed.difference else None,
        )


def _difference(found: Difference) -> pb.ReplayDifference:
    return pb.ReplayDifference(
        step=found.step,
        step_time=timestamp(found.commit_time) if found.commit_time else None,
        error=found.error,
        state_parts=found.fields,
    )
