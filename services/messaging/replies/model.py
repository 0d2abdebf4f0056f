"""The messages that a conversation can send; none can be built that WhatsApp refuses."""

from dataclasses import dataclass

from services.messaging.replies import limits


@dataclass(frozen=True)
class Text:
    """Words. `holds_code`: it tells a reservation code and is not blindly sent again."""

    body: str
    holds_code: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", _body(self.body, limits.TEXT_BODY))


@dataclass(frozen=True)
class Button:
    """A button; the title is ours, the id comes back when it is tapped."""

    id: str
    title: str

    def __post_init__(self) -> None:
        _check_id(self.id, limits.BUTTON_ID)
        object.__setattr__(self, "title", _label(self.title, limits.BUTTON_TITLE))


@dataclass(frozen=True)
class Buttons:
    """Words with one to three buttons under them."""

    body: str
    buttons: tuple[Button, ...]
    holds_code: bool = False

    def __post_init__(self) -> None:
        titles = {button.title for button in self.buttons}
        if not 1 <= len(self.buttons) <= limits.MAX_BUTTONS or len(titles) < len(self.buttons):
            raise ValueError("one to three buttons, each with a title of its own")
        object.__setattr__(self, "body", _body(self.body, limits.BUTTONS_BODY))


@dataclass(frozen=True)
class Row:
    """A row of a list; the id comes back when it is tapped."""

    id: str
    title: str
    description: str = ""

    def __post_init__(self) -> None:
        _check_id(self.id, limits.ROW_ID)
        object.__setattr__(self, "title", _label(self.title, limits.ROW_TITLE))
        description = limits.fit(limits.line(self.description), limits.ROW_DESCRIPTION)
        object.__setattr__(self, "description", description)


@dataclass(frozen=True)
class ListMenu:
    """Words with a button that opens a list of one to ten rows."""

    body: str
    button: str
    rows: tuple[Row, ...]
    holds_code: bool = False

    def __post_init__(self) -> None:
        ids = {row.id for row in self.rows}
        if not 1 <= len(self.rows) <= limits.MAX_ROWS or len(ids) < len(self.rows):
            raise ValueError("one to ten rows, each with an id of its own")
        object.__setattr__(self, "body", _body(self.body, limits.LIST_BODY))
        object.__setattr__(self, "button", _label(self.button, limits.LIST_BUTTON))


Reply = Text | Buttons | ListMenu


def _body(text: str, limit: int) -> str:
    return _shown(limits.clean(text), limit)


def _label(text: str, limit: int) -> str:
    return _shown(limits.line(text), limit)


def _shown(text: str, limit: int) -> str:
    """The text within the limit; a sign where nothing could be seen, which WhatsApp refuses."""
    return limits.fit(text, limit) if limits.shows(text) else limits.ELLIPSIS


def _check_id(reply_id: str, limit: int) -> None:
    """An id that were cut would come back as another: it has to be short from the start."""
    if not 1 <= len(reply_id.encode()) <= limit:
        raise ValueError(f"an id of 1 to {limit} bytes")
