"""Whether Meta wrote a body: HMAC-SHA256 over its raw bytes.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started
(`X-Hub-Signature-256`). The signature proves the app, not the hotel.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

HEADER = "X-Hub-Signature-256"


def sign(body: bytes, secret: bytes) -> str:
    """The value of `HEADER` for a body."""
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()


def is_authentic(body: bytes, signature: str | None, secrets: Sequence[bytes]) -> bool:
    """True when one of the app's secrets made the signature.

    Several secrets are valid while an app's secret is being changed. The
    comparison takes the same time wherever the first difference is.
    """
    if signature is None:
        return False
    given = signature.encode("utf-8", "surrogateescape")
    return any(hmac.compare_digest(sign(body, secret).encode(), given) for secret in secrets)
