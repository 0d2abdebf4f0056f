"""What all RPCs of operators have in common."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(time: datetime) -> Timestamp:
    """An aware instant on the wire."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
