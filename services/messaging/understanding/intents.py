"""What a guest wants, told by words and by how the text begins."""

import re

from services.messaging.understanding.meaning import Intent
from services.messaging.understanding.vocabulary import LONG_MONTH
from services.messaging.understanding.words import listed, tokens

_SIGNS_OF_YES = {"\U0001f44d", "\u2705"}
# A yes sells a room and a no gives one back, so both are believed only when the text says
# nothing else: every word of it has to be one of these.
_YES = listed(
    """
    si sip claro ok okay okey vale va dale yes yep yeah sure perfecto perfect listo correcto
    adelante bueno venga confirm confirmo confirma confirmar confirmala confirmada confirmed
    acepto reservala reservalo reservamela
    """
)
_NO = listed("no nop nope nah tampoco not")
_WITH_YES = listed(
    """
    por favor please gracias thanks thank you muchas much supuesto of course la el lo los the it
    that esa this de acuerdo quiero i want to do would like me quedo take ll my mi reserva booking
    reservation habitacion room go ahead book sounds good works all right todo bien muy very
    """
)
_WITH_NO = listed(
    """
    gracias thanks thank you por favor please mejor la lo the it quiero i want now ahora this esa
    ya muchas
    """
)

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
            r"|stay\w*|week|semana|mes|month|navidad\w*|christmas|nochevieja|new year|holidays?"
            rf"|vacaciones|puente|pascua|easter|{LONG_MONTH}|quedarme|quedarnos|search|buscar|busco)\b"
        ),
        Intent.CANCEL: (
            r"\b(?:cancel\w*|anul\w*|ya no (?:la |lo )?quiero|dejalo|olvidalo|never ?mind"
            r"|forget it|stop|liberar|liberala|sueltala|release|drop it)\b"
        ),
        Intent.SHOW_RESERVATION: (
            rf"\b(?:mi|mis|my|our|nuestra|ver(?: la)?|see(?: the)?|show(?: me)?(?: the)?)"
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
_STAYING = re.compile(
    r"\b(?:reserv\w*|book\w*|habitaci\w*|rooms?|cuartos?|dobles?|doubles?|suites?|triples?"
    r"|individual(?:es)?|singles?|twins?|disponib\w*|availab\w*|libres?|vacanc\w*|tarifas?"
    r"|rates?|(?:precios?|prices?)(?! del?\b| of\b| tiene\b)|aloj\w*|hosped\w*|stay\w*|quedar\w*"
    r"|quedo|quedamos|(?<!como )lleg(?:o|amos)|arriving|busc(?:o|ar|amos)|search"
    r"|sitio|(?:hay|tien\w+|teneis) algo|have anything|qui?er\w+ (?:ir|venir)|want to come"
    r"|(?:\d+|una?|an?)[ -](?:noches?|nights?|semanas?|weeks?))\b"
)
_CANCEL_BOOKING = re.compile(
    rf"\b(?:cancel\w*|anul\w*)\b.{{0,30}}\b{_BOOKING}\b|\b{_BOOKING}\b.{{0,30}}\b(?:cancel|anul)"
)
_CANCEL_WORD = re.compile(r"\b(?:cancel|anul)\w*")
_NOT_CANCEL = re.compile(
    r"\b(?:no|not|nunca|never|don'?t|dont|sin)\b(?:\s+\w+){0,3}\s+(?:cancel|anul)"
)
_PHRASES_OF_YES = re.compile(
    r"\b(?:de acuerdo|por supuesto|of course|go ahead|book it|la quiero|lo quiero|me la quedo"
    r"|i'?ll take it|sounds good|that works)\b"
)


def read(plain: str) -> frozenset[Intent]:
    """Everything that a normal text may ask for."""
    found = {intent for intent, pattern in _PATTERNS.items() if pattern.search(plain)}
    found |= _yes_or_no(plain)
    if _CANCEL_BOOKING.search(plain):
        found |= {Intent.CANCEL, Intent.CANCEL_RESERVATION}
    if Intent.CANCEL in found and _NOT_CANCEL.search(plain):
        found -= {Intent.CANCEL, Intent.CANCEL_RESERVATION, Intent.DENY}
        found.add(Intent.KEEP)
    if Intent.CANCEL in found and Intent.AFFIRM in _yes_or_no(_CANCEL_WORD.sub(" ", plain)):
        found.add(Intent.CANCEL_SURE)
    return frozenset(found)


def names_staying(plain: str) -> bool:
    """Whether a normal text has a word of rooms, nights or arriving."""
    return bool(_STAYING.search(plain))


def _yes_or_no(plain: str) -> set[Intent]:
    words = set(tokens(plain)) | set(_SIGNS_OF_YES & set(plain))
    if not words or "?" in plain:
        return set()
    if words & _NO:
        return {Intent.DENY} if words <= _NO | _WITH_NO else set()
    said = words & (_YES | _SIGNS_OF_YES) or _PHRASES_OF_YES.search(plain)
    return {Intent.AFFIRM} if said and words <= _YES | _WITH_YES | _SIGNS_OF_YES else set()
