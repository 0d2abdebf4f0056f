"""Meta's error codes and what to do about each: one table.

Source: "Error codes" of the Cloud API documentation (December 2025) and of the
Graph API; 131062 to 131064, 137000 and 147001 to 147005 as pywa 4.4 knows them.
Meta asks to build on the code alone: titles, subcodes and HTTP statuses mislead
(throttling comes as 400).
"""

from __future__ import annotations

from enum import Enum
from typing import Any


class Reaction(Enum):
    """What to do about an error code."""

    RETRY = "retry"
    """The same again, later and later, with jitter, while an answer is of use."""
    WAIT_FOR_PAIR = "wait_for_pair"
    """This guest gets too much: 4^x seconds, others go on."""
    SLOW_NUMBER = "slow_number"
    """This number sends too fast or too badly: it rests, others go on."""
    LATER = "later"
    """Meta spares this guest for a day and more: too late for an answer."""
    CHANGE_FORM = "change_form"
    """Not as it is: outside the window it had to be a template, or its kind is not taken."""
    NEVER = "never"
    """Sent again it would be refused again: staff is told."""
    STOP = "stop"
    """Credentials or account: the number rests, and log and health call somebody."""


PAIR_CODE = 131056
NUMBER_CODE = 130429
WINDOW_CODE = 131047
TOKEN_CODES = (0, 3, 10, 102, 104, 190, *range(200, 300), 131005)
"""The token is none, has ended, or lacks a right: another one may help at once."""

_TABLE: dict[Reaction, tuple[int, ...]] = {
    Reaction.RETRY: (
        *(1, 2, 4, 17),  # Graph API: unknown, unavailable, too many calls of the app or the user
        *(130429, 131000, 131016, 131057, 133004),
    ),
    Reaction.WAIT_FOR_PAIR: (PAIR_CODE,),
    Reaction.SLOW_NUMBER: (613, 80007, 131048, 131064),
    Reaction.LATER: (130472, 131049),
    Reaction.CHANGE_FORM: (
        *(WINDOW_CODE, 131051, 131052, 131053),
        *(132000, 132001, 132005, 132007, 132012, 132015, 132016, 132018, 132068, 132069),
    ),
    Reaction.NEVER: (
        *(100, 803, 130497, 131008, 131009, 131021, 131026, 131030, 131050, 131062, 131063),
        *(135000, 137000, 147001, 147002, 147003, 147004, 147005),
    ),
    Reaction.STOP: (
        # 102 and 104 (no session, no token) are 190's siblings: nothing can leave with either.
        *(*TOKEN_CODES, 33, 368),
        *(131031, 131037, 131042, 131045),
        *(133000, 133005, 133006, 133010, 133015, 133016),
    ),
}

TABLE = {code: reaction for reaction, codes in _TABLE.items() for code in codes}


def reaction_to(error: dict[str, Any]) -> Reaction:
    """What to do about an error object of the Graph API, by its `code`.

    What the table does not know and Meta calls transient is tried again; all
    else that was wrong once is wrong again.
    """
    known = TABLE.get(error["code"])
    if known is not None:
        return known
    return Reaction.RETRY if error.get("is_transient") is True else Reaction.NEVER
