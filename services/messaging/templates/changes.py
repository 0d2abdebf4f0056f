"""What Meta's webhooks say of templates: applied as they come, then read again.

They name no time of their own and may overtake each other, so that the account
is read shortly after: what Meta answers then is how it stands.
"""

from __future__ import annotations

from typing import Any

import orjson

from services.messaging.store.fields import TemplateChange

STATUS = "message_template_status_update"
QUALITY = "message_template_quality_update"
CATEGORY = "template_category_update"
COMPONENTS = "message_template_components_update"
FIELDS = (STATUS, QUALITY, CATEGORY, COMPONENTS)

# A flag is a warning and no status; who is reinstated is approved again.
_NO_STATUS = ("FLAGGED",)
_STATUS_OF = {"REINSTATED": "APPROVED", "UNPAUSED": "APPROVED"}


def change_of(field: str, raw: bytes) -> TemplateChange | None:
    """What a webhook of that field says; None when it names no template."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict) or not (template_id := _word(value, "message_template_id")):
        return None
    if field == STATUS:
        event = _word(value, "event")
        if not event or event in _NO_STATUS:
            return TemplateChange(template_id)
        reason = _word(value, "reason")
        return TemplateChange(
            template_id,
            status=_STATUS_OF.get(event, event),
            reason="" if reason == "NONE" else reason,
        )
    if field == QUALITY:
        return TemplateChange(template_id, quality=_word(value, "new_quality_score") or None)
    if field == CATEGORY:
        return TemplateChange(template_id, category=_word(value, "new_category") or None)
    return TemplateChange(template_id)


def _word(value: dict[str, Any], key: str) -> str:
    word = value.get(key)
    return str(word).replace("\0", "") if isinstance(word, (str, int)) else ""
