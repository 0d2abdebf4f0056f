"""What WhatsApp reports about messages of ours, and about itself.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
"""

from __future__ import annotations

from typing import Any

from conserje.messaging.v1 import event_pb2 as pb

from gateway.jsonbody import Json
from gateway.values import items, mapping, text

STATES: dict[str, pb.DeliveryState.ValueType] = {
    "sent": pb.DELIVERY_STATE_SENT,
    "delivered": pb.DELIVERY_STATE_DELIVERED,
    "read": pb.DELIVERY_STATE_READ,
    "failed": pb.DELIVERY_STATE_FAILED,
    "played": pb.DELIVERY_STATE_PLAYED,
    "deleted": pb.DELIVERY_STATE_DELETED,
    "warning": pb.DELIVERY_STATE_WARNING,
}
"""Meta's words for what happens to a message."""

_STATUS_KEYS = frozenset(
    {
        "biz_opaque_callback_data",
        "conversation",
        "errors",
        "id",
        "pricing",
        "recipient_id",
        "recipient_participant_id",
        "recipient_type",
        "recipient_user_id",
        "status",
        "timestamp",
    }
)
_CONVERSATION_KEYS = frozenset({"id", "origin"})


def fill_status(status: pb.MessageStatus, item: Json) -> bool:
    """Set what happened, and whether the event tells all of it."""
    word = text(item["status"])
    status.whatsapp_message_id = text(item.get("id"))
    status.state = STATES.get(word, pb.DELIVERY_STATE_UNSPECIFIED)
    status.recipient_whatsapp_id = text(item.get("recipient_id"))
    status.recipient_user_id = text(item.get("recipient_user_id"))
    status.recipient_type = text(item.get("recipient_type"))
    status.recipient_participant_id = text(item.get("recipient_participant_id"))
    status.biz_opaque_callback_data = text(item.get("biz_opaque_callback_data"))
    if "pricing" in item:
        _pricing(status.pricing, mapping(item["pricing"]))
    conversation = mapping(item.get("conversation"))
    status.conversation_id = text(conversation.get("id"))
    origin = mapping(conversation.get("origin"))
    status.conversation_origin_type = text(origin.get("type"))
    add_errors(status.errors, item.get("errors"))
    return (
        word in STATES and item.keys() <= _STATUS_KEYS and conversation.keys() <= _CONVERSATION_KEYS
    )


def _pricing(told: pb.Pricing, pricing: Json) -> None:
    told.pricing_model = text(pricing.get("pricing_model"))
    told.type = text(pricing.get("type"))
    told.category = text(pricing.get("category"))
    if pricing.get("billable") is not None:
        told.billable = bool(pricing["billable"])


def add_errors(told: Any, errors: Any) -> None:
    """Append the errors of an item to a repeated field."""
    for error in items(errors):
        fill_error(told.add(), error)


def fill_error(told: pb.WhatsAppError, error: Json) -> None:
    """Set one error as Meta reports it."""
    told.code = int(text(error["code"]))
    told.title = text(error.get("title"))
    told.message = text(error.get("message"))
    told.details = text(mapping(error.get("error_data")).get("details"))
    told.href = text(error.get("href"))
