"""Everything that can be sent over WhatsApp, as one type.

A send may be longer or have more buttons than WhatsApp takes: `build` finds a
form that loses nothing. What no form can carry (an id that is too long, a place
off the map) is an error of ours, raised here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.messaging.replies import limits

MediaKind = Literal["image", "audio", "video", "document", "sticker"]
CAPTIONED = ("image", "video", "document")

LONGEST_ID = 512
"""Bytes of a wamid, a media id, a flow token: what Meta writes is far shorter."""
LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Media:
    """A file: by the id of an upload, which is faster, or by a link that Meta fetches."""

    kind: MediaKind
    id: str = ""
    link: str = ""
    caption: str = ""
    filename: str = ""
    """Only documents have one."""

    def __post_init__(self) -> None:
        if bool(self.id) == bool(self.link):
            raise ValueError("a file has an id or a link")
        _check_length("id", self.id, LONGEST_ID, least=0)
        _check_length("link", self.link, LONGEST_URL, least=0)
        if self.filename and self.kind != "document":
            raise ValueError("only documents have a file name")


Header = str | Media
"""Above the body of an interactive message: words, or an image, a video, a document."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    body: str
    preview_url: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A button, or a row of a list; the id comes back when it is tapped."""

    id: str
    title: str
    description: str = ""
    """Only rows show one."""

    def __post_init__(self) -> None:
        _check_length("id", self.id, limits.BUTTON_ID)


@dataclass(frozen=True, slots=True)
class Buttons:
    """Words with buttons under them."""

    body: str
    choices: Sequence[Choice]
    header: Header = ""
    footer: str = ""

    def __post_init__(self) -> None:
        _check_choices(self.choices)
        _check_header(self.header)


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of a list under a common title."""

    rows: Sequence[Choice]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """Words with a button that opens a list. Ids of rows have 200 bytes at most."""

    body: str
    button: str
    sections: Sequence[Section]
    header: str = ""
    footer: str = ""

    def __post_init__(self) -> None:
        _check_choices([row for section in self.sections for row in section.rows])
        for section in self.sections:
            for row in section.rows:
                _check_length("id of a row", row.id, limits.ROW_ID)


@dataclass(frozen=True, slots=True)
class LinkButton:
    """Words with a button that opens a page."""

    body: str
    title: str
    url: str
    header: Header = ""
    footer: str = ""

    def __post_init__(self) -> None:
        _check_length("url", self.url, LONGEST_URL)
        _check_header(self.header)


@dataclass(frozen=True, slots=True)
class Location:
    """A place on the map."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""

    def __post_init__(self) -> None:
        inside = abs(self.latitude) <= 90 and abs(self.longitude) <= 180
        if not inside or not math.isfinite(self.latitude + self.longitude):
            raise ValueError("a place has a latitude up to 90 and a longitude up to 180 degrees")


@dataclass(frozen=True, slots=True)
class Question:
    """Words with a button that shares where the guest is, or how to reach them."""

    asks_for: Literal["location", "contact"]
    body: str


@dataclass(frozen=True, slots=True)
class Contacts:
    """Cards of people, each as Meta documents it; `name.formatted_name` is required."""

    cards: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        names = [dict(card.get("name") or {}).get("formatted_name") for card in self.cards]
        if not 1 <= len(names) <= limits.MAX_CARDS or not all(names):
            raise ValueError("1 to 257 cards, each with name.formatted_name")


@dataclass(frozen=True, slots=True)
class Template:
    """A message that Meta has approved: the only kind outside the window of a guest.

    `components` are Meta's own: what is put into header, body and buttons.
    """

    name: str
    language_code: str
    components: Sequence[Mapping[str, Any]] = ()
    deterministic: bool = False
    """Ask for exactly that language, as old templates did."""

    def __post_init__(self) -> None:
        _check_length("name", self.name, LONGEST_ID)
        _check_length("language", self.language_code, 16 * 4)


@dataclass(frozen=True, slots=True)
class Flow:
    """Words with a button that opens a form of Meta's Flows, by the id or the name of it."""

    body: str
    title: str
    token: str
    flow_id: str = ""
    flow_name: str = ""
    screen: str = ""
    data: Mapping[str, Any] | None = None
    draft: bool = False
    header: Header = ""
    footer: str = ""

    def __post_init__(self) -> None:
        if bool(self.flow_id) == bool(self.flow_name):
            raise ValueError("a flow has an id or a name")
        _check_length("token", self.token, LONGEST_ID)
        _check_header(self.header)


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji on a message of the guest; an empty one takes it away."""

    message_id: str
    emoji: str

    def __post_init__(self) -> None:
        _check_length("message_id", self.message_id, LONGEST_ID)
        if limits.width(self.emoji) > limits.EMOJI or (self.emoji and not self.emoji.strip()):
            raise ValueError("one emoji, or none")


CommerceKind = Literal[
    "product", "product_list", "catalog_message", "order_details", "order_status"
]


@dataclass(frozen=True, slots=True)
class Commerce:
    """A product, a list of them, a catalogue, an order: `action` is as Meta documents it."""

    kind: CommerceKind
    action: Mapping[str, Any]
    body: str = ""
    """Required by all but `product`."""
    header: Header = ""
    footer: str = ""

    def __post_init__(self) -> None:
        _check_header(self.header)


Send = (
    Text
    | Media
    | Buttons
    | Menu
    | LinkButton
    | Location
    | Question
    | Contacts
    | Template
    | Flow
    | Reaction
    | Commerce
)


@dataclass(frozen=True, slots=True)
class ReadMark:
    """The two blue ticks under a message of the guest, and under all before it.

    `typing` also shows that an answer is being written, for 25 s or until it comes.
    """

    message_id: str
    typing: bool = False


def _check_length(what: str, value: str, most: int, *, least: int = 1) -> None:
    """An id that were cut would come back as another: it has to be short from the start."""
    if not least <= len(value.encode(errors="replace")) <= most:
        raise ValueError(f"{what}: {least} to {most} bytes")


def _check_choices(choices: Sequence[Choice]) -> None:
    if not choices or len({choice.id for choice in choices}) < len(choices):
        raise ValueError("at least one choice, each with an id of its own")


def _check_header(header: Header) -> None:
    if isinstance(header, Media) and header.kind not in CAPTIONED:
        raise ValueError("a header is words, an image, a video or a document")
