"""What a step decides; all of it is committed together or not at all."""

from dataclasses import dataclass

from services.messaging.conversation.commands import Command
from services.messaging.conversation.state import State
from services.messaging.replies.model import Reply


@dataclass(frozen=True)
class Decision:
    """The next state, what the guest is sent, and at most one command.

    A guest's message gives exactly one reply, or none and one command, whose
    outcome then brings the reply.
    """

    state: State
    replies: tuple[Reply, ...] = ()
    commands: tuple[Command, ...] = ()
