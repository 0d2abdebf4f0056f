"""What a guest's phone shows of the messages it gets, as lines of text."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_BOLD = re.compile(r"\*(\S(?:[^*\n]*\S)?)\*")
_ITALIC = re.compile(r"(?<![\w_])_(\S(?:[^_\n]*\S)?)_(?![\w_])")


@dataclass(frozen=True)
class Option:
    """Something that can be tapped."""

    reply_id: str
    title: str
    kind: str
    """`button` or `list`."""
    description: str = ""

    def tap(self, wamid: str) -> dict[str, str]:
        """The tap as the control API of the fake Graph API takes it."""
        tap = {"id": self.reply_id, "title": self.title, "kind": self.kind, "context": wamid}
        return {**tap, "description": self.description} if self.description else tap


@dataclass(frozen=True)
class Style:
    """How lines are drawn: colours only where a person looks."""

    width: int = 76
    colours: bool = False

    def bold(self, text: str) -> str:
        """Emphasised."""
        return f"\x1b[1m{text}\x1b[0m" if self.colours else text

    def dim(self, text: str) -> str:
        """Of less importance."""
        return f"\x1b[2m{text}\x1b[0m" if self.colours else text

    def key(self, text: str) -> str:
        """Something to type."""
        return f"\x1b[36m{text}\x1b[0m" if self.colours else text

    def marked_up(self, text: str) -> str:
        """WhatsApp's own *bold* and _italic_."""
        if not self.colours:
            return text
        return _ITALIC.sub("\x1b[3m\\1\x1b[23m", _BOLD.sub("\x1b[1m\\1\x1b[22m", text))


def options_of(body: dict[str, Any]) -> list[Option]:
    """What a message of ours lets the guest tap, in the order shown."""
    interactive = body.get("interactive") or {}
    action = interactive.get("action") or {}
    if interactive.get("type") == "button":
        replies = [button["reply"] for button in action["buttons"]]
        return [Option(reply["id"], reply["title"], "button") for reply in replies]
    return [
        Option(row["id"], row["title"], "list", row.get("description", ""))
        for section in action.get("sections", ())
        for row in section["rows"]
    ]


def bubble(hotel: str, time: str, body: dict[str, Any], style: Style) -> list[str]:
    """A message as it looks: who, when, the text, then what can be tapped."""
    inner = [*_text_lines(body, style), *_option_lines(body, style)]
    head = f"{style.bold(hotel)}  {style.dim(time)}"
    return [head, *(f"{style.dim('│')} {line}".rstrip() for line in inner), ""]


def _text_lines(body: dict[str, Any], style: Style) -> Iterator[str]:
    for text in _texts(body):
        for paragraph in text.split("\n"):
            wrapped = textwrap.wrap(paragraph, style.width - 2, break_long_words=False) or [""]
            yield from map(style.marked_up, wrapped)


def _texts(body: dict[str, Any]) -> list[str]:
    kind = body.get("type", "text")
    content = body.get(kind) or {}
    if kind == "text":
        return [content["body"]]
    if kind == "interactive":
        parts = (content.get(part) or {} for part in ("header", "body", "footer"))
        return [part["text"] for part in parts if part.get("text")]
    if kind == "location":
        place = ", ".join(filter(None, (content.get("name"), content.get("address"))))
        return [f"\U0001f4cd {place} ({content['latitude']}, {content['longitude']})"]
    return [f"[{kind}] {content.get('caption', '')}".rstrip()]


def _option_lines(body: dict[str, Any], style: Style) -> Iterable[str]:
    options = options_of(body)
    if not options:
        return
    yield ""
    if options[0].kind == "button":
        yield "   ".join(_label(number, one, style) for number, one in enumerate(options, 1))
        return
    yield style.dim(f"{body['interactive']['action']['button']}:")
    yield from _rows(options, style)


def _rows(options: Sequence[Option], style: Style) -> Iterator[str]:
    width = max(len(option.title) for option in options)
    for number, option in enumerate(options, 1):
        gap = " " * (width - len(option.title))
        yield f"{_label(number, option, style)}{gap}  {style.dim(option.description)}".rstrip()


def _label(number: int, option: Option, style: Style) -> str:
    return f"{style.key(f'[{number}]')} {option.title}"
