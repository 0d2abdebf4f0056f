"""Greeting, help and the questions about a stay, with buttons that save typing."""

from collections.abc import Sequence
from datetime import timedelta

from services.messaging.conversation import taps
from services.messaging.replies import texts
from services.messaging.replies.model import Button, Buttons
from services.messaging.replies.phrase import Phrase
from services.messaging.replies.voice import Voice


def greeting(voice: Voice, *, has_reservations: bool) -> Buttons:
    """Who we are and what to write."""
    body = voice.say(texts.GREETING, hotel=voice.hotel_name, example=voice.example())
    return Buttons(body, _starters(voice, has_reservations))


def help_text(voice: Voice, *, has_reservations: bool) -> Buttons:
    """What can be done here."""
    told = [voice.say(texts.HELP, example=voice.example())]
    if voice.speaks_both:
        told.append(voice.say(texts.HELP_OTHER_LANGUAGE))
    return Buttons("\n".join(told), _starters(voice, has_reservations))


def ask_dates(voice: Voice, intro: Sequence[str], question: Phrase | None = None) -> Buttons:
    """When? With the three most asked stays as buttons."""
    asked = voice.say(question or texts.ASK_DATES, example=voice.example())
    return Buttons("\n".join((*intro, asked)), _days(voice))


def suggest_dates(voice: Voice, told: Sequence[str]) -> Buttons:
    """Something that ends in "tell me other dates", with some to tap."""
    return Buttons("\n".join(told), _days(voice))


def ask_guests(voice: Voice, told: Sequence[str]) -> Buttons:
    """How many? With the three most given answers as buttons."""
    answers = (texts.BUTTON_ONE_ADULT, texts.BUTTON_TWO_ADULTS, texts.BUTTON_THREE_ADULTS)
    buttons = tuple(
        Button(taps.guests(adults), voice.say(title)) for adults, title in enumerate(answers, 1)
    )
    return Buttons("\n".join(told), buttons)


def retry(voice: Voice, told: Sequence[str]) -> Buttons:
    """Something that did not work, with a button to try it again."""
    button = Button(taps.action(taps.RETRY), voice.say(texts.BUTTON_RETRY))
    return Buttons("\n".join(told), (button,))


def _starters(voice: Voice, has_reservations: bool) -> tuple[Button, ...]:
    wanted = [(taps.BOOK, texts.BUTTON_BOOK)]
    if has_reservations:
        wanted.append((taps.RESERVATIONS, texts.BUTTON_MY_RESERVATIONS))
    wanted.append((taps.HELP, texts.BUTTON_HELP))
    return tuple(Button(taps.action(name), voice.say(title)) for name, title in wanted)


def _days(voice: Voice) -> tuple[Button, ...]:
    today = voice.hotel.today
    tomorrow = today + timedelta(days=1)
    friday = today + timedelta(days=(4 - today.weekday()) % 7)
    proposed = (
        (texts.BUTTON_TONIGHT, today, tomorrow),
        (texts.BUTTON_TOMORROW, tomorrow, tomorrow + timedelta(days=1)),
        (texts.BUTTON_WEEKEND, friday, friday + timedelta(days=2)),
    )
    return tuple(
        Button(taps.dates(check_in, check_out), voice.say(title))
        for title, check_in, check_out in proposed
    )
