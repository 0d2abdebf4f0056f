"""The RPC that verifies numbers: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.messaging.v1 import number_service_pb2 as pb
from conserje.messaging.v1.number_service_pb2_grpc import NumberServiceServicer

from copies.directory import Directory
from meshkit.errors import NotFound
from services.messaging.directory import owner_of
from services.messaging.numbers.verify import State, Verifier

STATES = {
    State.OK: pb.CHECK_STATE_OK,
    State.WARNING: pb.CHECK_STATE_WARNING,
    State.FAILED: pb.CHECK_STATE_FAILED,
}

Context = grpc.aio.ServicerContext[Any, Any]


class NumberServicer(NumberServiceServicer):
    """`conserje.messaging.v1.NumberService`."""

    def __init__(self, verifier: Verifier, directory: Directory) -> None:
        self._verifier = verifier
        self._directory = directory

    async def VerifyNumber(
        self, request: pb.VerifyNumberRequest, context: Context
    ) -> pb.VerifyNumberResponse:
        """Every check of a hotel's number."""
        record = owner_of(self._directory, request.phone_number_id, "").record
        if record is None or record.tenant_id != request.tenant_id:
            raise NotFound("NUMBER_UNKNOWN", "The number is not the hotel's.")
        checks = [
            pb.NumberCheck(name=one.name, state=STATES[one.state], detail=one.detail)
            for one in await self._verifier.verify(record)
        ]
        return pb.VerifyNumberResponse(checks=checks)
