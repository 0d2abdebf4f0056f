"""What the protos say about methods, read from the descriptors at run time."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import MethodOptions

BATCH_PREFIX = "Batch"


@dataclass(frozen=True)
class Method:
    """One RPC of the contract."""

    path: str
    """As the wire names it: `/package.Service/Method`."""
    read: bool
    """It changes nothing (NO_SIDE_EFFECTS)."""
    idempotent: bool
    """Sending it again has the effect of sending it once."""
    batch: bool
    """Its items are validated one by one, and fail alone."""

    @property
    def name(self) -> str:
        """The path without its first slash, as metrics and spans show it."""
        return self.path[1:]


def methods(service: str) -> dict[str, Method]:
    """The methods of a service by path; its generated module must be imported."""
    found = descriptor_pool.Default().FindServiceByName(service)
    described = (
        _method(f"/{service}/{method.name}", method.GetOptions().idempotency_level)
        for method in found.methods
    )
    return {method.path: method for method in described}


def domain(service: str) -> str:
    """The error domain of a service: `booking.conserje` for `conserje.booking.v1.…`."""
    parts = service.split(".")
    return f"{parts[1]}.{parts[0]}" if len(parts) > 2 else service


def service_of(path: str) -> str:
    """`package.Service` of `/package.Service/Method`."""
    return path.split("/")[1]


def _method(path: str, level: int) -> Method:
    return Method(
        path=path,
        read=level == MethodOptions.NO_SIDE_EFFECTS,
        idempotent=level != MethodOptions.IDEMPOTENCY_UNKNOWN,
        batch=path.rpartition("/")[2].startswith(BATCH_PREFIX),
    )
