"""What several RPCs refuse, in the same words."""

from __future__ import annotations

from meshkit.errors import FailedPrecondition, NotFound


def conversation_unknown() -> NotFound:
    """The error for a guest, or a conversation, that the hotel does not have."""
    return NotFound("CONVERSATION_UNKNOWN", "The hotel has not talked with that guest.")


def check_stored(same: bool | None) -> None:
    """Raise unless a send was stored, now or before.

    `same` is what the store says of it: None when the hotel has no such
    conversation, False when the request id has another message.
    """
    if same is None:
        raise conversation_unknown()
    if not same:
        raise FailedPrecondition(
            "REQUEST_ID_REUSED", "Another message was sent under this request id."
        )
