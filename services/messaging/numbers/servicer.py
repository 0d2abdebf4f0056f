"""The RPC that verifies numbers: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.messaging.v1 import number_service_pb2 as pb
from conserje.messaging.v1.number_service_pb2_grpc import NumberServiceServicer

from copies.directory import Directory
from services.messaging.directory import owned
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
        record = owned(self._directory, request.tenant_id, request.phone_number_id)
        checks = [
            pb.NumberCheck(name=one.name, state=STATES[one.state], detail=one.detail)
            for one in await self._verifier.verify(record)
        ]
        return pb.VerifyNumberResponse(checks=checks)
