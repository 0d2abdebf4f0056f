"""What a key ring opens, what it does not, and what it never says."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import FailedPrecondition, Internal, MeshError, Unavailable
from meshkit.keyring import NONCE_BYTES, KeyRing, Sealed, bind

OLD = bytes(range(32))
NEW = bytes(range(100, 132))
RING = KeyRing({"2026-01": OLD, "2026-07": NEW})
SECRET = b"EAAG-a-token-nobody-may-read"
BOUND = bind("hotel-mirador", "access_token")

keys = st.binary(min_size=32, max_size=32)
bounds = st.binary(min_size=1, max_size=40)


@given(keys, st.binary(max_size=200), bounds)
def test_what_was_sealed_opens_with_the_same_associated_data(
    key: bytes, secret: bytes, bound: bytes
) -> None:
    ring = KeyRing({"a": key})
    assert ring.decrypt(ring.encrypt(secret, bound), bound) == secret


@given(bounds, bounds)
def test_a_value_moved_to_another_row_does_not_open(one: bytes, other: bytes) -> None:
    sealed = RING.encrypt(SECRET, one)
    if one == other:
        return
    with pytest.raises(Internal, match="VALUE_ALTERED"):
        RING.decrypt(sealed, other)


@given(st.data())
def test_a_flipped_bit_or_a_missing_end_is_noticed(data: st.DataObject) -> None:
    sealed = RING.encrypt(SECRET, BOUND)
    at = data.draw(st.integers(0, len(sealed.ciphertext) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    flipped = bytearray(sealed.ciphertext)
    flipped[at] ^= bit
    for altered in (bytes(flipped), sealed.ciphertext[:at]):
        with pytest.raises(Internal, match="VALUE_ALTERED"):
            RING.decrypt(Sealed(sealed.key_id, altered), BOUND)


def test_a_value_under_another_keys_name_does_not_open() -> None:
    sealed = RING.encrypt(SECRET, BOUND)
    with pytest.raises(Internal, match="VALUE_ALTERED"):
        RING.decrypt(Sealed("2026-01", sealed.ciphertext), BOUND)


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_different_parts_never_bind_alike(one: list[str], other: list[str]) -> None:
    assert (bind(*one) == bind(*other)) == (one == other)


def test_the_newest_key_encrypts_and_every_key_decrypts() -> None:
    before = KeyRing({"2026-01": OLD}).encrypt(SECRET, BOUND)
    assert RING.decrypt(before, BOUND) == SECRET
    assert not RING.is_current(before)
    after = RING.renew(before, BOUND)
    assert after.key_id == RING.newest == "2026-07"
    assert RING.is_current(after)
    assert KeyRing({"2026-07": NEW}).decrypt(after, BOUND) == SECRET


def test_the_same_secret_never_looks_the_same_twice() -> None:
    seen = {RING.encrypt(SECRET, BOUND).ciphertext for _ in range(100)}
    assert len(seen) == len({one[:NONCE_BYTES] for one in seen}) == 100
    assert not any(SECRET in one for one in seen)


def test_a_key_this_process_lacks_may_be_elsewhere() -> None:
    with pytest.raises(Unavailable) as caught:
        KeyRing({"2026-01": OLD}).decrypt(RING.encrypt(SECRET, BOUND), BOUND)
    assert (caught.value.reason, caught.value.retry_after) == ("KEY_MISSING", 5.0)
    assert caught.value.metadata == {"key_id": "2026-07"}


@pytest.mark.parametrize("use", [RING.encrypt, lambda value, bound: RING.decrypt(value, bound)])
def test_a_value_bound_to_nothing_is_refused(use: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="bound"):
        use(SECRET, b"")


def test_keys_are_read_from_a_folder_and_the_greatest_name_is_the_newest(tmp_path: Path) -> None:
    (tmp_path / "2026-01").write_bytes(base64.b64encode(OLD) + b"\n")
    (tmp_path / "2026-07").write_bytes(base64.b64encode(NEW))
    (tmp_path / "..data").mkdir()
    ring = KeyRing.read(tmp_path)
    assert ring.key_ids == ("2026-01", "2026-07")
    assert ring.decrypt(RING.encrypt(SECRET, BOUND), BOUND) == SECRET


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no key"),
        ({"k": b"???not base64???"}, "no base64"),
        ({"k": base64.b64encode(OLD[:31])}, "31 bytes instead of 32"),
        ({"a key": base64.b64encode(OLD)}, "letters, digits"),
    ],
)
def test_an_unusable_folder_says_why_and_not_what_is_in_it(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FailedPrecondition, match="KEY_RING_UNUSABLE") as caught:
        KeyRing.read(tmp_path)
    assert said in caught.value.message
    for content in files.values():
        assert content.decode() not in "".join(traceback.format_exception(caught.value))


def test_a_missing_folder_says_which(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="KEY_RING_UNUSABLE") as caught:
        KeyRing.read(tmp_path / "keys")
    assert str(tmp_path / "keys") in caught.value.message


def test_neither_errors_nor_descriptions_hold_a_secret_or_a_key() -> None:
    sealed = RING.encrypt(SECRET, BOUND)
    told = [repr(RING), repr(sealed), str(sealed)]
    for ring, bound in ((RING, b"other"), (KeyRing({"2026-01": OLD}), BOUND)):
        try:
            ring.decrypt(sealed, bound)
        except MeshError as error:
            told.append("".join(traceback.format_exception(error)) + str(error.metadata))
    assert len(told) == 5
    for hidden in (SECRET, OLD, NEW, base64.b64encode(NEW), sealed.ciphertext):
        assert not any(repr(hidden)[2:-1] in one for one in told)


def test_keys_derived_for_a_purpose_are_the_same_again_and_no_others() -> None:
    one, again, other = RING.derived(b"one"), RING.derived(b"one"), RING.derived(b"other")
    assert one.key_ids == RING.key_ids
    sealed = one.encrypt(SECRET, BOUND)
    assert again.decrypt(sealed, BOUND) == SECRET
    for ring in (other, RING):
        with pytest.raises(Internal, match="VALUE_ALTERED"):
            ring.decrypt(sealed, BOUND)
    assert one.holds_the_same_as(again)
    assert not one.holds_the_same_as(other)
