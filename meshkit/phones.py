"""One key for each phone number, however it is written.

Keys are E.164: `+` and up to 15 digits. In three countries a mobile number has several valid
spellings, of which WhatsApp uses now one, now another; they fall on one key by exact rules:

- Argentina: a mobile number has a 9 after the country's 54 and no 15 after its area code. Without
  either it is a landline, and another number.
- Mexico: the 1 between 52 and the ten digits is gone.
- Brazil: eight digits that begin with 6 to 9 are a mobile number whose ninth digit is missing;
  with 2 to 5 they are a landline, and stay what they are.

The key says which number it is, not where to send: that is the form WhatsApp has written last.
"""

from __future__ import annotations

import re

import phonenumbers

# An area code of 2, 3 or 4 digits and the rest make ten; the 15 stands between them.
_ARGENTINA = re.compile(
    r"549?(11(?=15\d{8}$)|[23]\d\d(?=15\d{7}$)|[23]\d{3}(?=15\d{6}$))15(\d{6,8})"
)
_MEXICO = re.compile(r"521(\d{10})")
_BRAZIL = re.compile(r"55([1-9]{2})([6-9]\d{7})")

# Letters are refused: a number hidden in a sentence, or spelt as a word, is a guess.
_WRITTEN = re.compile(r"(?P<plus>\+|00)?[ (]*(?P<rest>\d(?:[ \u00a0().\-/]*\d){4,24})", re.ASCII)
_LONGEST = 64


def phone_key(text: str) -> str | None:
    """The key of a number that somebody wrote; None when it is none.

    With `+` or 00 before its country it may have spaces and the like; without, it is digits
    alone, as WhatsApp writes them. That it is in use is not checked: Meta's test numbers are not.
    """
    match = _WRITTEN.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None or (not match["plus"] and not match["rest"].isdigit()):
        return None
    try:
        number = phonenumbers.parse("+" + whatsapp_key(_digits(match["rest"])))
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return "+" + whatsapp_key(written.removeprefix("+"))


def whatsapp_key(whatsapp_id: str) -> str:
    """The digits of the key of a number as WhatsApp writes it; whatever else it is, itself.

    This much is enough for what WhatsApp wrote, and takes a microsecond.
    """
    if match := _MEXICO.fullmatch(whatsapp_id):
        return f"52{match[1]}"
    if match := _BRAZIL.fullmatch(whatsapp_id):
        return f"55{match[1]}9{match[2]}"
    if match := _ARGENTINA.fullmatch(whatsapp_id):
        return f"549{match[1]}{match[2]}"
    return whatsapp_id


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
