"""Everything that a guest can be told, in both languages side by side.

Words in braces are filled in by the program. `*stars*` are WhatsApp's bold.
Write no numbers here: every number in a reply comes from the hotel's data.
"""

from services.messaging.replies.phrase import Phrase

# --- Greeting and help -----------------------------------------------------------------

GREETING = Phrase(
    es="¡Hola! Soy el asistente de reservas de *{hotel}*. Te digo qué habitaciones hay libres y "
    "a qué precio, y te hago la reserva.\n\n¿Para qué fechas la quieres? Por ejemplo: “{example}”.",
    en="Hello! I am the booking assistant of *{hotel}*. I tell you which rooms are free and what "
    "they cost, and I book one for you.\n\nFor which dates? For example: “{example}”.",
)
HELP = Phrase(
    es="Puedo ayudarte con esto:\n• Ver habitaciones libres y precios: dime las fechas y para "
    "cuántas personas, por ejemplo “{example}”.\n• Reservar: elige una habitación de la lista y "
    "confirma.\n"
    "• Ver o cancelar tus reservas: escribe “mis reservas” o “cancelar mi reserva”.",
    en="This is what I can do:\n• Show free rooms and prices: tell me the dates and how many you "
    "are, for example “{example}”.\n• Book: pick a room from the list and confirm.\n"
    "• Show or cancel your bookings: write “my bookings” or “cancel my booking”.",
)
# The one phrase that is told to who reads the other language.
HELP_OTHER_LANGUAGE = Phrase(
    es="• Write “English” to go on in English.", en="• Escribe “español” para seguir en español."
)
EXAMPLE = Phrase(
    es="del {check_in} al {check_out} para dos", en="{check_in} to {check_out} for two"
)
HINT = Phrase(
    es="Dime las fechas y para cuántas personas, por ejemplo “{example}”, o escribe “ayuda”.",
    en="Tell me the dates and how many you are, for example “{example}”, or write “help”.",
)
HINT_WITH_OFFER = Phrase(
    es="Elige una habitación de la lista, escribe su nombre, o dime otras fechas.",
    en="Pick a room from the list, write its name, or tell me other dates.",
)
NOT_UNDERSTOOD = Phrase(es="Perdona, no te he entendido.", en="Sorry, I did not understand that.")
CANNOT_TELL = Phrase(
    es="Eso no te lo puedo decir yo: pregunta en recepción, por favor.",
    en="I cannot tell you that: please ask the reception.",
)
THANKS = Phrase(
    es="¡De nada! Aquí estoy si necesitas algo más.",
    en="You are welcome! I am here if you need anything else.",
)
ONE_MOMENT = Phrase(
    es="Un momento, todavía estoy con lo que me pediste antes.",
    en="One moment, I am still working on what you asked before.",
)
LANGUAGE_SWITCHED = Phrase(es="Seguimos en español.", en="Let us go on in English.")
LANGUAGE_NOT_SPOKEN = Phrase(
    es="En este hotel solo puedo escribirte en español.",
    en="At this hotel I can only write to you in English.",
)
OLD_BUTTON = Phrase(
    es="Ese botón ya no sirve.",
    en="That button is no longer in use.",
)

# --- Questions about the stay ----------------------------------------------------------

ASK_DATES = Phrase(
    es="¿Qué día llegas y qué día te vas? Por ejemplo: “{example}”.",
    en="When do you arrive and when do you leave? For example: “{example}”.",
)
ASK_ARRIVAL = Phrase(es="¿Qué día llegas?", en="On which day do you arrive?")
ASK_DAYS_OF_MONTH = Phrase(
    es="¿Qué día de {month} llegas y qué día te vas?",
    en="On which day of {month} do you arrive, and when do you leave?",
)
ASK_ARRIVAL_IN_MONTH = Phrase(
    es="¿Qué día de {month} llegas?", en="On which day of {month} do you arrive?"
)
ASK_NIGHTS = Phrase(
    es="Llegada el {check_in}. ¿Cuántas noches te quedas, o qué día te vas?",
    en="Arriving on {check_in}. How many nights do you stay, or when do you leave?",
)
ASK_GUESTS = Phrase(
    es="{stay}. ¿Para cuántas personas? Dime también si vienen niños.",
    en="{stay}. How many people are you? Tell me about children, too.",
)
ASK_CHANGE = Phrase(
    es="Dime qué cambiamos: otras fechas, cuántas personas, o el nombre de otra habitación.",
    en="Tell me what to change: other dates, how many you are, or the name of another room.",
)
ONE_ROOM = Phrase(
    es="Reservo las habitaciones de una en una; empecemos por la primera y luego seguimos.",
    en="I book rooms one at a time; let us begin with the first and go on from there.",
)
HOW_MANY_IN_FIRST = Phrase(
    es="Reservo las habitaciones de una en una: dime cuántos duermen en la primera.",
    en="I book rooms one at a time: tell me how many sleep in the first.",
)

# --- What is wrong with dates and guests -------------------------------------------------

NO_SUCH_DAY = Phrase(
    es="Ese día no existe en el calendario. ¿Qué día llegas y qué día te vas?",
    en="There is no such day in the calendar. When do you arrive and when do you leave?",
)
REVERSED = Phrase(
    es="El día de salida tiene que ser después del de llegada. ¿Qué día llegas y qué día te vas?",
    en="The day you leave has to be after the day you arrive. When do you arrive and when do you "
    "leave?",
)
PAST = Phrase(
    es="Esa fecha ya pasó: en el hotel hoy es {today}. ¿Qué día llegas y qué día te vas?",
    en="That date is over: at the hotel today is {today}. When do you arrive and when do you "
    "leave?",
)
TOO_LONG = Phrase(
    es="No puedo reservar una estancia de más de {limit} noches. ¿Qué día llegas y qué día te vas?",
    en="I cannot book a stay of more than {limit} nights. When do you arrive and when do you "
    "leave?",
)
TOO_FAR = Phrase(
    es="Esas fechas quedan demasiado lejos: todavía no están a la venta. ¿Quieres probar otras?",
    en="Those dates are too far ahead: they are not on sale yet. Would you like to try others?",
)
BEYOND_HORIZON = Phrase(
    es="Esas fechas todavía no están a la venta: la última noche que puedo vender es la del "
    "{last_night}. ¿Quieres probar otras?",
    en="Those dates are not on sale yet: the last night I can sell is {last_night}. Would you "
    "like to try others?",
)
GUESTS_IMPOSSIBLE = Phrase(
    es="Una habitación es para al menos un adulto y como mucho {limit} personas de cada clase. "
    "¿Cuántos adultos y cuántos niños son?",
    en="A room is for at least one adult and at most {limit} adults or children. How many adults "
    "and how many children are you?",
)

# --- What is free ------------------------------------------------------------------------

OFFER = Phrase(
    es="{stay}, {guests}. Esto es lo que hay libre:",
    en="{stay}, {guests}. This is what is free:",
)
OFFER_ROOM = Phrase(es="• *{name}*: {total} en total", en="• *{name}*: {total} in total")
OFFER_OTHER_STAY = Phrase(es="• *{name}*: {stay}, {total}", en="• *{name}*: {stay}, {total}")
OFFER_CHOOSE = Phrase(
    es="Elige una de la lista o escribe su nombre.",
    en="Pick one from the list or write its name.",
)
OFFER_BUTTON = Phrase(es="Ver habitaciones", en="See rooms")
MORE_ROOMS = Phrase(es="Ver más", en="See more")
MORE_ROOMS_NOTE = Phrase(es="El resto de las habitaciones libres", en="The other free rooms")
ROW_ROOM = Phrase(es="{total} en total · {nights}{left}", en="{total} in total · {nights}{left}")
ROW_LEFT = Phrase(es=" · {count} libres", en=" · {count} left")
ROW_LAST = Phrase(es=" · la última", en=" · the last one")
ROW_OTHER_STAY = Phrase(
    es="{check_in} – {check_out} · {total}", en="{check_in} – {check_out} · {total}"
)
WISH_SOLD_OUT = Phrase(
    es="*{name}* no está libre para esas noches, lo siento.",
    en="*{name}* is not free for those nights, sorry.",
)
WISH_TOO_SMALL = Phrase(
    es="*{name}* es demasiado pequeña para {guests}.", en="*{name}* is too small for {guests}."
)
NONE_FREE = Phrase(
    es="{stay}, {guests}: lo siento, no queda ninguna habitación libre.",
    en="{stay}, {guests}: sorry, there is no room left.",
)
OTHER_STAYS = Phrase(es="En fechas cercanas sí hay sitio:", en="There is room on dates close by:")
TRY_OTHER_DATES = Phrase(
    es="Dime otras fechas y lo miro.", en="Tell me other dates and I will check."
)
ALL_TOO_SMALL = Phrase(
    es="No tengo ninguna habitación para {guests}: en la más grande caben {most}. Se "
    "pueden repartir: dime cuántas van en la primera.",
    en="I have no room for {guests}: the largest one takes {most}. You can share out: tell me how "
    "many sleep in the first.",
)
NO_ROOMS = Phrase(
    es="Este hotel todavía no tiene habitaciones a la venta por aquí. Por favor, contacta con "
    "recepción.",
    en="This hotel has no rooms on sale here yet. Please contact the reception.",
)
OLD_LIST = Phrase(
    es="Esa lista es de antes; esto es lo que hay ahora.",
    en="That list is from before; this is what there is now.",
)
WHICH_ROOM = Phrase(es="¿Cuál de estas quieres?", en="Which of these would you like?")

# --- A room is kept ----------------------------------------------------------------------

KEPT = Phrase(
    es="Te guardo *{name}* hasta las {until}.",
    en="I am keeping *{name}* for you until {until}.",
)
HOTEL_TIME = Phrase(es="{time} (hora del hotel)", en="{time} (hotel time)")
HOTEL_TIME_OTHER_DAY = Phrase(
    es="{time} del {day} (hora del hotel)", en="{time} on {day} (hotel time)"
)
SUMMARY = Phrase(
    es="{stay}\n{guests}\nPrecio: *{total}* en total{per_night}{taxes}\n\n¿Confirmo la reserva?",
    en="{stay}\n{guests}\nPrice: *{total}* in total{per_night}{taxes}\n\n"
    "Shall I confirm the booking?",
)
PER_NIGHT = Phrase(es=" ({price} por noche)", en=" ({price} a night)")
PER_NIGHT_BETWEEN = Phrase(
    es=" (entre {least} y {most} por noche)", en=" (between {least} and {most} a night)"
)
PRICE_MOVED = Phrase(
    es="El precio ha cambiado desde la lista: era {before}, ahora es {now}.",
    en="The price has changed since the list: it was {before}, now it is {now}.",
)
BUTTON_CONFIRM = Phrase(es="Confirmar", en="Confirm")
BUTTON_CHANGE = Phrase(es="Cambiar", en="Change")
BUTTON_CANCEL = Phrase(es="Cancelar", en="Cancel")
JUST_TAKEN = Phrase(
    es="Lo siento, *{name}* se acaba de agotar para esas noches.",
    en="Sorry, *{name}* has just sold out for those nights.",
)
NOT_SOLD_ANY_MORE = Phrase(
    es="*{name}* ya no está a la venta.", en="*{name}* is no longer on sale."
)
TOO_MANY_LOCKS = Phrase(
    es="Ya tienes otras habitaciones guardadas sin confirmar y no puedo guardarte más. En cuanto "
    "caduquen podrás volver a intentarlo.",
    en="You already have other rooms on hold that are not confirmed, and I cannot keep more for "
    "you. You can try again as soon as they lapse.",
)
RELEASED = Phrase(
    es="Hecho: ya no guardo *{name}*. Cuando quieras, dime otras fechas.",
    en="Done: *{name}* is no longer on hold. Tell me other dates whenever you like.",
)
RELEASED_FOR_CHANGE = Phrase(
    es="He soltado *{name}*. Elige otra habitación o dime otras fechas.",
    en="I have let *{name}* go. Pick another room or tell me other dates.",
)
NOT_KEPT = Phrase(es="Esa habitación ya no está guardada.", en="That room is no longer on hold.")
LAPSED = Phrase(
    es="El tiempo para confirmar *{name}* se acabó y ya no la tengo guardada.",
    en="The time to confirm *{name}* ran out and it is no longer on hold.",
)
TAKEN_BACK = Phrase(
    es="Lo siento, ya no tengo guardada *{name}*: el hotel la necesita o la has soltado tú.",
    en="Sorry, *{name}* is no longer on hold: the hotel needs it, or you have let it go.",
)
PRICE_CHANGED = Phrase(
    es="El tiempo para confirmar *{name}* se acabó y el precio ha cambiado.",
    en="The time to confirm *{name}* ran out and its price has changed.",
)
RESERVED_WITHOUT_CODE = Phrase(
    es="Esa habitación ya está reservada a tu nombre, pero ahora mismo no tengo su código. "
    "Por favor, pídelo en recepción.",
    en="That room is already booked for you, but I do not have its code at hand. Please ask the "
    "reception for it.",
)

# --- Reservations ------------------------------------------------------------------------

CONFIRMED = Phrase(
    es="¡Reserva confirmada! Tu código es *{code}*.\n\n*{name}*\n{stay}\n{guests}\n"
    "Precio: *{total}* en total\n\nEnséñalo al llegar. ¡Te esperamos en {hotel}!",
    en="Your booking is confirmed! Your code is *{code}*.\n\n*{name}*\n{stay}\n{guests}\n"
    "Price: *{total}* in total\n\nShow the code when you arrive. See you at {hotel}!",
)
BOOKED_UNTIL_DEPOSIT = Phrase(
    es="Tu habitación está apartada con el código *{code}*, pero la reserva aún no es firme.\n\n"
    "{awaited}\n\n*{name}*\n{stay}\n{guests}\nPrecio: *{total}* en total",
    en="Your room is set aside under the code *{code}*, but the booking is not certain yet.\n\n"
    "{awaited}\n\n*{name}*\n{stay}\n{guests}\nPrice: *{total}* in total",
)
UNCONFIRMED = Phrase(
    es="Ahora mismo el hotel no me dice qué tiene libre: lo que ves está sujeto a su confirmación.",
    en="The hotel is not telling me right now what it has free: what you see is subject to its "
    "confirmation.",
)
HOTEL_ASKED = Phrase(
    es="He pedido la habitación al hotel y espero su confirmación; aún no es una reserva firme.\n\n"
    "*{name}*\n{stay}\n{guests}\nPrecio: *{total}* en total\n\n"
    "La habitación queda apartada mientras tanto. Te escribo aquí en cuanto contesten.",
    en="I have asked the hotel for the room and await its confirmation; the booking is not certain "
    "yet.\n\n*{name}*\n{stay}\n{guests}\nPrice: *{total}* in total\n\n"
    "The room is set aside meanwhile. I will write here as soon as they answer.",
)
STILL_ASKING = Phrase(
    es="Todavía espero la confirmación del hotel; te escribo en cuanto llegue.",
    en="I am still waiting for the hotel to confirm; I will write as soon as it does.",
)
PENDING = Phrase(es="pendiente de confirmar", en="not confirmed yet")
HOTEL_REFUSED = Phrase(
    es="Lo siento: el hotel no ha podido confirmar *{name}*. {stay}. No hay reserva.",
    en="Sorry: the hotel could not confirm *{name}*. {stay}. There is no booking.",
)
HOTEL_CANCELLED = Phrase(
    es="El hotel ha cancelado tu solicitud de *{name}*. {stay}. No hay reserva.",
    en="The hotel has cancelled your request for *{name}*. {stay}. There is no booking.",
)
HOTEL_CANCELLED_BOOKING = Phrase(
    es="El hotel ha cancelado tu reserva *{code}*.\n\n*{name}*\n{stay}\n{guests}",
    en="The hotel has cancelled your booking *{code}*.\n\n*{name}*\n{stay}\n{guests}",
)
LAPSED_BOOKING = Phrase(
    es="El depósito de tu reserva *{code}* no ha llegado a tiempo: la habitación ha quedado libre "
    "y ya no hay reserva.\n\n*{name}*\n{stay}\n{guests}\n\n"
    "Si lo pagaste, avisa en recepción, por favor. Si aún la quieres, escríbeme las fechas y miro "
    "qué hay libre.",
    en="The deposit for your booking *{code}* did not come in time: the room is free again and "
    "there is no booking any more.\n\n*{name}*\n{stay}\n{guests}\n\n"
    "If you have paid it, please tell the reception. If you still want the room, write me the "
    "dates and I look at what is free.",
)
HOTEL_CHANGED_BOOKING = Phrase(
    es="El hotel ha cambiado tu reserva *{code}*. Ahora es:\n\n*{name}*\n{stay}\n{guests}\n"
    "Precio: *{total}* en total",
    en="The hotel has changed your booking *{code}*. It is now:\n\n*{name}*\n{stay}\n{guests}\n"
    "Price: *{total}* in total",
)
CANCELLED_FREE = Phrase(
    es="La cancelación no te cuesta nada.", en="The cancellation costs you nothing."
)
CANCELLED_AT_A_COST = Phrase(
    es="Según las condiciones de la reserva, la cancelación cuesta *{penalty}*.",
    en="By the terms of the booking, the cancellation costs *{penalty}*.",
)
DEPOSIT_OF_CANCELLED = Phrase(
    es="Si ya pagaste el depósito, recepción te dice qué pasa con él.",
    en="If you have paid the deposit, the reception tells you what becomes of it.",
)
ASK_WHY_AT_RECEPTION = Phrase(
    es="Si no lo esperabas, pregunta en recepción, por favor.",
    en="If you did not expect this, please ask the reception.",
)
DEPOSIT_AWAITED = Phrase(
    es="El hotel pide un depósito de *{amount}* antes de las {until}; si no llega, la habitación "
    "queda libre. Recepción te dice cómo pagarlo.",
    en="The hotel asks for a deposit of *{amount}* by {until}; without it the room is let "
    "go. The reception tells you how to pay it.",
)
ALREADY_BOOKED = Phrase(es="Esa habitación ya está reservada.", en="That room is already booked.")
ALREADY_CONFIRMED = Phrase(
    es="Esa reserva ya está confirmada.", en="That booking is already confirmed."
)
RESERVATION = Phrase(
    es="Código *{code}*\n*{name}*\n{stay}\n{guests}\nPrecio: {total} en total",
    en="Code *{code}*\n*{name}*\n{stay}\n{guests}\nPrice: {total} in total",
)
YOUR_RESERVATION = Phrase(es="Esta es tu reserva:", en="This is your booking:")
YOUR_RESERVATIONS = Phrase(es="Estas son tus reservas:", en="These are your bookings:")
RESERVATION_LINE = Phrase(
    es="• *{code}*: {name}, {check_in} – {check_out}, {total}",
    en="• *{code}*: {name}, {check_in} – {check_out}, {total}",
)
NO_RESERVATIONS = Phrase(
    es="No veo ninguna reserva tuya hecha por este chat. Si reservaste de otra forma, recepción "
    "te ayuda.",
    en="I see no booking of yours made in this chat. If you booked in another way, the reception "
    "can help you.",
)
CANNOT_CHANGE_RESERVATION = Phrase(
    es="No puedo cambiar una reserva ya hecha, pero sí cancelarla y hacerte otra. Dime las "
    "nuevas fechas para ver qué hay libre, o escribe “cancelar mi reserva”.",
    en="I cannot change a booking once it is made, but I can cancel it and make a new one. Tell me "
    "the new dates to see what is free, or write “cancel my booking”.",
)
BUTTON_CANCEL_RESERVATION = Phrase(es="Cancelar reserva", en="Cancel booking")
BUTTON_PICK_RESERVATION = Phrase(es="Cancelar una", en="Cancel one")
ASK_CANCEL = Phrase(
    es="¿Seguro que quieres cancelar esta reserva?", en="Do you really want to cancel this booking?"
)
ASK_PAYING = Phrase(
    es="Cancelar esta reserva ahora cuesta *{penalty}*. ¿La cancelo de todos modos?",
    en="Cancelling this booking now costs *{penalty}*. Shall I cancel it all the same?",
)
BUTTON_YES_CANCEL = Phrase(es="Sí, cancelar", en="Yes, cancel it")
BUTTON_KEEP = Phrase(es="No, mantener", en="No, keep it")
CANCELLED = Phrase(
    es="Tu reserva *{code}* está cancelada.", en="Your booking *{code}* is cancelled."
)
ALREADY_CANCELLED = Phrase(
    es="Tu reserva *{code}* ya está cancelada. Cuando quieras, dime otras fechas.",
    en="Your booking *{code}* is already cancelled. Tell me other dates whenever you like.",
)
STILL_RESERVED = Phrase(
    es="De acuerdo, tu reserva *{code}* sigue en pie.",
    en="All right, your booking *{code}* stands.",
)
RESERVATION_GONE = Phrase(
    es="No encuentro esa reserva en el hotel. Por favor, pregunta en recepción.",
    en="I cannot find that booking at the hotel. Please ask the reception.",
)
CANCEL_AT_RECEPTION = Phrase(
    es="Esta reserva no la puedo cancelar yo y sigue en pie: por favor, pregunta en recepción.",
    en="I cannot cancel this booking and it still stands: please ask the reception.",
)
NOTHING_TO_CANCEL = Phrase(
    es="No tienes nada que cancelar por aquí. Cuando quieras, dime las fechas y lo miro.",
    en="There is nothing to cancel here. Tell me the dates whenever you like and I will check.",
)
WHAT_TO_CANCEL = Phrase(
    es="Tienes una habitación guardada sin confirmar y una reserva. ¿Qué cancelo?",
    en="You have a room on hold and a booking. Which one shall I cancel?",
)
BUTTON_RELEASE = Phrase(es="La guardada", en="The room on hold")
BUTTON_RESERVATION = Phrase(es="La reserva", en="The booking")

# --- When something does not work ----------------------------------------------------------

CANNOT_CHECK = Phrase(
    es="Ahora mismo no puedo consultar las habitaciones. Inténtalo de nuevo en un momento, por "
    "favor.",
    en="I cannot check the rooms right now. Please try again shortly.",
)
CANNOT_LOCK = Phrase(
    es="Ahora mismo no he podido guardarte la habitación. Inténtalo de nuevo en un momento, por "
    "favor.",
    en="I could not put the room on hold right now. Please try again shortly.",
)
CANNOT_CONFIRM = Phrase(
    es="Ahora mismo no he podido confirmar la reserva. Vuelve a tocar Confirmar en un momento, "
    "por favor.",
    en="I could not confirm the booking right now. Please tap Confirm again shortly.",
)
CANNOT_RELEASE = Phrase(
    es="Ahora mismo no he podido soltar la habitación. Si no haces nada, se suelta sola.",
    en="I could not let the room go right now. If you do nothing, it goes by itself.",
)
CANNOT_CANCEL = Phrase(
    es="Ahora mismo no he podido cancelar la reserva: sigue en pie hasta que te diga lo contrario. "
    "Inténtalo de nuevo en un momento, por favor.",
    en="I could not cancel the booking right now: take it as standing until I tell you otherwise. "
    "Please try again shortly.",
)
BUTTON_RETRY = Phrase(es="Intentar de nuevo", en="Try again")

# --- Buttons that save typing ----------------------------------------------------------------

BUTTON_BOOK = Phrase(es="Reservar", en="Book a room")
BUTTON_MY_RESERVATIONS = Phrase(es="Mis reservas", en="My bookings")
BUTTON_HELP = Phrase(es="Ayuda", en="Help")
BUTTON_TONIGHT = Phrase(es="Esta noche", en="Tonight")
BUTTON_TOMORROW = Phrase(es="Mañana, una noche", en="Tomorrow, one night")
BUTTON_WEEKEND = Phrase(es="Fin de semana", en="This weekend")
BUTTON_ONE_ADULT = Phrase(es="Un adulto", en="One adult")
BUTTON_TWO_ADULTS = Phrase(es="Dos adultos", en="Two adults")
BUTTON_THREE_ADULTS = Phrase(es="Tres adultos", en="Three adults")

# --- Words inside other phrases ----------------------------------------------------------------

STAY = Phrase(
    es="Del {check_in} al {check_out} ({nights})", en="From {check_in} to {check_out} ({nights})"
)
NIGHT = Phrase(es="{count} noche", en="{count} night")
NIGHTS = Phrase(es="{count} noches", en="{count} nights")
ADULT = Phrase(es="{count} adulto", en="{count} adult")
ADULTS = Phrase(es="{count} adultos", en="{count} adults")
CHILD = Phrase(es="{count} niño", en="{count} child")
CHILDREN = Phrase(es="{count} niños", en="{count} children")
PERSON = Phrase(es="{count} persona", en="{count} person")
PERSONS = Phrase(es="{count} personas", en="{count} people")
ADULTS_AND_CHILDREN = Phrase(es="{adults} y {children}", en="{adults} and {children}")
NAMELESS_ROOM = Phrase(es="Habitación", en="Room")

# --- Messages that are no words ------------------------------------------------------------------

SAW_PICTURE = Phrase(
    es="Gracias, pero no puedo ver fotos, vídeos ni documentos. Escríbeme lo que necesitas.",
    en="Thank you, but I cannot look at pictures, videos or documents. Please write what you need.",
)
HEARD_AUDIO = Phrase(
    es="Perdona, no puedo escuchar audios. Escríbemelo y te ayudo enseguida.",
    en="Sorry, I cannot listen to voice messages. Write it and I will help you at once.",
)
GOT_PLACE = Phrase(
    es="Gracias por la ubicación, pero no puedo usarla. Escríbeme lo que necesitas.",
    en="Thank you for the location, but I cannot use it. Please write what you need.",
)
GOT_CONTACT = Phrase(
    es="Gracias por el contacto, pero no puedo usarlo. Escríbeme lo que necesitas.",
    en="Thank you for the contact, but I cannot use it. Please write what you need.",
)
GOT_REACTION = Phrase(
    es="¡Gracias! Para hacer algo, escríbeme o usa los botones.",
    en="Thank you! To get something done, write to me or use the buttons.",
)
GOT_ORDER = Phrase(
    es="No puedo tramitar pedidos del catálogo. Dime las fechas y para cuántas personas, y te "
    "digo qué hay libre.",
    en="I cannot take orders from the catalogue. Tell me the dates and how many you are, and I "
    "tell you what is free.",
)
GOT_SYSTEM = Phrase(
    es="He visto que tus datos de WhatsApp han cambiado. Seguimos por aquí.",
    en="I see that your WhatsApp details have changed. Let us go on here.",
)
GOT_REVOKE = Phrase(
    es="Has borrado un mensaje. Si lo que pedías ha cambiado, escríbemelo.",
    en="You deleted a message. If what you asked for has changed, write it to me.",
)
GOT_FORM = Phrase(
    es="He recibido tu formulario, pero no puedo usarlo aquí. Escríbeme lo que necesitas.",
    en="I received your form, but I cannot use it here. Please write what you need.",
)
GOT_UNSUPPORTED = Phrase(
    es="No puedo leer ese tipo de mensaje. Escríbeme lo que necesitas, por favor.",
    en="I cannot read that kind of message. Please write what you need.",
)
