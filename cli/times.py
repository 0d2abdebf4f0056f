"""Times as commands tell them."""

from datetime import UTC

from google.protobuf.timestamp_pb2 import Timestamp


def second(stamp: Timestamp) -> str:
    """A time to the second, in UTC."""
    return f"{stamp.ToDatetime(UTC):%Y-%m-%d %H:%M:%S}Z"
