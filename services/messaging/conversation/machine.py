"""The one entry: a state and an event in, a decision out."""

from services.messaging.conversation.events import (
    EffectAnswer,
    Event,
    GuestOther,
    GuestTap,
    GuestText,
)
from services.messaging.conversation.hotel import Hotel
from services.messaging.conversation.on_other import on_other
from services.messaging.conversation.on_outcome import on_outcome
from services.messaging.conversation.on_tap import on_tap
from services.messaging.conversation.on_text import on_text
from services.messaging.conversation.state import State
from services.messaging.conversation.suspended import on_suspended
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import texts


def advance(state: State, event: Event, hotel: Hotel) -> Steps:
    """Thinks one step: yields queries, takes their answers, returns the decision.

    While a command is open no message of the guest should be handed in; one that
    is all the same gets a "one moment" and changes nothing.
    """
    turn = Turn(state, hotel)
    if isinstance(event, EffectAnswer):
        return (yield from on_outcome(turn, event.number, event.outcome))
    if state.open is not None:
        return turn.say(texts.ONE_MOMENT)
    if hotel.suspended:
        return (yield from on_suspended(turn, event))
    match event:
        case GuestText(text):
            return (yield from on_text(turn, text))
        case GuestTap(reply_id):
            return (yield from on_tap(turn, reply_id))
        case GuestOther(kind):
            return on_other(turn, kind)
