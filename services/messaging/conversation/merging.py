"""Two conversations that turn out to be one guest's become one."""

from dataclasses import replace

from services.messaging.conversation.state import Draft, State


def merged(older: State, newer: State) -> State:
    """What both remember; where they differ, what was said last counts.

    Neither may have a command open. The newer lock is kept, and the other one
    lapses. Numbers go on above those of both, so that nothing is named twice.
    """
    known = {one.reservation_id: one for one in (*older.reservations, *newer.reservations)}
    return replace(
        newer,
        language=newer.language or older.language,
        draft=newer.draft if newer.draft != Draft() else older.draft,
        offer=newer.offer or older.offer,
        lock=newer.lock or older.lock,
        reservations=tuple(known.values()),
        cancelled=newer.cancelled or older.cancelled,
        command_count=max(older.command_count, newer.command_count),
        offer_count=older.offer_count + newer.offer_count,
    )
