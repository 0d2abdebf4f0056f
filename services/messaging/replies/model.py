"""The messages that a conversation can send, in its own terms.

They may be as long as they like: what WhatsApp does not take as it is changes
its form before it leaves (`services.messaging.whatsapp.fitting`). Only ids have
to be short from the start, for one that were cut would come back as another.
"""

from dataclasses import dataclass

from services.messaging.replies import limits


@dataclass(frozen=True)
class Text:
    """Words. `holds_code`: it tells a reservation code and is not blindly sent again."""

    body: str
    holds_code: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", _shown(limits.clean(self.body)))


@dataclass(frozen=True)
class Button:
    """A button; the title is ours, the id comes back when it is tapped."""

    id: str
    title: str

    def __post_init__(self) -> None:
        _check_id(self.id, limits.BUTTON_ID)
        object.__setattr__(self, "title", _shown(limits.line(self.title)))


@dataclass(frozen=True)
class Buttons:
    """Words with buttons under them."""

    body: str
    buttons: tuple[Button, ...]
    holds_code: bool = False

    def __post_init__(self) -> None:
        ids = {button.id for button in self.buttons}
        if not self.buttons or len(ids) < len(self.buttons):
            raise ValueError("at least one of the buttons, each with an id of its own")
        object.__setattr__(self, "body", _shown(limits.clean(self.body)))


@dataclass(frozen=True)
class Row:
    """A row of a list; the id comes back when it is tapped."""

    id: str
    title: str
    description: str = ""

    def __post_init__(self) -> None:
        _check_id(self.id, limits.ROW_ID)
        object.__setattr__(self, "title", _shown(limits.line(self.title)))
        object.__setattr__(self, "description", limits.line(self.description))


@dataclass(frozen=True)
class ListMenu:
    """Words with a button that opens a list of rows."""

    body: str
    button: str
    rows: tuple[Row, ...]
    holds_code: bool = False

    def __post_init__(self) -> None:
        ids = {row.id for row in self.rows}
        if not self.rows or len(ids) < len(self.rows):
            raise ValueError("at least one of the rows, each with an id of its own")
        object.__setattr__(self, "body", _shown(limits.clean(self.body)))
        object.__setattr__(self, "button", _shown(limits.line(self.button)))


Reply = Text | Buttons | ListMenu


def _shown(text: str) -> str:
    """A sign where nothing could be seen, which WhatsApp refuses."""
    return text if limits.shows(text) else limits.ELLIPSIS


def _check_id(reply_id: str, limit: int) -> None:
    if not 1 <= len(reply_id.encode()) <= limit:
        raise ValueError(f"an id of 1 to {limit} bytes")
