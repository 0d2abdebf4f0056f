"""No text of a request can be one that the database refuses."""

from __future__ import annotations

import grpc
from google.protobuf.descriptor import FieldDescriptor

from meshkit.errors import InvalidArgument
from meshkit.status import from_rpc_error
from tests.integration.messaging.mesh import TENANT, Mesh
from tests.integration.messaging.test_isolation import METHODS, OTHERWISE, its_ids
from tests.isolation import asked, caller

KEPT_AS_BYTES = {"IngestEvent", "BatchIngestEvents"}
"""What guests have written is stored whatever it holds."""
OF_NO_HOTEL = {"whatsapp_message_id": "wamid.mine", "confirmation_code": "K7M2QX9P"}


async def test_every_method_names_the_text_with_a_nul(mesh: Mesh) -> None:
    await mesh.start("serve")
    paths = [path for path in sorted(METHODS) if path.partition("/")[2] not in KEPT_AS_BYTES]
    tried = 0
    async with grpc.aio.insecure_channel(mesh.target) as channel:
        for path in paths:
            method = METHODS[path]
            for field in method.input_type.fields:
                if field.type != FieldDescriptor.TYPE_STRING or field.is_repeated:
                    continue
                values = {**its_ids(TENANT), **OTHERWISE.get(path, {}), **OF_NO_HOTEL}
                request = asked(values, method.input_type)
                setattr(request, field.name, "a\0b")
                try:
                    await caller(channel, path, method)(request, timeout=20)
                except grpc.aio.AioRpcError as refused:
                    error = from_rpc_error(refused)
                    assert isinstance(error, InvalidArgument), (path, field.name, error)
                    assert field.name in [one.field for one in error.violations], (path, error)
                else:
                    raise AssertionError(f"{path} took {field.name}")
                tried += 1
    assert tried > 50
