"""Spanish or English? Told by the small words that only one of them has."""

import re

from services.messaging.understanding.words import listed, tokens

SPANISH = "es"
ENGLISH = "en"

SPANISH_WORDS = listed(
    """
    hola buenas buenos dias tardes noche noches quiero quisiera necesito busco deseo una uno un
    para por favor del de el la los las al desde hasta con sin y que hay tienen tiene tienes
    habitacion habitaciones cuarto cuartos disponible disponibles disponibilidad precio precios
    cuanto cuesta gracias si cancelar cancela anular reserva reservar reservacion confirmar
    confirmo vale claro ayuda personas persona adultos adulto ninos nino ninas nina somos
    seremos mejor fin semana manana hoy pasado proximo viernes sabado domingo lunes martes
    miercoles jueves enero febrero marzo abril mayo junio julio agosto septiembre octubre
    noviembre diciembre mi mis tengo estoy esta este otra otras fechas cambiar llegada salida
    nos les puedo pueden donde es hora hay muy mas tambien cuando como libre libres barata doble
    sencilla matrimonial
    adios entre
    """
)
ENGLISH_WORDS = listed(
    """
    hello hi hey good morning afternoon evening want would like need looking for the an and
    with without from to until till through is are there have has do does you i we my our
    please room rooms available availability price prices how much many cost costs thanks thank
    yes cancel book booking reservation confirm sure help people adults adult children child
    kids kid night nights weekend week tomorrow today tonight next this friday saturday sunday
    monday tuesday wednesday thursday january february march april june july august september
    october november december of in on stay check can could what where when which free cheapest
    double single other dates change arriving leaving instead it that be better us
    """
)
_ASKED = (
    (ENGLISH, re.compile(r"\b(?:english|ingles)\b")),
    (SPANISH, re.compile(r"\b(?:espanol|castellano|spanish)\b")),
)


def written_in(text: str, plain: str) -> str:
    """`es` or `en`; empty when the words leave it open. `text` still has its accents."""
    words = tokens(plain)
    spanish = sum(word in SPANISH_WORDS for word in words) + 2 * bool(set("¿¡ñÑ") & set(text))
    english = sum(word in ENGLISH_WORDS for word in words)
    if spanish == english:
        return ""
    return SPANISH if spanish > english else ENGLISH


def asked_for(plain: str) -> str:
    """The language that the guest asks us to speak; empty when none is named."""
    for language, pattern in _ASKED:
        if pattern.search(plain):
            return language
    return ""
