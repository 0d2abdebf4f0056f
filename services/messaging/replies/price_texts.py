"""What is said of taxes and fees, and of why a room is not sold."""

from services.messaging.replies.phrase import Phrase

TOTAL_INCLUDES = Phrase(es="El total ya incluye: {names}.", en="The total includes: {names}.")
TAX_ADDED = Phrase(es="{name}: {amount}, ya en el total", en="{name}: {amount}, in the total")
TAX_INCLUDED = Phrase(es="{name} incluido: {amount}", en="{name} included: {amount}")

NOT_FREE = Phrase(es="Ya no quedan: {names}.", en="Sold out: {names}.")
TOO_SMALL = Phrase(
    es="Demasiado pequeñas para tu grupo: {names}.", en="Too small for your party: {names}."
)
TOO_SHORT = Phrase(
    es="En esas fechas, {nights} como mínimo: {names}.",
    en="At least {nights} on those dates: {names}.",
)
TOO_LONG = Phrase(
    es="En esas fechas, {nights} como máximo: {names}.",
    en="At most {nights} on those dates: {names}.",
)
NOT_ON_SALE = Phrase(
    es="No se venden esas noches: {names}.", en="Not on sale on those nights: {names}."
)
NO_ARRIVALS = Phrase(es="Sin llegadas ese día: {names}.", en="No arrivals on that day: {names}.")
NO_DEPARTURES = Phrase(es="Sin salidas ese día: {names}.", en="No departures on that day: {names}.")
TOO_SOON = Phrase(
    es="Hay que reservar con {days} de antelación: {names}.",
    en="To be booked {days} ahead: {names}.",
)
DAY = Phrase(es="{count} día", en="{count} day")
DAYS = Phrase(es="{count} días", en="{count} days")
WISH_NOT_SOLD = Phrase(
    es="*{name}* no se puede reservar para esas fechas, lo siento.",
    en="*{name}* cannot be booked for those dates, sorry.",
)
NOTHING_FITS = Phrase(
    es="{stay}, {guests}: lo siento, así no puedo reservarte ninguna habitación.",
    en="{stay}, {guests}: sorry, I cannot book you any room like that.",
)
