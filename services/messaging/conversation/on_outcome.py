"""What the outcome of a command leads to."""

from services.messaging.conversation import asked, keeping, reserved
from services.messaging.conversation.decision import Decision
from services.messaging.conversation.outcomes import (
    Cancelled,
    CancelRefused,
    ConfirmRefused,
    LockGranted,
    LockRefused,
    Outcome,
    Released,
    ReleaseRefused,
    ReservationConfirmed,
)
from services.messaging.conversation.state import CommandKind, OpenCommand
from services.messaging.conversation.turn import Steps, Turn
from services.messaging.replies import texts


def on_outcome(turn: Turn, number: int, outcome: Outcome) -> Steps:
    """Goes on where the command was sent.

    The answer of a command that is not the open one changes nothing: nobody
    waits for it any more.
    """
    if isinstance(outcome, asked.News):
        return (yield from asked.decided(turn.talks_on, outcome))
    opened = turn.state.open
    if opened is None or opened.number != number:
        return Decision(turn.state)
    turn = turn.but(open=None)
    if opened.kind is CommandKind.ACQUIRE:
        return (yield from _acquired(turn, opened, outcome))
    if opened.kind is CommandKind.RELEASE:
        return (yield from _released(turn, opened, outcome))
    if opened.kind is CommandKind.CONFIRM:
        return (yield from _confirmed(turn, outcome))
    return _cancelled(turn, opened, outcome)


def _acquired(turn: Turn, opened: OpenCommand, outcome: Outcome) -> Steps:
    wanted = opened.room
    if wanted is not None and isinstance(outcome, LockGranted):
        return keeping.granted(turn, wanted, outcome)
    if wanted is not None and isinstance(outcome, LockRefused):
        return (yield from keeping.not_granted(turn, wanted, outcome))
    return keeping.not_kept_now(turn)


def _released(turn: Turn, opened: OpenCommand, outcome: Outcome) -> Steps:
    if isinstance(outcome, ReleaseRefused) and outcome.reason == "LOCK_CONVERTED":
        return keeping.already_reserved(turn, turn.state.lock)
    if isinstance(outcome, Released | ReleaseRefused):
        return (yield from keeping.released(turn, opened))
    return (yield from keeping.not_released_now(turn, opened))


def _confirmed(turn: Turn, outcome: Outcome) -> Steps:
    lock = turn.state.lock
    if lock is None:
        return keeping.already_reserved(turn, None)
    if isinstance(outcome, ReservationConfirmed):
        return keeping.confirmed(turn, lock, outcome)
    if isinstance(outcome, ConfirmRefused):
        return (yield from keeping.not_confirmed(turn, lock, outcome))
    return keeping.not_confirmed_now(turn, lock)


def _cancelled(turn: Turn, opened: OpenCommand, outcome: Outcome) -> Decision:
    if isinstance(outcome, Cancelled):
        return reserved.cancelled(turn, opened.reservation_id)
    if isinstance(outcome, CancelRefused) and outcome.reason == "RESERVATION_UNKNOWN":
        return reserved.not_found(turn, opened.reservation_id)
    if isinstance(outcome, CancelRefused) and outcome.penalty is not None:
        return reserved.ask_paying(turn, opened.reservation_id, outcome.penalty)
    if isinstance(outcome, CancelRefused):
        return turn.say(texts.CANCEL_AT_RECEPTION)
    return reserved.not_cancelled_now(turn, opened.reservation_id)
