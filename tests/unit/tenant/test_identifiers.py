"""The one form of each identifier; phone numbers have tests of their own in meshkit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import InvalidArgument
from services.tenant.identifiers.domain import Identifier, Kind, email, meta_id

names = st.text("abcXYZ019._+-'", min_size=1, max_size=12)
addresses = st.builds(
    "{}@{}.{}".format, names, names, st.sampled_from(["com", "MX", "com.ar", "c"])
)


@given(
    st.sampled_from(Kind), st.text(max_size=40) | addresses | st.text("+0123456789 ", max_size=20)
)
def test_the_form_of_a_form_is_itself(kind: Kind, text: str) -> None:
    try:
        once = Identifier.of(kind, text, "value")
    except InvalidArgument as error:
        told = [one.field for one in error.violations]
    else:
        told = []
        assert Identifier.of(kind, once.value, "value") == once
    assert told in ([], ["value"])


@given(addresses, st.data())
def test_an_address_is_the_same_in_any_case(address: str, data: st.DataObject) -> None:
    written = "".join(data.draw(st.sampled_from((one.lower(), one.upper()))) for one in address)
    assert email(written) == email(address)


@given(addresses, addresses)
def test_two_addresses_never_have_one_form(one: str, other: str) -> None:
    if email(one) is not None and one.lower() != other.lower():
        assert email(one) != email(other)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a@b", "@b.mx", "a@", "a b@c.mx", "a@b..mx", ".a@b.mx", "a.@b.mx", "a@-b.mx"),
        *("a@b.mx\n", "a\0@b.mx", "a@b.mx,c@d.mx", "<a@b.mx>", "a@127.0.0.1", "\u212aim@b.mx"),
        *("straße@b.mx", "a@münchen.de", "a" * 65 + "@b.mx", "a@" + "b." * 130 + "mx"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert email(text) is None


@pytest.mark.parametrize("text", ["", "1 2", "+1", "1a", "١", "1" * 33, "1\n", "-1"])
def test_what_is_no_id_is_refused(text: str) -> None:
    assert meta_id(text) is None


def test_what_can_be_one_is_one() -> None:
    assert email(" Front.Desk+mx@Hotel-Mirador.COM.MX ") == "front.desk+mx@hotel-mirador.com.mx"
    assert email("a@xn--mnchen-3ya.de") == "a@xn--mnchen-3ya.de"
    assert meta_id(" 0042 ") == "0042"
    same = {Identifier.of(Kind.EMAIL, one, "") for one in ("A@B.mx", "a@b.MX")}
    assert [one.key for one in same] == ["EMAIL:a@b.mx"]


def test_the_same_value_of_another_kind_is_another_identifier() -> None:
    phone = "+34 600 11 22 33"
    kinds = (Kind.WHATSAPP_PHONE, Kind.GUEST_PHONE)
    assert len({Identifier.of(kind, phone, "").key for kind in kinds}) == 2
