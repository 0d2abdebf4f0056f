"""The hotel's own words and hours, as a guest reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby

from services.messaging.conversation.hours import Hours, Span
from services.messaging.conversation.profile import Profile
from services.messaging.conversation.queries import HouseTerms
from services.messaging.replies import about_terms, days, limits
from services.messaging.replies import about_texts as texts
from services.messaging.replies.voice import Voice
from services.messaging.understanding.meaning import Topic

ALWAYS = dt.timedelta(days=30)
"""Who does not close for so long is said never to close."""

MOST_PHOTOS = 3
OF_TERMS = {
    Topic.CHECK_IN: about_terms.check_in,
    Topic.CHECK_OUT: about_terms.check_out,
    Topic.CANCELLATION: about_terms.cancellation,
    Topic.DEPOSIT: about_terms.deposit,
}
"""What is told from the terms that bookings are made under."""


def told(
    voice: Voice, profile: Profile, terms: HouseTerms | None, topics: Sequence[Topic]
) -> tuple[str, ...]:
    """A text for each topic that the hotel spoke of, and one that names the others."""
    found = [(topic, _one(voice, profile, terms, topic)) for topic in topics]
    lines = [text for _, text in found if text]
    missing = [topic for topic, text in found if not text]
    if missing:
        names = [voice.say(texts.NAMES[topic]) for topic in missing]
        named = voice.say(texts.NOT_TOLD, topics=_listed(voice, names))
        lines.append(_joined(named, reception(voice, profile)))
    return tuple(lines)


def reception(voice: Voice, profile: Profile) -> str:
    """Whether somebody is there now, and when; empty when that is not to be told."""
    return _now(voice, profile.hours) if profile.hours and profile.tells_hours else ""


def _one(voice: Voice, profile: Profile, terms: HouseTerms | None, topic: Topic) -> str:
    told = _in_words(voice, profile, terms, topic)
    photos = [voice.say(texts.PHOTO, link=link) for link in profile.photos.get(topic, ())]
    return "\n".join(filter(None, (told, *photos[:MOST_PHOTOS])))


def _in_words(voice: Voice, profile: Profile, terms: HouseTerms | None, topic: Topic) -> str:
    own = limits.clean(profile.texts.get(topic, ""))
    if topic in OF_TERMS and terms is not None:
        return _joined(OF_TERMS[topic](voice, terms), own)
    if topic is Topic.LOCATION:
        return "\n".join(filter(None, (*_place(voice, profile), own)))
    if topic is Topic.HOURS and profile.hours is not None:
        return f"{_now(voice, profile.hours)}\n{_week(voice, profile.hours)}"
    return own


def _place(voice: Voice, profile: Profile) -> list[str]:
    lines = []
    if profile.address:
        lines.append(voice.say(texts.ADDRESS, address=limits.line(profile.address)))
    if profile.coordinates is not None:
        north, east = profile.coordinates
        # Google's documented link, which opens the map of the phone.
        link = f"https://www.google.com/maps/search/?api=1&query={north:.6f},{east:.6f}"
        lines.append(voice.say(texts.MAP, link=link))
    return lines


def _now(voice: Voice, hours: Hours) -> str:
    now = voice.hotel.now
    until, opens = hours.open_until(now), hours.opens_at(now)
    if until is not None:
        if until - now > ALWAYS:
            return voice.say(texts.OPEN_ALWAYS)
        return voice.say(texts.OPEN_UNTIL, time=voice.until(until))
    if opens is None:
        return voice.say(texts.CLOSED_FOR_LONG)
    return voice.say(texts.OPENS_AT, time=voice.until(opens))


def _week(voice: Voice, hours: Hours) -> str:
    """The days of the week, those that are alike on one line; then the next date that differs."""
    week = [(day, tuple(hours.week.get(day, ()))) for day in range(7)]
    lines = []
    for spans, alike in groupby(week, key=lambda one: one[1]):
        numbers = [day for day, _ in alike]
        first, last = (days.weekday(day, voice.language) for day in (numbers[0], numbers[-1]))
        name = first if first == last else voice.say(texts.DAYS, first=first, last=last)
        lines.append(_hours_line(voice, name, spans))
    today = voice.hotel.today
    coming = sorted(day for day in hours.exceptions if today <= day <= today + ALWAYS)
    lines += [_hours_line(voice, voice.day(day), hours.exceptions[day]) for day in coming[:3]]
    return voice.say(texts.WEEK, lines="\n".join(f"• {line}" for line in lines))


def _hours_line(voice: Voice, name: str, spans: Sequence[Span]) -> str:
    if not spans:
        return voice.say(texts.CLOSED_ON, days=name)
    shown = ", ".join(_span(voice, span) for span in sorted(spans, key=lambda one: one.start))
    return voice.say(texts.OPEN_ON, days=name, spans=shown)


def _span(voice: Voice, span: Span) -> str:
    if span.start == span.end:
        return voice.say(texts.DAY_AND_NIGHT)
    start, end = voice.clock(span.start), voice.clock(span.end)
    return voice.say(texts.SPAN, start=start, end=end)


def _listed(voice: Voice, names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return voice.say(texts.AND, several=", ".join(names[:-1]), last=names[-1])


def _joined(*texts_: str) -> str:
    return " ".join(filter(None, texts_))
