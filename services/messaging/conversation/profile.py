"""What a hotel has said about itself, for its guests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.messaging.conversation.hours import Hours
from services.messaging.understanding.meaning import Topic


@dataclass(frozen=True)
class Profile:
    """A hotel's own words and hours. What it did not say is empty or None."""

    address: str = ""
    """On one line."""
    coordinates: tuple[float, float] | None = None
    """Degrees north and east."""
    hours: Hours | None = None
    texts: Mapping[Topic, str] = field(default_factory=dict)
    photos: Mapping[Topic, tuple[str, ...]] = field(default_factory=dict)
    """Links."""
    answers_questions: bool = True
    tells_hours: bool = True
    """Whether guests who are sent to the reception are told when it is open."""
    suspension_answer: str = ""
    """What is said while it is switched off; empty when nothing is."""
