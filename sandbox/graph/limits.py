"""What the send endpoint accepts: Meta's limits for every kind of message.

One label over its limit and the whole message is refused, as Meta does it. Codes: 131008 for
what is missing, 131009 for a value out of its bounds, 100 for what has the wrong type.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.graph.errors import PARAMETER_INVALID, REQUIRED_MISSING, VALUE_INVALID, GraphError

MAX_CALLBACK_DATA = 512
_PHONE = re.compile(r"\+?[0-9][0-9() -]{4,24}")


class Place:
    """One place in a request body; its refusals name it."""

    def __init__(self, value: object, path: str) -> None:
        self.value = value
        self.path = path

    def __truediv__(self, key: str) -> "Place":
        """The member of that name; absent ones are places too."""
        if self.value is not None and not isinstance(self.value, Mapping):
            raise GraphError(PARAMETER_INVALID, f"{self.path} must be an object")
        members: Mapping[str, object] = self.value or {}
        return Place(members.get(key), f"{self.path}.{key}".removeprefix("."))

    def required(self) -> "Place":
        """Itself; refused when absent."""
        if self.value is None:
            raise GraphError(REQUIRED_MISSING, f"Parameter {self.path} is required")
        return self

    def text(self, most: int, least: int = 1) -> str:
        """A required string of `least` to `most` characters."""
        value = self.required().value
        if not isinstance(value, str):
            raise GraphError(PARAMETER_INVALID, f"{self.path} must be a string")
        if not least <= len(value) <= most:
            raise self._bounds("length", least, most)
        return value

    def text_if_any(self, most: int) -> None:
        """A string of up to `most` characters, or nothing."""
        if self.value is not None:
            self.text(most, 0)

    def entries(self, most: int, least: int = 1) -> list["Place"]:
        """A required array of `least` to `most` places."""
        value = self.required().value
        if not isinstance(value, list):
            raise GraphError(PARAMETER_INVALID, f"{self.path} must be an array")
        if not least <= len(value) <= most:
            raise self._bounds("count", least, most)
        return [Place(entry, f"{self.path}[{index}]") for index, entry in enumerate(value)]

    def number(self, least: float, most: float) -> None:
        """A required number, also one written as a string."""
        value = self.required().value
        try:
            fits = least <= float(str(value)) <= most
        except ValueError:
            fits = False
        if not fits:
            raise self._bounds("value", least, most)

    def choice(self, *allowed: str) -> str:
        """A required string out of a few."""
        value = self.required().value
        if value not in allowed:
            raise GraphError(PARAMETER_INVALID, f"{self.path} must be one of {', '.join(allowed)}")
        return str(value)

    def _bounds(self, what: str, least: float, most: float) -> GraphError:
        return GraphError(
            VALUE_INVALID, f"{self.path} {what} invalid. Min {what}: {least}, Max {what}: {most}"
        )


def check_send(body: Mapping[str, Any]) -> None:
    """Refuses, as `GraphError`, a body that Meta would refuse."""
    root = Place(body, "")
    (root / "messaging_product").choice("whatsapp")
    _check_recipient(root)
    (root / "biz_opaque_callback_data").text_if_any(MAX_CALLBACK_DATA)
    if (root / "context").value is not None:
        (root / "context" / "message_id").text(512)
    kind = _kind_of(root, body)
    _KINDS[kind]((root / kind).required())


def recipient_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """The phone number (digits) and the business-scoped user id; one of them is empty."""
    to = re.sub(r"[^0-9]", "", str(body.get("to") or ""))
    return to, "" if to else str(body.get("recipient") or "")


def _kind_of(root: Place, body: Mapping[str, Any]) -> str:
    """`type`; one of Meta's own examples leaves it out and is known by its member."""
    if body.get("type") is None:
        return next((kind for kind in _KINDS if kind in body), "text")
    return (root / "type").choice(*_KINDS)


def _check_recipient(root: Place) -> None:
    if (root / "recipient_type").value is not None:
        (root / "recipient_type").choice("individual", "group")
    if (root / "to").value is None and (root / "recipient").value is not None:
        (root / "recipient").text(132)
        return
    if not _PHONE.fullmatch((root / "to").text(64)):
        raise GraphError(VALUE_INVALID, "to is not a phone number")


def _text(text: Place) -> None:
    (text / "body").text(4096)


def _media(caption: int = 1024) -> Callable[[Place], None]:
    def check(media: Place) -> None:
        if (media / "id").value is None:
            (media / "link").text(2048)
        (media / "caption").text_if_any(caption)

    return check


def _location(location: Place) -> None:
    (location / "latitude").number(-90, 90)
    (location / "longitude").number(-180, 180)


def _contacts(contacts: Place) -> None:
    for contact in contacts.entries(257):
        (contact / "name" / "formatted_name").text(1024)


def _reaction(reaction: Place) -> None:
    (reaction / "message_id").text(512)
    (reaction / "emoji").text(16, 0)


def _template(template: Place) -> None:
    (template / "name").text(512)
    (template / "language" / "code").text(64)


def _interactive(interactive: Place) -> None:
    kind = (interactive / "type").choice(*_INTERACTIVE)
    (interactive / "footer" / "text").text_if_any(60)
    _INTERACTIVE[kind](interactive)


def _header(interactive: Place, *allowed: str) -> None:
    header = interactive / "header"
    if header.value is not None and (header / "type").choice("text", *allowed) == "text":
        (header / "text").text(60)


def _buttons(interactive: Place) -> None:
    _header(interactive, "image", "video", "document")
    (interactive / "body" / "text").text(1024)
    titles = []
    for button in (interactive / "action" / "buttons").entries(3):
        (button / "type").choice("reply")
        (button / "reply" / "id").text(256)
        titles.append((button / "reply" / "title").text(20))
    if len(set(titles)) != len(titles):
        raise GraphError(VALUE_INVALID, "interactive.action.buttons titles must be unique")


def _list(interactive: Place) -> None:
    _header(interactive)
    (interactive / "body" / "text").text(4096)
    (interactive / "action" / "button").text(20)
    sections = (interactive / "action" / "sections").entries(10)
    rows = [row for section in sections for row in (section / "rows").entries(10)]
    if len(rows) > 10:
        raise GraphError(VALUE_INVALID, "interactive.action.sections: total row count exceeds 10")
    for section in sections:
        # A title is needed as soon as there are sections to tell apart.
        (section / "title").text(24) if len(sections) > 1 else (section / "title").text_if_any(24)
    ids = [_row(row) for row in rows]
    if len(set(ids)) != len(ids):
        raise GraphError(VALUE_INVALID, "interactive.action.sections: row ids must be unique")


def _row(row: Place) -> str:
    (row / "title").text(24)
    (row / "description").text_if_any(72)
    return (row / "id").text(200)


def _cta_url(interactive: Place) -> None:
    _header(interactive, "image", "video", "document")
    (interactive / "body" / "text").text(1024)
    (interactive / "action" / "parameters" / "display_text").text(20)
    (interactive / "action" / "parameters" / "url").text(2048)


def _asks(interactive: Place) -> None:
    (interactive / "body" / "text").text(1024)


def _acts(interactive: Place) -> None:
    (interactive / "action").required()


_INTERACTIVE: dict[str, Callable[[Place], None]] = {
    "button": _buttons,
    "list": _list,
    "cta_url": _cta_url,
    "location_request_message": _asks,
    "request_contact_info": _asks,
    "address_message": _asks,
    "call_permission_request": _acts,
    "flow": _acts,
    "product": _acts,
    "product_list": _acts,
    "catalog_message": _acts,
    "order_details": _acts,
    "order_status": _acts,
    "carousel": _acts,
}

_KINDS: dict[str, Callable[[Place], None]] = {
    "text": _text,
    "image": _media(),
    "video": _media(),
    "audio": _media(),
    "document": _media(),
    "sticker": _media(),
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "template": _template,
    "interactive": _interactive,
}
