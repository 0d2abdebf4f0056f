"""Who types."""

import getpass

from conserje.booking.v1.reservation_pb2 import ACTOR_KIND_STAFF, Actor


def user() -> str:
    """The name of the account; empty for one without a name."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return ""


def staff() -> Actor:
    """Who types, as a person of the hotel."""
    return Actor(kind=ACTOR_KIND_STAFF, actor_id=user())
