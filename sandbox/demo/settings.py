"""What the demo hotels have decided about themselves, as the contract's settings in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

_MIRADOR = {
    "LOCATION": (
        "Justo al lado de la catedral; la parada de metro más cercana es Sevilla.",
        "Right beside the cathedral; the nearest metro station is Sevilla.",
    ),
    "CHECK_IN": (
        "Si llegas antes, te guardamos el equipaje.",
        "If you come earlier, we keep your luggage.",
    ),
    "PARKING": (
        "Tenemos garaje propio: 18 € al día, sin reserva.",
        "We have a garage of our own: €18 a day, no booking needed.",
    ),
    "WIFI": (
        "El wifi es gratis en todo el hotel: red *Mirador*, y la clave está en tu llave.",
        "Wifi is free everywhere: network *Mirador*, and the password is on your key card.",
    ),
    "BREAKFAST": (
        "El desayuno se sirve de 7:30 a 10:30 y cuesta 12 € por persona.",
        "Breakfast is served from 7:30 to 10:30 AM and costs €12 per person.",
    ),
    "PETS": (
        "Admitimos perros pequeños, sin suplemento.",
        "Small dogs are welcome, at no extra cost.",
    ),
    "PAYMENT": (
        "Puedes pagar en recepción, con tarjeta o en efectivo.",
        "You can pay at the reception, by card or in cash.",
    ),
    "CONTACT": ("El teléfono de recepción es +34 910 000 001.", "Reception: +34 910 000 001."),
}
_LUNA = {
    "LOCATION": (
        "A dos cuadras del zócalo de Coyoacán.",
        "Two blocks from the main square of Coyoacán.",
    ),
    "PARKING": (
        "No tenemos estacionamiento; hay uno público a la vuelta, $25 la hora.",
        "We have no parking; there is a public one around the corner, $25 an hour.",
    ),
    "WIFI": (
        "El wifi es gratis; la clave te la damos al llegar.",
        "Wifi is free; you get the password when you arrive.",
    ),
    "BREAKFAST": (
        "El desayuno está incluido, de 8 a 11.",
        "Breakfast is included, from 8 to 11 AM.",
    ),
    "TRANSPORT": (
        "Del aeropuerto son unos 40 minutos en taxi autorizado.",
        "It is some 40 minutes from the airport by authorised taxi.",
    ),
}


def _texts(texts: Mapping[str, tuple[str, str]]) -> Iterator[dict[str, str]]:
    for topic, told in texts.items():
        for language, text in zip(("es", "en"), told, strict=True):
            yield {"topic": f"INFO_TOPIC_{topic}", "language_code": language, "text": text}


def _answers(spanish: str, english: str) -> dict[str, Any]:
    told = (("es", spanish), ("en", english))
    return {"answers": [{"language_code": code, "text": text} for code, text in told]}


def _week(**spans: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    """Days by name, `every` for those that are not named."""
    return [
        {
            "weekday": f"WEEKDAY_{day}",
            "spans": [
                {"open_time": start, "close_time": end}
                for start, end in spans.get(day.lower(), spans["every"])
            ],
        }
        for day in WEEKDAYS
    ]


SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "hotel-mirador": {
        "address": {
            "lines": ["Calle de Alcalá 1"],
            "locality": "Madrid",
            "postal_code": "28014",
            "region_code": "ES",
            "coordinates": {"latitude": 40.4177, "longitude": -3.7008},
        },
        # A night on Fridays and Saturdays ends past midnight.
        "business_hours": {
            "days": _week(
                every=(("07:00", "23:00"),),
                friday=(("07:00", "01:00"),),
                saturday=(("08:00", "01:00"),),
            ),
            "exceptions": [
                {
                    "date": {"year": 2026, "month": 12, "day": 25},
                    "display_name": "Navidad",
                    "spans": [{"open_time": "09:00", "close_time": "14:00"}],
                }
            ],
        },
        "info_texts": list(_texts(_MIRADOR)),
        "suspension_policy": _answers(
            "Ahora mismo no atendemos por aquí. Escríbenos en unos días o llámanos.",
            "We do not answer here at the moment. Write to us in a few days, or call us.",
        ),
    },
    "posada-luna": {
        "address": {
            "lines": ["Calle Higuera 10"],
            "locality": "Coyoacán",
            "postal_code": "04000",
            "administrative_area": "Ciudad de México",
            "region_code": "MX",
            "coordinates": {"latitude": 19.3494, "longitude": -99.1621},
        },
        "business_hours": {
            "days": _week(
                every=(("08:00", "14:00"), ("16:00", "21:00")), sunday=(("08:00", "14:00"),)
            )
        },
        "info_texts": list(_texts(_LUNA)),
    },
}
