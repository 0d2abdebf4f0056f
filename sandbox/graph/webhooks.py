"""Webhook bodies as Meta writes them.

Shapes: "Webhooks reference" of the Cloud API and `tests/data/meta/webhooks`.
"""

import hashlib
import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from sandbox.graph.records import Accepted, new_wamid
from sandbox.graph.settings import Number

SIGNATURE_HEADER = "X-Hub-Signature-256"
_ARRAYS = ("messages", "statuses")


@dataclass(frozen=True)
class Item:
    """One message or status on its way to the gateway."""

    number: Number
    kind: str
    """`messages` or `statuses`: the array it goes to; else the account's field that changed."""
    content: dict[str, Any]
    contact: dict[str, Any] | None = None
    lane: str = ""
    """Items of one lane are delivered one after the other; the empty lane keeps no order."""
    key: str = field(default_factory=new_wamid)
    """Names the item in the journal."""


def signature(secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256` for exactly these bytes."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def envelope(items: Iterable[Item]) -> dict[str, Any]:
    """One webhook with all the items: an entry per account, a change per number."""
    by_account = sorted(items, key=lambda item: (item.number.waba_id, item.number.phone_number_id))
    entries = [
        {"id": waba_id, "time": int(time.time()), "changes": _changes(list(entry_items))}
        for waba_id, entry_items in groupby(by_account, key=attrgetter("number.waba_id"))
    ]
    return {"object": "whatsapp_business_account", "entry": entries}


def account_item(number: Number, field: str, value: dict[str, Any]) -> Item:
    """The news that a field of an account has changed; `number` is one of the account."""
    return Item(number, field, value)


def status_item(
    number: Number, sent: Accepted, status: str, error: dict[str, Any] | None = None
) -> Item:
    """The news that a message of ours was sent, delivered, read or has failed."""
    content: dict[str, Any] = {
        "id": sent.wamid,
        "status": status,
        "timestamp": str(int(time.time())),
    }
    if sent.to:
        content["recipient_id"] = sent.to
    user_id = sent.user_id or user_id_of(number, sent.to)
    if error is None:
        content["recipient_user_id"] = user_id
    else:
        content["errors"] = [error]
    if sent.biz_opaque_callback_data:
        content["biz_opaque_callback_data"] = sent.biz_opaque_callback_data
    if status in ("sent", "delivered"):
        content["pricing"] = {
            "billable": True,
            "pricing_model": "PMP",
            "category": "service",
            "type": "regular",
        }
    # Contacts of statuses carry no profile, and those of failed ones are left out.
    contact = None if error else {**({"wa_id": sent.to} if sent.to else {}), "user_id": user_id}
    return Item(number, "statuses", content, contact, key=f"{sent.wamid}:{status}")


def guest_item(number: Number, guest: "Guest", content: dict[str, Any]) -> Item:
    """Something a guest has sent; `content` holds `type` and what belongs to it."""
    message = {"id": new_wamid(), "timestamp": str(int(time.time())), **content}
    if not guest.hides_phone:
        message["from"] = guest.wa_id
    message["from_user_id"] = guest.user_id
    lane = f"{number.phone_number_id}/{guest.wa_id}"
    return Item(number, "messages", message, guest.contact(), lane, key=message["id"])


@dataclass(frozen=True)
class Guest:
    """Someone with WhatsApp; `hides_phone` is a user name without a visible number."""

    wa_id: str
    user_id: str
    name: str = ""
    hides_phone: bool = False

    def contact(self) -> dict[str, Any]:
        """The card that comes with a message of the guest."""
        card: dict[str, Any] = {"profile": {"name": self.name}} if self.name else {}
        if not self.hides_phone:
            card["wa_id"] = self.wa_id
        return {**card, "user_id": self.user_id}


def user_id_of(number: Number, wa_id: str) -> str:
    """The business-scoped id of a guest: another one for every business account."""
    digest = hashlib.sha256(f"{number.waba_id}/{wa_id}".encode()).digest()
    return f"XX.{int.from_bytes(digest[:7], 'big')}"


def _changes(items: list[Item]) -> list[dict[str, Any]]:
    talk = [item for item in items if item.kind in _ARRAYS]
    rest = [item for item in items if item.kind not in _ARRAYS]
    changed = [{"value": item.content, "field": item.kind} for item in rest]
    return [*(_change(of) for of in _by_number(talk)), *changed]


def _by_number(items: list[Item]) -> Iterable[list[Item]]:
    for _, group in groupby(items, key=attrgetter("number.phone_number_id")):
        yield list(group)


def _change(items: list[Item]) -> dict[str, Any]:
    number = items[0].number
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.display_phone_number,
            "phone_number_id": number.phone_number_id,
        },
    }
    contacts: dict[str, dict[str, Any]] = {}
    for item in items:
        if item.contact:
            contacts.setdefault(item.contact["user_id"], {}).update(item.contact)
    if contacts:
        value["contacts"] = list(contacts.values())
    for kind in _ARRAYS:
        contents = [item.content for item in items if item.kind == kind]
        if contents:
            value[kind] = contents
    return {"value": value, "field": "messages"}
