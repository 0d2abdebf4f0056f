"""The 24 hours in which a guest may be written to freely, seen from a message that leaves.

Outside them WhatsApp takes nothing but approved templates. A message then
leaves as the hotel's template, which tells its words; where there is none, or
it cannot tell them, the message is held until the guest writes. WhatsApp has
the last word on whether the window is open.
https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

from __future__ import annotations

from typing import Any

import orjson
import structlog

from meshkit.errors import InvalidArgument
from services.messaging.metrics import MessagingMetrics
from services.messaging.opaque import make_opaque
from services.messaging.replies import limits
from services.messaging.store.outbox import OutboxStore, Sending
from services.messaging.store.templates import TemplateStore
from services.messaging.store.window import WindowStore
from services.messaging.templates.model import APPROVED, Given, components_of, needs_of
from services.messaging.whatsapp.build import parts
from services.messaging.whatsapp.client import Refused
from services.messaging.whatsapp.codes import WINDOW_CODE, Reaction
from services.messaging.whatsapp.sends import Template

TEXT = "{text}"
"""Stands for the words of the message in the parameters of the hotel's template."""

FINAL = (Reaction.NEVER, Reaction.LATER, Reaction.CHANGE_FORM)

log = structlog.get_logger()


class _NoFormError(Exception):
    """Why a message has no form for a shut window."""


class Window:
    """Says in which form a message leaves, and takes what WhatsApp says of the window."""

    def __init__(
        self,
        outbox: OutboxStore,
        windows: WindowStore,
        templates: TemplateStore,
        metrics: MessagingMetrics,
    ) -> None:
        self._outbox = outbox
        self._windows = windows
        self._templates = templates
        self._metrics = metrics

    async def form(self, message: Sending) -> bytes | None:
        """What leaves for `message`, without the recipient; None when it is held."""
        if not message.whatsapp_id and not message.user_id:
            await self._hold(message, 0, "NO_ADDRESS")
            return None
        if _is_free(message):
            return _own_body(message)
        if message.stands_for is not None:
            await self._outbox.shut(message)
        try:
            body = await self._as_template(message)
        except _NoFormError as why:
            await self._hold(message, WINDOW_CODE, str(why))
            return None
        await self._outbox.send_as(message, "template")
        self._metrics.sends.labels("reformed").inc()
        return body

    async def _as_template(self, message: Sending) -> bytes:
        tenant_id = message.tenant_id
        template = await self._windows.template(tenant_id)
        if template is None:
            raise _NoFormError("NO_TEMPLATE")
        known = await self._templates.find(tenant_id, template.name, template.language_code)
        if known is None or known.row.status != APPROVED:
            raise _NoFormError("TEMPLATE_NOT_APPROVED")
        words = words_of(message.body)
        if words is None:
            raise _NoFormError("NO_WORDS")
        values = [value.replace(TEXT, words) for value in orjson.loads(template.parameters)]
        needs = needs_of(known.row.components, known.row.parameter_format)
        try:
            components = components_of(needs, Given(body=values))
        except InvalidArgument as error:
            raise _NoFormError("TOO_LONG") from error
        (part,) = parts(Template(template.name, template.language_code, components))
        return part.body(make_opaque(tenant_id, message.outbox_id))

    async def took(self, message: Sending, refusal: Refused) -> bool:
        """Whether a refusal is about the window or the template; then it is dealt with."""
        if message.kind == "template" or refusal.reaction not in FINAL:
            return False
        if _is_free(message):
            if refusal.code != WINDOW_CODE:
                return False
            await self._outbox.too_late(message, refusal.code, refusal.detail)
            self._metrics.sends.labels("retry").inc()
            return True
        await self._hold(message, refusal.code, "TEMPLATE_REFUSED")
        return True

    async def _hold(self, message: Sending, code: int, reason: str) -> None:
        await self._outbox.hold(message, code, reason)
        self._metrics.sends.labels("held").inc()
        log.warning("message held", code=code, reason=reason, outbox_id=str(message.outbox_id))


def words_of(body: bytes) -> str | None:
    """The words of a stored message on one line, as a parameter of a template may hold them.

    What could be tapped is named behind them. None for what is no words, such as a file.
    """
    message: dict[str, Any] = orjson.loads(body)
    content = message[message["type"]]
    if message["type"] == "text":
        return limits.line(content["body"])
    if message["type"] != "interactive" or "body" not in content:
        return None
    words = limits.line(content["body"]["text"])
    titles = " / ".join(_titles(content["action"]))
    return f"{words} ({titles})" if titles else words


def _titles(action: dict[str, Any]) -> list[str]:
    rows = [row for section in action.get("sections", ()) for row in section.get("rows", ())]
    buttons = [button["reply"] for button in action.get("buttons", ())]
    return [choice["title"] for choice in (*rows, *buttons)]


def _is_free(message: Sending) -> bool:
    return message.kind == "template" or message.window_open


def _own_body(message: Sending) -> bytes:
    """The body as it was stored; what stands for another message was stored with its id."""
    if message.stands_for is None:
        return message.body
    whole: dict[str, Any] = orjson.loads(message.body)
    whole["biz_opaque_callback_data"] = make_opaque(message.tenant_id, message.outbox_id)
    return orjson.dumps(whole)
