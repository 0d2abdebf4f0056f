"""How the command tells that a call has failed."""

import sys
from typing import cast

import grpc

from meshkit.errors import InvalidArgument, MeshError
from meshkit.status import from_rpc_error, to_grpc_code


def tell(error: grpc.RpcError, target: str) -> int:
    """Prints code, reason, message, fields and what else the server said; returns 1."""
    print("\n".join(describe(error, target)), file=sys.stderr)
    return 1


def describe(error: grpc.RpcError, target: str) -> list[str]:
    """The lines of an error, the most important first."""
    known = from_rpc_error(cast(grpc.aio.AioRpcError, error))
    lines = [f"{to_grpc_code(known).name} {known.reason}".strip()]
    fields = _fields(known)
    if known.message and not fields:
        lines.append(f"  {known.message}")
    lines += [f"  {name}: {value}" for name, value in sorted(known.metadata.items())]
    lines += fields
    if known.retry_after is not None:
        lines.append(f"  may be tried again after {known.retry_after:g} s")
    if known.reason == "UNAVAILABLE":
        lines.append(f"  nobody answers at {target}; `conserje doctor` may say why")
    return lines


def _fields(error: MeshError) -> list[str]:
    if not isinstance(error, InvalidArgument):
        return []
    return [f"  {one.field}: {one.description}" for one in error.violations]
