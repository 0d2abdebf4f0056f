"""What a template needs, read from Meta's own description of it, and whether it gets it.

Source: "Template components" and "Messages" of the Cloud API documentation. A
parameter that WhatsApp would refuse takes the whole message with it, so that
everything is checked before the message is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from meshkit.errors import InvalidArgument, NotFound, Violation
from services.messaging.replies.limits import HEADER, TEMPLATE_BODY, width

APPROVED = "APPROVED"
"""The only status in which Meta sends a template."""
BODY_ALONE = 32_768
"""A body may be this long when the template has nothing else."""
URL_PARAMETER = 2000
COUPON_CODE = 15
FILES = ("image", "video", "document")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_REFUSED_SPACE = re.compile(r"[\n\r\t]| {5}")


def template_unknown(name: str, language_code: str) -> NotFound:
    """The catalogue does not have it in that language."""
    return NotFound(
        "TEMPLATE_UNKNOWN",
        "The hotel's catalogue has no such template in that language.",
        template_name=name,
        language_code=language_code,
    )


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be given for a template to be sent.

    `header` is empty, `text`, `image`, `video`, `document` or `location`;
    `buttons` are places with their kinds, `url` or `copy_code`; `named` says
    that the variables of the text have names of their own.
    """

    body: tuple[str, ...] = ()
    header: str = ""
    header_variable: str = ""
    buttons: tuple[tuple[int, str], ...] = ()
    body_text: str = ""
    alone: bool = True
    named: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody wants to be put into it."""

    body: Sequence[str] = ()
    header: str = ""
    buttons: Sequence[str] = field(default_factory=tuple)


def needs_of(components: bytes, parameter_format: str) -> Needs:
    """The needs of a template, from Meta's list of its components as JSON."""
    parts: dict[str, Mapping[str, Any]] = {}
    described = orjson.loads(components)
    for part in described if isinstance(described, list) else []:
        if isinstance(part, dict):
            parts.setdefault(str(part.get("type", "")).upper(), part)
    header, variable = _header(parts.get("HEADER", {}))
    body = str(parts.get("BODY", {}).get("text") or "")
    return Needs(
        body=_variables(body),
        header=header,
        header_variable=variable,
        buttons=_buttons(parts.get("BUTTONS", {})),
        body_text=body,
        alone=set(parts) <= {"BODY"},
        named=parameter_format.upper() == "NAMED",
    )


def components_of(needs: Needs, given: Given) -> list[dict[str, Any]]:
    """The components of the send, as the Graph API takes them.

    Raises `InvalidArgument` that names every parameter that is wrong.
    """
    violations = [*_wrong_body(needs, given), *_wrong_header(needs, given)]
    violations += _wrong_buttons(needs, given)
    if violations:
        told = "; ".join(f"{one.field}: {one.description}" for one in violations)
        raise InvalidArgument("INVALID_REQUEST", told, violations=tuple(violations))
    components: list[dict[str, Any]] = []
    if needs.header:
        components.append({"type": "header", "parameters": [_header_parameter(needs, given)]})
    if needs.body:
        texts = zip(needs.body, given.body, strict=True)
        words = [_text(needs, name, text) for name, text in texts]
        components.append({"type": "body", "parameters": words})
    for (place, kind), value in zip(needs.buttons, given.buttons, strict=True):
        components.append(_button(place, kind, value))
    return components


def _header(part: Mapping[str, Any]) -> tuple[str, str]:
    kind = str(part.get("format", "")).lower()
    if kind == "text":
        variables = _variables(str(part.get("text") or ""))
        return ("text", variables[0]) if variables else ("", "")
    return (kind, "") if kind in (*FILES, "location") else ("", "")


def _buttons(part: Mapping[str, Any]) -> tuple[tuple[int, str], ...]:
    found = []
    buttons = part.get("buttons")
    for place, button in enumerate(buttons if isinstance(buttons, list) else []):
        kind = str(button.get("type", "")).lower()
        if kind == "copy_code" or (kind == "url" and _variables(str(button.get("url") or ""))):
            found.append((place, kind))
    return tuple(found)


def _variables(text: str) -> tuple[str, ...]:
    """The variables in a text: by number where they are numbers, else as they come."""
    found = list(dict.fromkeys(_VARIABLE.findall(text)))
    if all(name.isdecimal() for name in found):
        found.sort(key=int)
    return tuple(found)


def _wrong_body(needs: Needs, given: Given) -> list[Violation]:
    if len(given.body) != len(needs.body):
        names = ", ".join(needs.body) or "none"
        told = f"{len(needs.body)} are needed ({names}), {len(given.body)} were given"
        return [Violation("body_parameters", told)]
    wrong = [
        Violation(f"body_parameters[{place}]", told)
        for place, text in enumerate(given.body)
        if (told := _wrong_words(text))
    ]
    most = BODY_ALONE if needs.alone else TEMPLATE_BODY
    whole = width(_filled(needs, given.body))
    if not wrong and whole > most:
        told = f"the body would be {whole} characters long, at most {most} are allowed"
        wrong.append(Violation("body_parameters", told))
    return wrong


def _filled(needs: Needs, values: Sequence[str]) -> str:
    known = dict(zip(needs.body, values, strict=True))
    return _VARIABLE.sub(lambda found: known[found[1]], needs.body_text)


def _wrong_words(text: str) -> str:
    if not text.strip():
        return "is empty, which WhatsApp refuses"
    if _REFUSED_SPACE.search(text):
        return "holds a line break, a tab or five spaces in a row, which WhatsApp refuses"
    return ""


def _wrong_header(needs: Needs, given: Given) -> list[Violation]:
    told = ""
    if not needs.header:
        told = "the template takes none" if given.header else ""
    elif needs.header == "location":
        told = "a template whose header is a location cannot be sent from here"
    elif needs.header in FILES:
        if not given.header.startswith(("https://", "http://")):
            told = f"the address of the {needs.header} is needed, with https://"
    elif not (told := _wrong_words(given.header)) and width(given.header) > HEADER:
        told = f"has {width(given.header)} characters, at most {HEADER} are allowed"
    return [Violation("header_parameter", told)] if told else []


def _wrong_buttons(needs: Needs, given: Given) -> list[Violation]:
    if len(given.buttons) != len(needs.buttons):
        told = f"{len(needs.buttons)} are needed, {len(given.buttons)} were given"
        return [Violation("button_parameters", told)]
    wrong = []
    for place, ((_, kind), value) in enumerate(zip(needs.buttons, given.buttons, strict=True)):
        most = URL_PARAMETER if kind == "url" else COUPON_CODE
        if not 0 < width(value) <= most or _wrong_words(value):
            told = f"1 to {most} characters on one line are needed"
            wrong.append(Violation(f"button_parameters[{place}]", told))
    return wrong


def _header_parameter(needs: Needs, given: Given) -> dict[str, Any]:
    if needs.header in FILES:
        return {"type": needs.header, needs.header: {"link": given.header}}
    return _text(needs, needs.header_variable, given.header)


def _text(needs: Needs, name: str, text: str) -> dict[str, Any]:
    named = {"parameter_name": name} if needs.named else {}
    return {"type": "text", **named, "text": text}


def _button(place: int, kind: str, value: str) -> dict[str, Any]:
    parameter = {"type": "text", "text": value}
    if kind == "copy_code":
        parameter = {"type": "coupon_code", "coupon_code": value}
    return {"type": "button", "sub_type": kind, "index": str(place), "parameters": [parameter]}
