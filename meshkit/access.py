"""Which identity may call which method: said by each service, enforced by its server.

`Access` holds a service's full name, and for each of its methods the identities that may call it.
What is not named may be called by nobody. Where there are no certificates there are no identities:
such a server is on loopback, or was said by name to be insecure, and serves everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from meshkit.errors import PermissionDenied
from meshkit.identity import NOBODY

Access = Mapping[str, Mapping[str, Collection[str]]]


def require(allowed: Collection[str], identity: str) -> None:
    """`PermissionDenied` unless `identity` is among those allowed."""
    if identity not in allowed:
        known = f"as {identity!r}" if identity != NOBODY else "without an identity of this mesh"
        raise PermissionDenied(
            "IDENTITY_NOT_ALLOWED", f"You call {known}, which may not use this method."
        )
