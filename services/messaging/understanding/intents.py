"""What a guest wants, told by words and by how the text begins."""

import re

from services.messaging.understanding.meaning import Intent
from services.messaging.understanding.words import listed, tokens

_AT_START = {
    Intent.AFFIRM: listed(
        """
        si sip claro ok okay okey vale va dale yes yep yeah sure perfecto perfect listo correcto
        adelante bueno venga
        """
    ),
    Intent.DENY: listed("no nop nope nah"),
}
# Longer than this, a text that begins with "si" or "ok" is about something else.
_SHORT_ANSWER = 6

_BOOKING = r"(?:reservas?|reservaci(?:on|ones)|bookings?|reservations?)"
_PATTERNS = {
    intent: re.compile(pattern)
    for intent, pattern in {
        Intent.GREET: (
            r"^\W*(?:hola|holi|buenas|buenos dias|buen dia|saludos|que tal|hello|hi|hey|hiya"
            r"|good (?:morning|afternoon|evening|day)|greetings)\b"
        ),
        Intent.HELP: (
            r"\b(?:ayuda|ayudame|help|menu|opciones|options|que puedes hacer|what can you do"
            r"|como funciona|how does (?:this|it) work|info|informacion|information)\b"
        ),
        Intent.BOOK: (
            r"\b(?:reserv\w*|book\w*|habitaci\w*|rooms?|cuartos?|disponib\w*|availab\w*|precios?"
            r"|prices?|tarifas?|rates?|cuesta|how much|libres?|free|vacanc\w*|aloj\w*|hosped\w*"
            r"|stay\w*|quedarme|quedarnos|search|buscar|busco)\b"
        ),
        Intent.AFFIRM: (
            r"\b(?:confirm|confirmo|confirma|confirmar|confirmada|confirmed|adelante|acepto"
            r"|de acuerdo|go ahead|book it|reservala|reservalo|la quiero|lo quiero|me la quedo"
            r"|i'?ll take it|sounds good|that works|por supuesto|of course)\b|\U0001f44d|\u2705"
        ),
        Intent.DENY: r"\b(?:mejor no|no gracias|no thanks|tampoco|not now|ahora no)\b",
        Intent.CANCEL: (
            r"\b(?:cancel\w*|anul\w*|ya no (?:la |lo )?quiero|dejalo|olvidalo|never ?mind"
            r"|forget it|stop|liberar|liberala|sueltala|release|drop it)\b"
        ),
        Intent.SHOW_RESERVATION: (
            rf"\b(?:mi|mis|my|our|nuestra|ver(?: la)?|see(?: the)?|show(?: me)?(?: the)?|la|the)"
            rf"\s+{_BOOKING}\b|\b(?:codigo|code|localizador)\b"
            rf"|\b(?:tengo|have)\b.{{0,20}}\b{_BOOKING}\b"
        ),
        Intent.CHANGE: (
            r"\b(?:cambi\w*|modific\w*|chang\w*|otras? (?:fechas?|habitaci\w*|opci\w*)"
            r"|(?:other|another|different) (?:dates?|rooms?|options?))\b"
        ),
        Intent.RETRY: (
            r"\b(?:reintent\w*|otra vez|de nuevo|again|retry|intent(?:a|ar|alo|emos))\b"
        ),
        Intent.RESTART: (
            r"\b(?:empezar|empecemos|start over|restart|reset|reiniciar|desde cero|from scratch)\b"
        ),
        Intent.THANKS: r"\b(?:gracias|thanks|thank you|thx|ty|merci)\b",
    }.items()
}
_CANCEL_BOOKING = re.compile(
    rf"\b(?:cancel\w*|anul\w*)\b.{{0,30}}\b{_BOOKING}\b|\b{_BOOKING}\b.{{0,30}}\b(?:cancel|anul)"
)
_NOT_CANCEL = re.compile(
    r"\b(?:no|not|nunca|never|don'?t|dont|sin)\b(?:\s+\w+){0,3}\s+(?:cancel|anul)"
)
_NEGATED = re.compile(r"^\W*(?:no|nop|nope|nah)\b|\b(?:don'?t|dont|not|aun no|todavia no)\b")


def read(plain: str) -> frozenset[Intent]:
    """Everything that a normal text may ask for."""
    found = {intent for intent, pattern in _PATTERNS.items() if pattern.search(plain)}
    found |= _by_first_word(plain)
    if _CANCEL_BOOKING.search(plain):
        found |= {Intent.CANCEL, Intent.CANCEL_RESERVATION}
    if Intent.CANCEL in found and _NOT_CANCEL.search(plain):
        found -= {Intent.CANCEL, Intent.CANCEL_RESERVATION}
    if _NEGATED.search(plain):
        found.discard(Intent.AFFIRM)
    return frozenset(found)


def _by_first_word(plain: str) -> set[Intent]:
    words = tokens(plain)
    if not words or len(words) > _SHORT_ANSWER:
        return set()
    return {intent for intent, first_words in _AT_START.items() if words[0] in first_words}
