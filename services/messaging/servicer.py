"""The RPCs: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.messaging.v1.messaging_service_pb2 import (
    BatchIngestEventsRequest,
    BatchIngestEventsResponse,
    IngestEventRequest,
    IngestEventResponse,
    IngestEventResult,
    TraceMessageRequest,
    TraceMessageResponse,
)
from conserje.messaging.v1.messaging_service_pb2_grpc import MessagingServiceServicer
from google.rpc.status_pb2 import Status

from meshkit.batch import serve_batch
from meshkit.errors import MeshError
from services.messaging.inbox import Ingest
from services.messaging.trace import Tracer

DOMAIN = "messaging.conserje"

Context = grpc.aio.ServicerContext[Any, Any]


class MessagingServicer(MessagingServiceServicer):
    """`conserje.messaging.v1.MessagingService`."""

    def __init__(self, ingest: Ingest, tracer: Tracer) -> None:
        self._ingest = ingest
        self._tracer = tracer

    async def IngestEvent(
        self, request: IngestEventRequest, context: Context
    ) -> IngestEventResponse:
        """Store one item."""
        (outcome,) = await self._ingest.decide([request])
        if isinstance(outcome, MeshError):
            raise outcome
        return outcome.value

    async def BatchIngestEvents(
        self, request: BatchIngestEventsRequest, context: Context
    ) -> BatchIngestEventsResponse:
        """Store a batch in one transaction."""
        outcomes = await serve_batch(request, self._ingest.decide, DOMAIN, verbatim=True)
        results = [
            IngestEventResult(error=one) if isinstance(one, Status) else one for one in outcomes
        ]
        return BatchIngestEventsResponse(results=results)

    async def TraceMessage(
        self, request: TraceMessageRequest, context: Context
    ) -> TraceMessageResponse:
        """Tell what happened to a message."""
        if request.HasField("confirmation_code"):
            return await self._tracer.by_code(request.confirmation_code)
        return await self._tracer.by_wamid(request.whatsapp_message_id)
