"""What a hotel is found by, and the one form that each of it has.

One pure function for each kind. What has the same form is the same thing, and two things never
have one: so addresses are ASCII, where another case is the only other spelling there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from meshkit.errors import InvalidArgument
from meshkit.phones import phone_key


class Kind(StrEnum):
    """What an identifier is, the id of a WhatsApp number aside."""

    WHATSAPP_PHONE = "WHATSAPP_PHONE"
    WHATSAPP_BUSINESS_ACCOUNT = "WHATSAPP_BUSINESS_ACCOUNT"
    EMAIL = "EMAIL"
    GUEST_PHONE = "GUEST_PHONE"


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """An identifier; its value has the form of its kind."""

    kind: Kind
    value: str

    @property
    def key(self) -> str:
        """Its name among all identifiers of all kinds."""
        return f"{self.kind}:{self.value}"

    @classmethod
    def of(cls, kind: Kind, written: str, field: str) -> Identifier:
        """The identifier that somebody wrote; raises `InvalidArgument` naming the `field`."""
        normal = _NORMAL[kind]
        value = normal.form(written)
        if value is None:
            raise InvalidArgument.field(field, normal.rule)
        return cls(kind, value)


# RFC 5321 without quoted names and address literals, which nobody has.
_EMAIL = re.compile(
    r"(?=.{6,254}$)(?=[^@]{1,64}@)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])",
    re.ASCII,
)
_ID = re.compile(r"[0-9]{1,32}", re.ASCII)


def email(text: str) -> str | None:
    """An address in lower case; None when it is none. Other alphabets come as Punycode."""
    # `lower` makes ASCII of some letters that are none, such as the Kelvin sign.
    address = text.strip(" ").lower() if text.isascii() else ""
    return address if _EMAIL.fullmatch(address) else None


def meta_id(text: str) -> str | None:
    """The digits of one of Meta's ids; None when there is anything else."""
    digits = text.strip(" ")
    return digits if _ID.fullmatch(digits) else None


@dataclass(frozen=True, slots=True)
class _Normal:
    form: Callable[[str], str | None]
    rule: str


_PHONE = _Normal(phone_key, "must be a phone number with its country, such as +52 55 1234 5678")
_NORMAL: Mapping[Kind, _Normal] = {
    Kind.WHATSAPP_PHONE: _PHONE,
    Kind.GUEST_PHONE: _PHONE,
    Kind.WHATSAPP_BUSINESS_ACCOUNT: _Normal(meta_id, "must be 1 to 32 digits"),
    Kind.EMAIL: _Normal(email, "must be an e-mail address"),
}
