"""WhatsApp's limits, and how any text is made to keep them.

A message with one label too long is refused as a whole, so nothing is sent that
has not been through `fit`. Lengths are counted in UTF-16 units, the widest way
that WhatsApp may count them. Source: Meta's pages on interactive messages.
"""

import unicodedata

TEXT_BODY = 4096
BUTTONS_BODY = 1024
LIST_BODY = 4096
BUTTON_TITLE = 20
BUTTON_ID = 256
MAX_BUTTONS = 3
LIST_BUTTON = 20
ROW_TITLE = 24
ROW_DESCRIPTION = 72
ROW_ID = 200
MAX_ROWS = 10
SECTION_TITLE = 24
HEADER = 60
FOOTER = 60
CAPTION = 1024
TEMPLATE_BODY = 1024
LINK_TITLE = 20
FLOW_TITLE = 30
MAX_CARDS = 257
EMOJI = 16
# Ours, so that ten rooms fit in one message with their names in full.
NAME = 160

ELLIPSIS = "…"
MENU_SIGN = "☰"
"""Opens a list in any language, where nobody named the button."""
# What joins the sign before it to the next one or colours it; alone at a cut it shows as a box.
_JOINERS = {"\u200d", "\ufe0f", "\ufe0e"}


_INVISIBLE = {"Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp", "Cn"}


def width(text: str) -> int:
    """How long WhatsApp may say that a text is."""
    return len(text) + sum(1 for sign in text if ord(sign) > 0xFFFF)


def clean(text: str) -> str:
    """The text without what JSON, Postgres or a phone cannot show; line breaks stay."""
    return "".join(_shown(sign) for sign in text).strip()


def line(text: str) -> str:
    """`clean`, on one line: what a title or a name has to be."""
    return " ".join(clean(text).split())


def fit(text: str, limit: int) -> str:
    """The text, cut with an ellipsis when it is longer than the limit."""
    if width(text) <= limit:
        return text
    kept, room = [], limit - width(ELLIPSIS)
    for sign in text:
        room -= width(sign)
        if room < 0:
            break
        kept.append(sign)
    while kept and (kept[-1] in _JOINERS or kept[-1].isspace()):
        kept.pop()
    return "".join(kept) + ELLIPSIS


def _shown(sign: str) -> str:
    category = unicodedata.category(sign)
    if category == "Cs":
        return "\ufffd"
    if category == "Cc" and sign != "\n":
        return " "
    return sign


def shows(text: str) -> bool:
    """Whether anything of the text can be seen."""
    return any(unicodedata.category(sign) not in _INVISIBLE for sign in text)
