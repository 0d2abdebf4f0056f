"""What can happen to a conversation."""

from dataclasses import dataclass

from services.messaging.conversation.outcomes import Outcome


@dataclass(frozen=True)
class GuestText:
    """The guest wrote words: a text, a caption, the new wording of an edited message."""

    text: str


@dataclass(frozen=True)
class GuestTap:
    """The guest tapped a button or a row of ours; the id is the one we gave it."""

    reply_id: str
    title: str = ""


@dataclass(frozen=True)
class GuestOther:
    """The guest sent something that is no words; `kind` is Meta's word for it (`audio`, ...)."""

    kind: str


@dataclass(frozen=True)
class EffectAnswer:
    """The booking service answered a command; `number` is the number of that command."""

    number: int
    outcome: Outcome


Event = GuestText | GuestTap | GuestOther | EffectAnswer
