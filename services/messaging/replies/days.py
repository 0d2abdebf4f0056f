"""Dates and times as a guest reads them."""

from datetime import date, datetime

_MONTHS = {
    "es": """
        enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    """,
    "en": """
        January February March April May June July August September October November December
    """,
}
_WEEKDAYS = {
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
}


def day(value: date, language: str, today: date) -> str:
    """`jueves 10 de diciembre`, `Thursday, December 10`; with the year when it is another."""
    weekday, month = _names(value, language)
    other_year = value.year != today.year
    if language == "es":
        return f"{weekday} {value.day} de {month}" + (f" de {value.year}" if other_year else "")
    return f"{weekday}, {month} {value.day}" + (f", {value.year}" if other_year else "")


def short_day(value: date, language: str) -> str:
    """`jue 10 dic`, `Thu, Dec 10`."""
    weekday, month = _names(value, language)
    if language == "es":
        return f"{weekday[:3]} {value.day} {month[:3]}"
    return f"{weekday[:3]}, {month[:3]} {value.day}"


def month(value: date, language: str) -> str:
    """`enero de 2027`, `January 2027`."""
    _, name = _names(value, language)
    return f"{name} de {value.year}" if language == "es" else f"{name} {value.year}"


def weekday(number: int, language: str) -> str:
    """`lunes`, `Monday` for 0."""
    return _WEEKDAYS[language].split()[number]


def clock_time(value: datetime, language: str) -> str:
    """`15:40`, `3:40 PM`."""
    if language == "es":
        return f"{value:%H:%M}"
    return f"{value.hour % 12 or 12}:{value:%M} {'AM' if value.hour < 12 else 'PM'}"


def _names(value: date, language: str) -> tuple[str, str]:
    weekdays, months = _WEEKDAYS[language].split(), _MONTHS[language].split()
    return weekdays[value.weekday()], months[value.month - 1]
