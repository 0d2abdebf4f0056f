"""What is said of a room that is kept, and of reservations."""

from collections.abc import Sequence

from meshkit.money import Money
from services.messaging.conversation import taps
from services.messaging.conversation.state import Deposit, Lock, Reservation
from services.messaging.replies import prices, texts
from services.messaging.replies.model import Button, Buttons, ListMenu, Reply, Row, Text
from services.messaging.replies.voice import Voice


def summary(voice: Voice, lock: Lock, intro: Sequence[str] = ()) -> Buttons:
    """What is kept, until when and for how much, with the buttons to decide."""
    stay = lock.room.stay
    kept = voice.say(
        texts.KEPT, name=voice.room(lock.room.names), until=voice.until(lock.expire_time)
    )
    told = voice.say(
        texts.SUMMARY,
        stay=voice.stay(stay),
        guests=voice.guests(stay.adults, stay.children),
        total=voice.money(lock.room.total),
        per_night=voice.per_night(lock.nightly),
        taxes="".join(f"\n{line}" for line in prices.tax_lines(voice, lock.room)),
    )
    choices = (
        (taps.CONFIRM, texts.BUTTON_CONFIRM),
        (taps.CHANGE, texts.BUTTON_CHANGE),
        (taps.RELEASE, texts.BUTTON_CANCEL),
    )
    buttons = tuple(
        Button(taps.action(name, lock.lock_id), voice.say(title)) for name, title in choices
    )
    return Buttons("\n".join((*intro, kept, told)), buttons)


def confirmed(voice: Voice, reservation: Reservation) -> Text:
    """The code and everything the guest has bought; what is still awaited, if anything is."""
    values = _values(voice, reservation)
    if reservation.pending:
        return Text(voice.say(texts.HOTEL_ASKED, **values))
    if reservation.deposit is not None:
        awaited = _awaited(voice, reservation.deposit)
        told = voice.say(texts.BOOKED_UNTIL_DEPOSIT, awaited=awaited, **values)
        return Text(told, holds_code=True)
    return Text(voice.say(texts.CONFIRMED, hotel=voice.hotel_name, **values), holds_code=True)


def hotel_cancelled(
    voice: Voice, reservation: Reservation, penalty: Money | None, *, had_deposit: bool
) -> Text:
    """That the hotel has cancelled it, and what that costs the guest where that is known."""
    lines = [voice.say(texts.HOTEL_CANCELLED_BOOKING, **_values(voice, reservation))]
    if penalty is not None:
        cost = texts.CANCELLED_AT_A_COST if penalty.amount else texts.CANCELLED_FREE
        lines.append(voice.say(cost, penalty=voice.money(penalty)))
    if had_deposit:
        lines.append(voice.say(texts.DEPOSIT_OF_CANCELLED))
    lines.append(voice.say(texts.ASK_WHY_AT_RECEPTION))
    return Text("\n\n".join(lines))


def lapsed(voice: Voice, reservation: Reservation) -> Text:
    """That it is no more, because nobody has seen its deposit in time."""
    return Text(voice.say(texts.LAPSED_BOOKING, **_values(voice, reservation)))


def hotel_modified(voice: Voice, reservation: Reservation, awaited: Deposit | None) -> Text:
    """That the hotel has changed it, what it is now, and the deposit that is awaited for it."""
    lines = [voice.say(texts.HOTEL_CHANGED_BOOKING, **_values(voice, reservation))]
    if awaited is not None:
        lines.append(_awaited(voice, awaited))
    lines.append(voice.say(texts.ASK_WHY_AT_RECEPTION))
    return Text("\n\n".join(lines))


def already(voice: Voice, reservation: Reservation) -> tuple[str, ...]:
    """That the room needs no confirming any more; certain it is only without a deposit."""
    if reservation.pending:
        return (voice.say(texts.STILL_ASKING),)
    if reservation.deposit is None:
        return (voice.say(texts.ALREADY_CONFIRMED),)
    return (voice.say(texts.ALREADY_BOOKED), _awaited(voice, reservation.deposit))


def known(voice: Voice, reservations: Sequence[Reservation], intro: Sequence[str] = ()) -> Reply:
    """The reservations of this chat, each with a way to cancel it."""
    if not reservations:
        return Text("\n".join((*intro, voice.say(texts.NO_RESERVATIONS))))
    if len(reservations) > 1:
        return _several(voice, reservations, intro)
    told = voice.say(texts.RESERVATION, **_values(voice, reservations[0]))
    title = texts.STILL_ASKING if reservations[0].pending else texts.YOUR_RESERVATION
    body = "\n".join((*intro, voice.say(title), told))
    cancel = taps.action(taps.CANCEL, reservations[0].reservation_id)
    buttons = (Button(cancel, voice.say(texts.BUTTON_CANCEL_RESERVATION)),)
    return Buttons(body, buttons, holds_code=True)


def ask_cancel(voice: Voice, reservation: Reservation, intro: Sequence[str] = ()) -> Buttons:
    """The question before a cancellation."""
    told = voice.say(texts.RESERVATION, **_values(voice, reservation))
    about = reservation.reservation_id
    buttons = (
        Button(taps.action(taps.CANCEL_SURE, about), voice.say(texts.BUTTON_YES_CANCEL)),
        Button(taps.action(taps.KEEP, about), voice.say(texts.BUTTON_KEEP)),
    )
    body = "\n".join((*intro, voice.say(texts.ASK_CANCEL), told))
    return Buttons(body, buttons, holds_code=True)


def ask_paying(voice: Voice, reservation: Reservation, penalty: Money) -> Buttons:
    """The question before a cancellation that costs something."""
    told = voice.say(texts.RESERVATION, **_values(voice, reservation))
    paying = taps.paying(reservation.reservation_id, penalty)
    keep = taps.action(taps.KEEP, reservation.reservation_id)
    buttons = (
        Button(taps.action(taps.CANCEL_PAYING, paying), voice.say(texts.BUTTON_YES_CANCEL)),
        Button(keep, voice.say(texts.BUTTON_KEEP)),
    )
    question = voice.say(texts.ASK_PAYING, penalty=voice.money(penalty))
    return Buttons("\n".join((question, told)), buttons, holds_code=True)


def _awaited(voice: Voice, deposit: Deposit) -> str:
    amount, until = voice.money(deposit.amount), voice.until(deposit.due_time)
    return voice.say(texts.DEPOSIT_AWAITED, amount=amount, until=until)


def _several(voice: Voice, reservations: Sequence[Reservation], intro: Sequence[str]) -> ListMenu:
    lines, rows = [], []
    for reservation in reservations:
        line = voice.say(texts.RESERVATION_LINE, **_short_values(voice, reservation))
        if reservation.pending:
            line = f"{line} ({voice.say(texts.PENDING)})"
        lines.append(line)
        row_id = taps.action(taps.CANCEL, reservation.reservation_id)
        note = line.removeprefix(f"• *{reservation.code}*: ")
        rows.append(Row(row_id, reservation.code, note))
    body = "\n".join((*intro, voice.say(texts.YOUR_RESERVATIONS), *lines))
    button = voice.say(texts.BUTTON_PICK_RESERVATION)
    return ListMenu(body, button, tuple(rows), holds_code=True)


def _values(voice: Voice, reservation: Reservation) -> dict[str, str]:
    stay = reservation.room.stay
    return {
        "code": reservation.code,
        "name": voice.room(reservation.room.names),
        "stay": voice.stay(stay),
        "guests": voice.guests(stay.adults, stay.children),
        "total": voice.money(reservation.room.total),
    }


def _short_values(voice: Voice, reservation: Reservation) -> dict[str, str]:
    stay = reservation.room.stay
    return {
        "code": reservation.code,
        "name": voice.room(reservation.room.names),
        "check_in": voice.short_day(stay.check_in),
        "check_out": voice.short_day(stay.check_out),
        "total": voice.money(reservation.room.total),
    }
