"""What is answered to messages that are no words.

Every kind gets one short answer, a reaction too: a guest who puts a thumb on a
summary may believe that this confirms it, and silence would leave them in that
belief.
"""

from services.messaging.conversation.decision import Decision
from services.messaging.conversation.turn import Turn
from services.messaging.replies import texts

_ANSWERS = {
    "image": texts.SAW_PICTURE,
    "video": texts.SAW_PICTURE,
    "document": texts.SAW_PICTURE,
    "sticker": texts.SAW_PICTURE,
    "audio": texts.HEARD_AUDIO,
    "voice": texts.HEARD_AUDIO,
    "location": texts.GOT_PLACE,
    "contacts": texts.GOT_CONTACT,
    "reaction": texts.GOT_REACTION,
    "order": texts.GOT_ORDER,
    "system": texts.GOT_SYSTEM,
    "revoke": texts.GOT_REVOKE,
    "interactive": texts.GOT_FORM,
    "flow_reply": texts.GOT_FORM,
}


def on_other(turn: Turn, kind: str) -> Decision:
    """Says politely what can be done with it; kinds we never heard of are `unsupported`."""
    return turn.talks_on.say(_ANSWERS.get(kind, texts.GOT_UNSUPPORTED))
