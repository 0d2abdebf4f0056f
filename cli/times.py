"""Times as commands tell and take them."""

import argparse
import math
from datetime import UTC

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date


def second(stamp: Timestamp) -> str:
    """A time to the second, in UTC."""
    return f"{stamp.ToDatetime(UTC):%Y-%m-%d %H:%M:%S}Z"


def from_day(date: Date) -> str:
    """A day as ISO 8601 writes it."""
    return f"{date.year:04}-{date.month:02}-{date.day:02}"


def seconds(text: str) -> float:
    """The type of an argument that is how long to wait.

    Raises `ArgumentTypeError` when it is no time, and `ValueError` when it is no number.
    """
    found = float(text)
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError("needs more than 0 seconds")
    return found
