"""From what is to be said to what leaves: always within Meta's limits, nothing lost.

One label too long and WhatsApp refuses the whole message, so everything passes
here before it is stored. What does not fit changes its form (`fitting`); what
comes out is the JSON of the Graph API without its recipient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import orjson

from services.messaging.whatsapp.fitting import fitted
from services.messaging.whatsapp.sends import (
    Buttons,
    Choice,
    Commerce,
    Contacts,
    Flow,
    Header,
    LinkButton,
    Location,
    Media,
    Menu,
    Question,
    Reaction,
    ReadMark,
    Section,
    Send,
    Template,
    Text,
)

_QUESTIONS = {
    "location": ("location_request_message", {"name": "send_location"}),
    "contact": ("request_contact_info", {"name": "request_contact_info"}),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One message as WhatsApp knows it: its type, and what stands under that name."""

    kind: str
    content: Any

    def body(self, opaque: str = "", reply_to: str = "") -> bytes:
        """Its JSON for the Graph API, all but the recipient.

        `opaque` comes back in every status of it; `reply_to` is the wamid that it quotes.
        """
        whole: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "type": self.kind,
            self.kind: self.content,
        }
        # A reaction names its message itself, and may not quote one.
        if reply_to and self.kind != "reaction":
            whole["context"] = {"message_id": reply_to}
        if opaque:
            whole["biz_opaque_callback_data"] = opaque
        return orjson.dumps(whole)


def parts(send: Send) -> list[Part]:
    """The messages that say all of it, in their order."""
    return [_part(one) for one in fitted(send)]


def addressed(body: bytes, whatsapp_id: bytes | None, user_id: bytes | None) -> bytes:
    """The stored JSON with its recipient: a number in `to`, a user id in `recipient`."""
    if whatsapp_id:
        field, value = b'"to"', whatsapp_id
    elif user_id:
        field, value = b'"recipient"', user_id
    else:
        raise ValueError("a mailbox without an address")
    return b"{" + field + b":" + orjson.dumps(value.decode()) + b"," + body[1:]


def read_body(mark: ReadMark) -> bytes:
    """The JSON that marks a message as read."""
    whole: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": mark.message_id,
    }
    if mark.typing:
        whole["typing_indicator"] = {"type": "text"}
    return orjson.dumps(whole)


def _part(send: Send) -> Part:
    match send:
        case Text():
            return Part("text", {"body": send.body, "preview_url": send.preview_url})
        case Media():
            return Part(send.kind, _media(send))
        case Location():
            return Part("location", _location(send))
        case Contacts():
            return Part("contacts", [dict(card) for card in send.cards])
        case Template():
            return Part("template", _template(send))
        case Reaction():
            return Part("reaction", {"message_id": send.message_id, "emoji": send.emoji})
        case Buttons() | Menu() | LinkButton() | Question() | Flow() | Commerce():
            return Part("interactive", _interactive(send))
        case _:
            assert_never(send)


def _media(media: Media) -> dict[str, str]:
    content = {"id": media.id} if media.id else {"link": media.link}
    return content | _present(caption=media.caption, filename=media.filename)


def _location(place: Location) -> dict[str, Any]:
    coordinates = {"latitude": place.latitude, "longitude": place.longitude}
    return coordinates | _present(name=place.name, address=place.address)


def _template(template: Template) -> dict[str, Any]:
    language = {"code": template.language_code}
    if template.deterministic:
        language["policy"] = "deterministic"
    content: dict[str, Any] = {"name": template.name, "language": language}
    if template.components:
        content["components"] = [dict(one) for one in template.components]
    return content


def _interactive(
    send: Buttons | Menu | LinkButton | Question | Flow | Commerce,
) -> dict[str, Any]:
    kind, action = _action(send)
    content: dict[str, Any] = {"type": kind, "action": action}
    if send.body:
        content["body"] = {"text": send.body}
    if not isinstance(send, Question):
        if send.header:
            content["header"] = _header(send.header)
        if send.footer:
            content["footer"] = {"text": send.footer}
    return content


def _action(
    send: Buttons | Menu | LinkButton | Question | Flow | Commerce,
) -> tuple[str, Mapping[str, Any]]:
    match send:
        case Buttons():
            return "button", {"buttons": [_button(choice) for choice in send.choices]}
        case Menu():
            sections = [_section(one) for one in send.sections]
            return "list", {"button": send.button, "sections": sections}
        case LinkButton():
            parameters = {"display_text": send.title, "url": send.url}
            return "cta_url", {"name": "cta_url", "parameters": parameters}
        case Question():
            return _QUESTIONS[send.asks_for]
        case Flow():
            return "flow", {"name": "flow", "parameters": _flow(send)}
        case Commerce():
            return send.kind, send.action
        case _:
            assert_never(send)


def _button(choice: Choice) -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": choice.id, "title": choice.title}}


def _section(section: Section) -> dict[str, Any]:
    rows = [_row(row) for row in section.rows]
    return _present(title=section.title) | {"rows": rows}


def _row(row: Choice) -> dict[str, str]:
    return {"id": row.id, "title": row.title} | _present(description=row.description)


def _flow(flow: Flow) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "flow_message_version": "3",
        "flow_token": flow.token,
        "flow_cta": flow.title,
        **_present(flow_id=flow.flow_id, flow_name=flow.flow_name),
    }
    if flow.draft:
        parameters["mode"] = "draft"
    if flow.screen:
        payload: dict[str, Any] = {"screen": flow.screen}
        if flow.data:
            payload["data"] = dict(flow.data)
        parameters |= {"flow_action": "navigate", "flow_action_payload": payload}
    return parameters


def _header(header: Header) -> dict[str, Any]:
    if isinstance(header, Media):
        return {"type": header.kind, header.kind: _media(header)}
    return {"type": "text", "text": header}


def _present(**fields: str) -> dict[str, Any]:
    """Only what is there: WhatsApp refuses empty strings."""
    return {name: value for name, value in fields.items() if value}
