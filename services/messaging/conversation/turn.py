"""One step in the making: the state so far, the hotel, and the ways to end the step."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from services.messaging.conversation.commands import Command
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.hotel import Hotel
from services.messaging.conversation.queries import Answer, Query
from services.messaging.conversation.state import Lock, OpenCommand, Reservation, State
from services.messaging.replies.model import Reply, Text
from services.messaging.replies.phrase import Phrase
from services.messaging.replies.voice import Voice, spoken_language

Steps = Generator[Query, Answer, Decision]


@dataclass(frozen=True)
class Turn:
    """The state that a step works on; every change gives a new turn."""

    state: State
    hotel: Hotel

    @property
    def voice(self) -> Voice:
        """Who speaks: the language of the chat as it is now."""
        return Voice(spoken_language(self.state.language, self.hotel), self.hotel)

    @property
    def live_lock(self) -> Lock | None:
        """The room that is kept, unless its time has run out."""
        lock = self.state.lock
        return lock if lock is not None and lock.expire_time > self.hotel.now else None

    @property
    def talks_on(self) -> "Turn":
        """The talk goes on to something else: a room whose time has run out is not asked about.

        A yes that comes later is to what was said since, and buys nothing.
        """
        return self if self.live_lock is not None else self.but(lock=None)

    @property
    def coming(self) -> tuple[Reservation, ...]:
        """The reservations that are not over yet."""
        today = self.hotel.today
        return tuple(
            known for known in self.state.reservations if known.room.stay.check_out >= today
        )

    @property
    def cancelled(self) -> Reservation | None:
        """The reservation that was cancelled last, while its stay would not be over."""
        gone = self.state.cancelled
        return gone if gone is not None and gone.room.stay.check_out >= self.hotel.today else None

    def but(self, **changes: Any) -> "Turn":
        """The same turn with fields of the state changed."""
        return replace(self, state=replace(self.state, **changes))

    def reply(self, reply: Reply) -> Decision:
        """Ends the step with a message."""
        return Decision(self.state, (reply,))

    def say(self, phrase: Phrase, **values: object) -> Decision:
        """Ends the step with a text."""
        return self.reply(Text(self.voice.say(phrase, **values)))

    def send(self, command: Command, opened: OpenCommand) -> Decision:
        """Ends the step with a command; its outcome brings the message."""
        return Decision(
            replace(self.state, open=opened, command_count=opened.number), commands=(command,)
        )

    @property
    def next_number(self) -> int:
        """The number of the next command."""
        return self.state.command_count + 1
