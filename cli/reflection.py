"""Services as a server describes them itself: no proto files are needed."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from cli.channels import open_channel

PLUMBING = ("grpc.reflection.", "grpc.health.")


class Reflected:
    """One server: what it offers, and calls to it."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._channel = open_channel(target)
        self._database = ProtoReflectionDescriptorDatabase(self._channel)
        self.pool = DescriptorPool(self._database)

    def __enter__(self) -> "Reflected":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()

    def services(self) -> list[ServiceDescriptor]:
        """What the server offers, plumbing left out."""
        names = [name for name in self._database.get_services() if not name.startswith(PLUMBING)]
        return [self.pool.FindServiceByName(name) for name in sorted(names)]

    def request(self, method: MethodDescriptor) -> Message:
        """An empty request of a method."""
        return GetMessageClass(method.input_type)()

    def answers(self, method: MethodDescriptor, request: Message, timeout: float) -> Iterator[Any]:
        """The answer of a method, or each message of its stream."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        kinds: dict[str, Any] = {
            "request_serializer": type(request).SerializeToString,
            "response_deserializer": GetMessageClass(method.output_type).FromString,
        }
        if method.server_streaming:
            yield from self._channel.unary_stream(path, **kinds)(request)
        else:
            yield self._channel.unary_unary(path, **kinds)(request, timeout=timeout)
