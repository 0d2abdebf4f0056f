"""How a send that is too long or too crowded becomes some that WhatsApp takes.

More than three buttons become a list, more than ten rows pages, a long title a
short one with the whole in its description or in the body, a long body texts
that go before. Nothing that was to be read is lost, and every id still comes
back as it was. Lengths are UTF-16 units for what is read, bytes for ids: the
widest way that WhatsApp may count either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar, assert_never

from services.messaging.replies import limits
from services.messaging.replies.limits import clean, fit, line, shows, width
from services.messaging.whatsapp.sends import (
    CAPTIONED,
    Buttons,
    Choice,
    Commerce,
    Contacts,
    Flow,
    Header,
    LinkButton,
    Location,
    Media,
    Menu,
    Question,
    Reaction,
    Section,
    Send,
    Template,
    Text,
)
from services.messaging.whatsapp.splitting import split

_SHORT_BODY = limits.BUTTONS_BODY
_WithBody = TypeVar("_WithBody", Buttons, Menu, LinkButton, Question, Flow, Commerce)
_WithTitle = TypeVar("_WithTitle", LinkButton, Flow)
_WithFrame = TypeVar("_WithFrame", Buttons, Menu, LinkButton, Flow, Commerce)


def fitted(send: Send) -> Iterator[Send]:
    """The same in messages that each fit."""
    match send:
        case Text():
            for piece in split(_visible(send.body), limits.TEXT_BODY):
                yield replace(send, body=piece)
        case Media():
            yield from _media(send)
        case Buttons():
            yield from _buttons(_framed(send))
        case Menu():
            yield from _menu(_framed(send))
        case LinkButton():
            yield from _titled(_framed(send), limits.LINK_TITLE)
        case Flow():
            yield from _titled(_framed(send), limits.FLOW_TITLE)
        case Question():
            yield from _bodied(send, _SHORT_BODY)
        case Commerce():
            yield from _commerce(_framed(send))
        case Location():
            yield replace(send, name=line(send.name), address=line(send.address))
        case Contacts() | Template() | Reaction():
            yield send
        case _:
            assert_never(send)


def _media(media: Media) -> Iterator[Send]:
    """A caption that does not fit, or that its kind does not have, follows as text."""
    caption = clean(media.caption)
    if media.kind in CAPTIONED and width(caption) <= limits.CAPTION:
        yield replace(media, caption=caption)
        return
    yield replace(media, caption="")
    if shows(caption):
        yield from fitted(Text(caption))


def _buttons(send: Buttons) -> Iterator[Send]:
    choices = [replace(one, title=_label(one.title)) for one in send.choices]
    send = replace(send, choices=choices)
    titles = {choice.title for choice in choices}
    short = all(width(title) <= limits.BUTTON_TITLE for title in titles)
    plain = not any(choice.description for choice in choices)
    if len(choices) <= limits.MAX_BUTTONS and short and plain and len(titles) == len(choices):
        yield from _bodied(send, _SHORT_BODY)
    elif all(len(choice.id.encode()) <= limits.ROW_ID for choice in choices):
        yield from _as_menu(send)
    else:
        yield from _in_threes(send)


def _as_menu(send: Buttons) -> Iterator[Send]:
    """A list has no picture above it: the picture goes before."""
    if isinstance(send.header, Media):
        yield from _media(send.header)
    header = send.header if isinstance(send.header, str) else ""
    menu = Menu(send.body, limits.MENU_SIGN, [Section(send.choices)], header, send.footer)
    yield from _menu(menu)


def _in_threes(send: Buttons) -> Iterator[Send]:
    """For ids that a list does not take: messages of three buttons, told apart by a number."""
    shown, told = [], []
    for number, choice in enumerate(send.choices, start=1):
        long = width(f"{number}. {choice.title}") > limits.BUTTON_TITLE
        shown.append(replace(choice, title=fit(f"{number}. {choice.title}", limits.BUTTON_TITLE)))
        words = " · ".join(filter(None, (choice.title, line(choice.description))))
        if long or choice.description:
            told.append(f"{number}. {words}")
    body = "\n".join([send.body, *told])
    for page, start in enumerate(range(0, len(shown), limits.MAX_BUTTONS)):
        some = shown[start : start + limits.MAX_BUTTONS]
        one = replace(send, choices=[replace(choice, description="") for choice in some])
        if page:
            one = replace(one, body=f"{start + 1}–{start + len(some)}", header="", footer="")
        yield from _bodied(replace(one, body=one.body if page else body), _SHORT_BODY)


def _menu(send: Menu) -> Iterator[Send]:
    told: list[str] = []
    rows = [
        (_short(section.title, limits.SECTION_TITLE, send.body, told), _row(row, send.body, told))
        for section in send.sections
        for row in section.rows
    ]
    label = _short(_label(send.button), limits.LIST_BUTTON, send.body, told)
    send = replace(send, button=label, body="\n".join([send.body, *told]))
    pages = [rows[at : at + limits.MAX_ROWS] for at in range(0, len(rows), limits.MAX_ROWS)]
    for number, page in enumerate(pages, start=1):
        one = replace(send, sections=_sections(page))
        if number > 1:
            one = replace(one, body=f"{number}/{len(pages)}", header="", footer="")
        yield from _bodied(one, limits.LIST_BODY)


def _row(row: Choice, body: str, told: list[str]) -> Choice:
    """The row within its limits; what it cannot say itself is added to `told`."""
    title, description = _label(row.title), line(row.description)
    if not shows(description):
        description = ""
    whole = " · ".join(filter(None, (title, description)))
    short = fit(title, limits.ROW_TITLE)
    if short == title or title in body:
        if width(description) <= limits.ROW_DESCRIPTION:
            return replace(row, title=short, description=description)
    elif width(whole) <= limits.ROW_DESCRIPTION:
        return replace(row, title=short, description=whole)
    told.append(f"• {whole}")
    return replace(row, title=short, description=fit(description, limits.ROW_DESCRIPTION))


def _sections(rows: Sequence[tuple[str, Choice]]) -> list[Section]:
    """Neighbours under one title are one section; several sections need titles, ten at most."""
    found: list[tuple[str, list[Choice]]] = []
    for title, row in rows:
        if not found or found[-1][0] != title:
            found.append((title, []))
        found[-1][1].append(row)
    several = len(found) > 1
    return [Section(some, title or (limits.ELLIPSIS if several else "")) for title, some in found]


def _titled(send: _WithTitle, most: int) -> Iterator[Send]:
    """A long label is cut on the button and told in the body."""
    told: list[str] = []
    title = _short(_label(send.title), most, send.body, told)
    yield from _bodied(replace(send, title=title, body="\n".join([send.body, *told])), _SHORT_BODY)


def _commerce(send: Commerce) -> Iterator[Send]:
    if send.kind == "product" and not shows(send.body):
        yield replace(send, body="")
    else:
        yield from _bodied(send, _SHORT_BODY)


def _framed(send: _WithFrame) -> _WithFrame:
    """Header and footer that do not fit become the beginning and the end of the body."""
    before, header = _header(send.header)
    footer = line(send.footer)
    after = footer if width(footer) > limits.FOOTER else ""
    body = "\n\n".join(filter(shows, (before, clean(send.body), after)))
    footer = "" if after or not shows(footer) else footer
    # A menu's header is words, and words stay words.
    changes: dict[str, Any] = {"header": header, "body": body, "footer": footer}
    return replace(send, **changes)


def _header(header: Header) -> tuple[str, Header]:
    """What goes into the body, and what stays above it."""
    if isinstance(header, Media):
        caption = clean(header.caption)
        return caption, replace(header, caption="")
    words = line(header)
    if width(words) > limits.HEADER:
        return words, ""
    return "", words if shows(words) else ""


def _bodied(send: _WithBody, most: int) -> Iterator[Send]:
    """A body that does not fit: texts before, and the last piece stays."""
    pieces = split(_visible(send.body), most)
    if len(pieces) > 1:
        # All but the last piece may be as long as a text.
        last = pieces[-1]
        before = _visible(send.body)[: -len(last)]
        yield from fitted(Text(before))
        send = replace(send, body=last)
    else:
        send = replace(send, body=pieces[0])
    yield send


def _short(label: str, most: int, body: str, told: list[str]) -> str:
    """A label within its limit; a cut one is told in full."""
    label = line(label)
    if not shows(label):
        return ""
    short = fit(label, most)
    if short != label and label not in body and f"*{label}*" not in told:
        told.append(f"*{label}*")
    return short


def _label(text: str) -> str:
    words = line(text)
    return words if shows(words) else limits.ELLIPSIS


def _visible(text: str) -> str:
    """The text; a sign where nothing could be seen, which WhatsApp refuses."""
    words = clean(text)
    return words if shows(words) else limits.ELLIPSIS
