"""Messages of guests: Meta's JSON into `InboundMessage`.

Shapes: facts of the WhatsApp Business Cloud API, webhook field `messages`,
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from conserje.messaging.v1 import event_pb2 as pb

from gateway.jsonbody import Json
from gateway.reports import add_errors
from gateway.values import SHAPE_ERRORS, amount, items, mapping, real, text

_MESSAGE_KEYS = frozenset(
    {
        "context",
        "from",
        "from_parent_user_id",
        "from_user_id",
        "group_id",
        "id",
        "timestamp",
        "type",
    }
)
_MEDIA_KEYS = frozenset({"id", "mime_type", "sha256", "url"})


class Kind(NamedTuple):
    """How one type of message is read."""

    fill: Callable[[pb.InboundMessage, Json], None]
    """Sets the content from the item."""
    item_keys: frozenset[str]
    """Keys of the item that the event tells."""
    content_keys: frozenset[str]
    """Keys of the item's content that the event tells."""


def fill(message: pb.InboundMessage, item: Json) -> bool:
    """Set what the guest sent, and whether the event tells all of it.

    What is not understood leaves the content unset: the message itself stands,
    so that the guest gets an answer.
    """
    content_told = _fill_content(message, item)
    return _fill_origin(message, item) and content_told


def _fill_content(message: pb.InboundMessage, item: Json) -> bool:
    kind = KINDS.get(message.type)
    if kind is None:
        return False
    try:
        kind.fill(message, item)
    except SHAPE_ERRORS:
        _unset_content(message)
        return False
    content = item.get(item["type"])
    return kind.item_keys >= item.keys() and (
        type(content) is not dict or kind.content_keys >= content.keys()
    )


def _fill_origin(message: pb.InboundMessage, item: Json) -> bool:
    try:
        if "context" in item:
            _context(message.context, mapping(item["context"]))
        if "referral" in item:
            _referral(message.referral, mapping(item["referral"]))
        if "group_id" in item:
            message.group_id = text(item["group_id"])
    except SHAPE_ERRORS:
        return False
    return True


def _unset_content(message: pb.InboundMessage) -> None:
    content = message.WhichOneof("content")
    if content:
        message.ClearField(content)


def _context(told: pb.MessageContext, context: Json) -> None:
    product = mapping(context.get("referred_product"))
    told.whatsapp_message_id = text(context.get("id"))
    told.from_whatsapp_id = text(context.get("from"))
    told.forwarded = bool(context.get("forwarded"))
    told.frequently_forwarded = bool(context.get("frequently_forwarded"))
    told.catalog_id = text(product.get("catalog_id"))
    told.product_retailer_id = text(product.get("product_retailer_id"))


def _referral(told: pb.Referral, referral: Json) -> None:
    told.source_url = text(referral.get("source_url"))
    told.source_id = text(referral.get("source_id"))
    told.source_type = text(referral.get("source_type"))
    told.headline = text(referral.get("headline"))
    told.body = text(referral.get("body"))
    told.click_id = text(referral.get("ctwa_clid"))


def _text(message: pb.InboundMessage, item: Json) -> None:
    message.text.body = text(item["text"]["body"])


def _media(kind: pb.MediaKind.ValueType, message: pb.InboundMessage, item: Json) -> None:
    media = item[item["type"]]
    told = message.media
    told.kind = kind
    told.media_id = text(media["id"])
    told.mime_type = text(media.get("mime_type"))
    told.sha256 = text(media.get("sha256"))
    told.caption = text(media.get("caption"))
    told.file_name = text(media.get("filename"))
    # `voice` as a type of its own is how older bodies write a voice note.
    told.voice = item["type"] == "voice" or bool(media.get("voice"))
    told.animated = bool(media.get("animated"))
    told.url = text(media.get("url"))


def _location(message: pb.InboundMessage, item: Json) -> None:
    location = item["location"]
    told = message.location
    told.latitude = real(location["latitude"])
    told.longitude = real(location["longitude"])
    told.name = text(location.get("name"))
    told.address = text(location.get("address"))
    told.url = text(location.get("url"))


def _contacts(message: pb.InboundMessage, item: Json) -> None:
    message.contacts.SetInParent()
    for contact in map(mapping, items(item["contacts"])):
        card = message.contacts.contacts.add()
        card.formatted_name = text(mapping(contact.get("name")).get("formatted_name"))
        for phone in map(mapping, items(contact.get("phones"))):
            _append(card.phone_numbers, text(phone.get("phone")))
            _append(card.whatsapp_ids, text(phone.get("wa_id")))


def _append(texts: Any, value: str) -> None:
    if value:
        texts.append(value)


def _interactive(message: pb.InboundMessage, item: Json) -> None:
    interactive = item["interactive"]
    kind = interactive["type"]
    if kind in ("button_reply", "list_reply"):
        _reply(message.reply, interactive[kind])
    elif kind == "nfm_reply":
        _flow_reply(message.flow_reply, interactive[kind])
    else:
        raise ValueError("an answer of a kind that is not known")


def _reply(told: pb.ReplyContent, reply: Json) -> None:
    told.reply_id = text(reply["id"])
    told.title = text(reply.get("title"))
    told.description = text(reply.get("description"))


def _flow_reply(told: pb.FlowReplyContent, reply: Json) -> None:
    told.name = text(reply.get("name"))
    told.body = text(reply.get("body"))
    told.response_json = text(reply["response_json"])


def _template_button(message: pb.InboundMessage, item: Json) -> None:
    button = mapping(item["button"])
    message.template_button.text = text(button.get("text"))
    message.template_button.payload = text(button.get("payload"))


def _reaction(message: pb.InboundMessage, item: Json) -> None:
    reaction = item["reaction"]
    message.reaction.whatsapp_message_id = text(reaction["message_id"])
    message.reaction.emoji = text(reaction.get("emoji"))


def _order(message: pb.InboundMessage, item: Json) -> None:
    order = item["order"]
    message.order.catalog_id = text(order["catalog_id"])
    message.order.text = text(order.get("text"))
    for product in items(order.get("product_items")):
        told = message.order.items.add()
        told.product_retailer_id = text(product["product_retailer_id"])
        told.quantity = int(text(product["quantity"]))
        told.item_price = amount(product.get("item_price"))
        told.currency_code = text(product.get("currency"))


def _system(message: pb.InboundMessage, item: Json) -> None:
    system = mapping(item["system"])
    told = message.system
    told.body = text(system.get("body"))
    told.type = text(system.get("type"))
    # Older bodies call the new number `new_wa_id`.
    told.new_whatsapp_id = text(system.get("wa_id") or system.get("new_wa_id"))
    told.new_user_id = text(system.get("user_id"))
    told.new_parent_user_id = text(system.get("parent_user_id"))


def _edit(message: pb.InboundMessage, item: Json) -> None:
    edit = mapping(item["edit"])
    changed = mapping(edit.get("message"))
    message.edit.original_whatsapp_message_id = text(edit["original_message_id"])
    message.edit.body = text(mapping(changed.get("text")).get("body"))


def _revoke(message: pb.InboundMessage, item: Json) -> None:
    message.revoke.original_whatsapp_message_id = text(item["revoke"]["original_message_id"])


def _unsupported(message: pb.InboundMessage, item: Json) -> None:
    message.unsupported.SetInParent()
    message.unsupported.type = text(mapping(item.get("unsupported")).get("type"))
    add_errors(message.unsupported.errors, item.get("errors"))


def _kind(
    fill: Callable[[pb.InboundMessage, Json], None], content: str, keys: set[str] | frozenset[str]
) -> Kind:
    return Kind(fill, _MESSAGE_KEYS | {content}, frozenset(keys))


def _media_kind(kind: pb.MediaKind.ValueType, content: str, *keys: str) -> Kind:
    return _kind(partial(_media, kind), content, _MEDIA_KEYS | {*keys})


# Cards, forms and edits hold more than their events tell, so no key of theirs is
# listed as told and the item is always kept as it came.
KINDS: dict[str, Kind] = {
    "text": _kind(_text, "text", {"body"}),
    "image": _media_kind(pb.MEDIA_KIND_IMAGE, "image", "caption"),
    "video": _media_kind(pb.MEDIA_KIND_VIDEO, "video", "caption"),
    "audio": _media_kind(pb.MEDIA_KIND_AUDIO, "audio", "voice"),
    "voice": _media_kind(pb.MEDIA_KIND_AUDIO, "voice", "voice"),
    "document": _media_kind(pb.MEDIA_KIND_DOCUMENT, "document", "caption", "filename"),
    "sticker": _media_kind(pb.MEDIA_KIND_STICKER, "sticker", "animated"),
    "location": _kind(_location, "location", {"latitude", "longitude", "name", "address", "url"}),
    "contacts": Kind(_contacts, frozenset(), frozenset()),
    "interactive": _kind(
        _interactive, "interactive", {"type", "button_reply", "list_reply", "nfm_reply"}
    ),
    "button": _kind(_template_button, "button", {"text", "payload"}),
    "reaction": _kind(_reaction, "reaction", {"message_id", "emoji"}),
    "order": _kind(_order, "order", {"catalog_id", "text", "product_items"}),
    "system": _kind(
        _system,
        "system",
        {"body", "type", "wa_id", "new_wa_id", "user_id", "parent_user_id"},
    ),
    "edit": Kind(_edit, frozenset(), frozenset()),
    "revoke": _kind(_revoke, "revoke", {"original_message_id"}),
    "unsupported": Kind(
        _unsupported, _MESSAGE_KEYS | {"errors", "unsupported"}, frozenset({"type"})
    ),
}
"""Every type of message that has a typed event, by Meta's name."""
