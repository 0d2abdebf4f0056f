"""No guest's phone number in a log line or a span: what looks like one is taken out."""

from __future__ import annotations

import re

ALLOWED_KEYS = frozenset(
    {
        "timestamp",
        "trace_id",
        "traceparent",
        "error_id",
        # Meta's ids of a hotel's number and account: long digits, and no phone number.
        "phone_number_id",
        "whatsapp_business_account_id",
        "grpc",
        "ops",
        "http",
    }
)
"""Keys whose values keep their digits."""

REDACTED = "[redacted]"

# UUIDs and trace ids are made of digits as well; they are matched first and kept.
# A phone number is 8 digits or more in a row, or "+" and 8 or more with separators.
_DIGITS = re.compile(
    r"(?P<keep>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[0-9]*[a-f])[0-9a-f]{16,64}\b)"
    r"|\+[\s().-]*[0-9](?:[\s().-]*[0-9]){7,}"
    r"|[0-9]{8,}"
)


def redact(text: str, key: str = "") -> str:
    """`text` without anything that may be a phone number, unless `key` is allowed."""
    if key in ALLOWED_KEYS:
        return text
    return _DIGITS.sub(_keep_or_hide, text)


def _keep_or_hide(match: re.Match[str]) -> str:
    return match.group() if match.group("keep") else REDACTED
