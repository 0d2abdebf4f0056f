"""How one fake Graph API is set up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.graph.chaos import GOOD, Mood


@dataclass(frozen=True)
class Number:
    """A business number: Meta's id of it, the account that owns it, how people read it."""

    phone_number_id: str
    waba_id: str
    display_phone_number: str
    access_token: str = ""
    """The only bearer token that may send from it; empty: that of the settings."""


@dataclass(frozen=True)
class GraphSettings:
    """What `python -m sandbox.graph` is told by flags or environment."""

    webhook_url: str = ""
    """Where webhooks are posted; empty: they wait until the control API names a place."""
    app_secret: str = "sandbox-app-secret"
    """Signs the webhooks."""
    app_id: str = "300000000000001"
    """The id of the Meta app that the token is of."""
    access_token: str = "sandbox-access-token"
    """The bearer token that senders must show."""
    numbers: Sequence[Number] = ()
    """The business numbers that exist at the start; the control API adds more."""
    pair_limit: bool = False
    """Refuse more than 45 messages in a burst, then one in 6 s, to one guest (131056)."""
    status_delays: Mapping[str, float] = field(
        default_factory=lambda: {"sent": 0.02, "delivered": 0.06, "read": 0.15}
    )
    """Seconds from the acceptance of a message to each of its statuses."""
    batch_items: int = 5
    """Most items in one webhook; Meta allows itself 1,000."""
    first_retry: float = 0.1
    """Seconds before a refused webhook is posted again; doubles up to `last_retry`."""
    last_retry: float = 0.25
    """Meta goes on for days with growing pauses; a sandbox wants to be there at once."""
    keep: int = 100_000
    """Accepted messages kept in memory; older ones are forgotten and counted."""
    keep_media_bytes: int = 64 * 1024 * 1024
    """Media kept in memory; the oldest goes first."""
    keep_waiting: int = 200_000
    """Webhook items that may wait for the gateway; beyond, they are dropped and counted."""
    mood: Mood = GOOD
    """What goes wrong by itself."""
    log: Path | None = None
    """Journal file: a restarted process goes on where the killed one stopped."""
