"""What guests are told about the hotel itself, in both languages side by side."""

from services.messaging.replies.phrase import Phrase
from services.messaging.understanding.meaning import Topic

CHECK_IN_FROM = Phrase(es="La entrada es a partir de las {time}.", en="Check-in is from {time} on.")
CHECK_OUT_BY = Phrase(es="La salida es hasta las {time}.", en="Check-out is until {time}.")
LATER_FOR = Phrase(
    es="Hasta las {time} puedes quedarte por {fee}.", en="You may stay until {time} for {fee}."
)
LATER_FREE = Phrase(
    es="Hasta las {time} puedes quedarte sin pagar más.",
    en="You may stay until {time} at no extra cost.",
)
CANCEL_FREE = Phrase(es="Cancelar no cuesta nada.", en="Cancelling is free.")
CANCEL_FREE_UNTIL = Phrase(
    es="Cancelar es gratis hasta {span} antes de la llegada, contando desde las {time}.",
    en="Cancelling is free until {span} before arrival, counted from {time}.",
)
CANCEL_FROM = Phrase(
    es="• Desde {span} antes cuesta {charge}.", en="• From {span} before on it costs {charge}."
)
NO_SHOW = Phrase(
    es="No presentarse cuesta {charge}.", en="Not coming without cancelling costs {charge}."
)
NO_DEPOSIT = Phrase(es="No se pide ningún depósito.", en="No deposit is asked for.")
DEPOSIT = Phrase(
    es="Para que la reserva quede segura se pide un depósito: {charge}, como tarde {span} después "
    "de reservar.",
    en="For the booking to be certain a deposit is asked for: {charge}, at most {span} after you "
    "book.",
)
PERCENT = Phrase(es="el {percent} % del total", en="{percent}% of the total")
PRICE_OF = Phrase(es="el precio de {nights}", en="the price of {nights}")
SOME_DAYS = Phrase(es="{count} días", en="{count} days")
HOUR = Phrase(es="{count} hora", en="{count} hour")
HOURS = Phrase(es="{count} horas", en="{count} hours")
PHOTO = Phrase(es="Foto: {link}", en="Photo: {link}")
ADDRESS = Phrase(es="Estamos en {address}.", en="We are at {address}.")
MAP = Phrase(es="En el mapa: {link}", en="On the map: {link}")
WEEK = Phrase(es="Horario de recepción:\n{lines}", en="Reception hours:\n{lines}")
CLOSED_ON = Phrase(es="{days}: cerrado", en="{days}: closed")
OPEN_ON = Phrase(es="{days}: {spans}", en="{days}: {spans}")
DAY_AND_NIGHT = Phrase(es="día y noche", en="day and night")
DAYS = Phrase(es="{first} a {last}", en="{first} to {last}")
SPAN = Phrase(es="{start} a {end}", en="{start} to {end}")
OPEN_ALWAYS = Phrase(
    es="La recepción está abierta día y noche.", en="The reception is open day and night."
)
OPEN_UNTIL = Phrase(
    es="La recepción está abierta hasta las {time}.", en="The reception is open until {time}."
)
OPENS_AT = Phrase(
    es="La recepción está cerrada ahora; abre a las {time}.",
    en="The reception is closed now; it opens at {time}.",
)
CLOSED_FOR_LONG = Phrase(
    es="La recepción está cerrada por ahora.", en="The reception is closed for now."
)
NOT_TOLD = Phrase(
    es="Sobre {topics} el hotel no me ha dado información: pregunta en recepción, por favor.",
    en="The hotel gave me no information about {topics}: please ask the reception.",
)
AND = Phrase(es="{several} y {last}", en="{several} and {last}")
CANNOT_LOOK_UP = Phrase(
    es="Eso no lo puedo consultar ahora mismo: pregunta en recepción, por favor, o aquí otra vez "
    "en un rato.",
    en="I cannot look that up right now: please ask the reception, or me again in a while.",
)
SUSPENDED = Phrase(
    es="Ahora mismo no atendemos por aquí.", en="We do not answer here at the moment."
)

NAMES = {
    Topic.LOCATION: Phrase(es="la dirección", en="the address"),
    Topic.CHECK_IN: Phrase(es="la entrada", en="check-in"),
    Topic.CHECK_OUT: Phrase(es="la salida", en="check-out"),
    Topic.HOURS: Phrase(es="el horario", en="the opening hours"),
    Topic.PARKING: Phrase(es="el aparcamiento", en="parking"),
    Topic.WIFI: Phrase(es="el wifi", en="the wifi"),
    Topic.BREAKFAST: Phrase(es="el desayuno", en="breakfast"),
    Topic.RESTAURANT: Phrase(es="el restaurante", en="the restaurant"),
    Topic.POOL: Phrase(es="la piscina", en="the pool"),
    Topic.PETS: Phrase(es="las mascotas", en="pets"),
    Topic.TRANSPORT: Phrase(es="los traslados", en="transfers"),
    Topic.ACCESSIBILITY: Phrase(es="la accesibilidad", en="accessibility"),
    Topic.LUGGAGE: Phrase(es="el equipaje", en="luggage"),
    Topic.PAYMENT: Phrase(es="las formas de pago", en="how to pay"),
    Topic.CHILDREN: Phrase(es="las camas para niños", en="beds for children"),
    Topic.CONTACT: Phrase(es="el contacto", en="how to reach them"),
    Topic.CANCELLATION: Phrase(es="las cancelaciones", en="cancelling"),
    Topic.DEPOSIT: Phrase(es="el depósito", en="the deposit"),
    Topic.FITNESS: Phrase(es="el gimnasio y el spa", en="the gym and the spa"),
}
