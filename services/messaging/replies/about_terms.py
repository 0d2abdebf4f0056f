"""What the hotel asks of its guests, in words."""

from __future__ import annotations

import datetime as dt

from services.messaging.conversation.queries import Charge, HouseTerms
from services.messaging.replies import about_texts as texts
from services.messaging.replies.voice import Voice

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


def check_in(voice: Voice, terms: HouseTerms) -> str:
    """From when on guests may come."""
    return voice.say(texts.CHECK_IN_FROM, time=voice.clock(terms.check_in))


def check_out(voice: Voice, terms: HouseTerms) -> str:
    """By when they leave, and what it costs to leave later."""
    told = [voice.say(texts.CHECK_OUT_BY, time=voice.clock(terms.check_out))]
    for until, fee in terms.late_checkout:
        phrase = texts.LATER_FOR if fee else texts.LATER_FREE
        told.append(voice.say(phrase, time=voice.clock(until), fee=_charge(voice, fee)))
    return " ".join(told)


def cancellation(voice: Voice, terms: HouseTerms) -> str:
    """What cancelling costs from when on, and not coming."""
    steps = [step for step in terms.cancellation if step[1]]
    if not steps:
        told = [voice.say(texts.CANCEL_FREE)]
    else:
        until = _span(voice, steps[0][0])
        told = [voice.say(texts.CANCEL_FREE_UNTIL, span=until, time=voice.clock(terms.check_in))]
        told += [
            voice.say(texts.CANCEL_FROM, span=_span(voice, before), charge=_charge(voice, cost))
            for before, cost in steps
        ]
    if terms.no_show:
        told.append(voice.say(texts.NO_SHOW, charge=_charge(voice, terms.no_show)))
    return "\n".join(told)


def deposit(voice: Voice, terms: HouseTerms) -> str:
    """What is to be paid before a booking is certain."""
    if not terms.deposit:
        return voice.say(texts.NO_DEPOSIT)
    period = _span(voice, terms.deposit_period)
    return voice.say(texts.DEPOSIT, charge=_charge(voice, terms.deposit), span=period)


def _charge(voice: Voice, charge: Charge) -> str:
    if charge.percent:
        return voice.say(texts.PERCENT, percent=charge.percent)
    if charge.nights:
        return voice.say(texts.PRICE_OF, nights=voice.nights(charge.nights))
    return voice.money(charge.amount) if charge.amount is not None else ""


def _span(voice: Voice, span: dt.timedelta) -> str:
    count, day = divmod(span, DAY)
    if count > 1 and not day:
        return voice.say(texts.SOME_DAYS, count=count)
    hours = span // HOUR
    return voice.say(texts.HOUR if hours == 1 else texts.HOURS, count=hours)
