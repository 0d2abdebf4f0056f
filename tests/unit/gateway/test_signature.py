"""The signature itself, against one made elsewhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.signature import is_authentic, sign
from tests import bodies


def test_a_known_signature() -> None:
    # printf '{"a":1}' | openssl dgst -sha256 -hmac key
    known = "sha256=88a67f24bbcdaed0e6c997404bb79a743baf44c6bab2f4c27328e3009d22e342"
    assert sign(b'{"a":1}', b"key") == known
    assert bodies.sign(b'{"a":1}', "key") == known


@given(body=st.binary(max_size=300), secrets=st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_any_of_the_secrets_signs(body: bytes, secrets: list[str]) -> None:
    keys = [secret.encode("utf-8", "surrogatepass") for secret in secrets]
    for key in keys:
        assert is_authentic(body, sign(body, key), keys)
        assert not is_authentic(body + b"x", sign(body, key), keys)


@given(st.text())
def test_no_other_text_is_a_signature(text: str) -> None:
    assert not is_authentic(b"body", text, [b"secret"])


def test_without_secrets_nothing_is_authentic() -> None:
    assert not is_authentic(b"body", sign(b"body", b""), [])
