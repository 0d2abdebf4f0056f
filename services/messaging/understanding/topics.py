"""What of the hotel a guest asks about."""

import re

from services.messaging.understanding.meaning import Topic

MOST = 3
"""Topics of one text; who names more gets the first ones."""

_PATTERNS = {
    topic: re.compile(pattern)
    for topic, pattern in {
        Topic.CHECK_IN: (
            r"\bcheck(?:ing)?[- ]?in\b|\bhora de (?:entrada|llegada)\b"
            r"|\b(?:a que hora|desde que hora|what time|when) (?:\w+ ){0,4}"
            r"(?:entrar|entramos|llegar|llegamos|arrive|get in)\b"
            r"|\b(?:entrada temprana|llegar antes|early arrival|arrive (?:early|earlier))\b"
        ),
        Topic.CHECK_OUT: (
            r"\bcheck(?:ing)?[- ]?out\b|\blate check|\bhora de (?:salida|marcharse|dejar)\b"
            r"|\b(?:a que hora|hasta que hora|what time|when) (?:\w+ ){0,4}"
            r"(?:salir|dejar la habitacion|leave|leave the room)\b|\bsalida tard\w+\b"
        ),
        Topic.LOCATION: (
            r"\bdonde (?:esta(?:is|n)?|queda(?:n)?|se encuentra(?:n)?|os encontrais|es)\b"
            r"|\b(?:direccion|ubicacion|ubicad\w+|address|location|located|directions)\b"
            r"|\bcomo (?:llego|llegar|se llega|llegamos)\b"
            r"|\bwhere (?:are you|is (?:it|the hotel))\b"
            r"|\bhow (?:do|can|to) (?:i |we )?(?:get|go) (?:there|to (?:you|the hotel))\b"
        ),
        Topic.HOURS: (
            r"\bhorarios?\b(?! de(?:l)? (?:desayuno|piscina|restaurante))"
            r"|\b(?:opening|business|reception|front desk) (?:hours|times?)\b"
            r"|\b(?:estais|estan|esta|are you|is (?:the )?(?:reception|front desk)|you)"
            r" (?:\w+ ){0,2}(?:abiertos?|abierta|open|closed|cerrad\w+)\b"
            r"|^(?=.*\?).*\b24 ?(?:h|horas|hours)\b"
            r"|\b(?:a que hora|when|what time) (?:\w+ ){0,3}(?:abr\w+|cierr\w+|open|close)\b"
        ),
        Topic.WIFI: r"\b(?:wi-? ?fi|wlan|internet)\b",
        Topic.PARKING: r"\b(?:parking|park|aparcar|aparcamiento|estacionamiento|estacionar|garaje"
        r"|garage|cochera|parqueadero|car park)\b",
        Topic.BREAKFAST: r"\b(?:desayun\w+|breakfasts?)\b",
        Topic.RESTAURANT: (
            r"\b(?:restaurantes?|restaurants?|cenar|cena|cenas|comedor|dinner|lunch"
            r"|almuerzo|media pension|pension completa|half board|full board|meals?)\b"
        ),
        Topic.POOL: r"\b(?:piscinas?|albercas?|pools?|swimming)\b",
        Topic.CANCELLATION: (
            r"\b(?:politicas?|condiciones|gastos|plazo|penalizacion) (?:de|por) (?:cancel|anul)\w+"
            r"|\bcancel\w* (?:policy|fees?|terms|conditions|charges?)\b"
            # Without a question somebody wants it done.
            r"|^(?=.*\?).*\b(?:cancel|anul)\w*\b.{0,25}\b(?:gratis|gratuit\w*|free|cuesta|costs?)\b"
            r"|^(?=.*\?).*\b(?:gratis|gratuit\w*|free|cuesta|costs?)\b.{0,15}\b(?:cancel|anul)\w*"
        ),
        Topic.DEPOSIT: (
            r"\b(?:depositos?|anticipo|senal|fianza|deposits?|down ?payment|prepay\w*"
            r"|por adelantado|in advance)\b"
        ),
        Topic.FITNESS: r"\b(?:gimnasio|gym|spa|sauna|fitness|jacuzzi)\b",
        Topic.PETS: r"\b(?:mascotas?|perr[oa]s?|perritos?|gat[oa]s?|pets?|dogs?|cats?|animales)\b",
        Topic.TRANSPORT: (
            r"\b(?:aeropuerto|airport|taxis?|shuttle|traslados?|transfers?|estacion de tren"
            r"|train station|metro|subway|autobus|bus)\b"
        ),
        Topic.ACCESSIBILITY: (
            r"\b(?:silla de ruedas|wheelchair|accesib\w+|accessib\w+|ascensor|elevador|elevator"
            r"|lift|movilidad reducida|minusvalid\w+|discapacita\w+|disabled)\b"
        ),
        Topic.LUGGAGE: r"\b(?:equipajes?|maletas?|consigna|luggage|suitcases?|bags?|baggage)\b",
        Topic.PAYMENT: (
            r"\b(?:tarjetas?|efectivo|formas? de pago|metodos? de pago|como (?:se )?pag\w+"
            r"|credit cards?|debit cards?|cash|how (?:do|can) (?:i|we) pay|payment methods?|bizum"
            r"|paypal|transferencia)\b"
        ),
        Topic.CHILDREN: r"\b(?:cunas?|cama supletoria|cribs?|cots?|extra bed|high ?chair|trona)\b",
        Topic.CONTACT: (
            r"\b(?:telefono|phone number|correo|e-?mail|contacto|contactar|contact"
            r"|hablar con (?:una persona|alguien|recepcion)|speak (?:to|with)|talk to)\b"
        ),
    }.items()
}


def read(plain: str) -> tuple[Topic, ...]:
    """The topics that a normal text names, in its order."""
    found = {
        topic: match.start()
        for topic, pattern in _PATTERNS.items()
        if (match := pattern.search(plain)) is not None
    }
    return tuple(sorted(found, key=found.__getitem__)[:MOST])
