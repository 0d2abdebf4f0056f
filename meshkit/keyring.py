"""Secrets at rest: AES-256-GCM under a ring of keys that come from files.

A folder holds one file for each key. The file's name is the key's id, its
content 32 random bytes in base64 (`openssl rand -base64 32`). The greatest
name is the newest key, so names that begin with a date sort by age. The newest
key encrypts, every key decrypts; a key is removed once nothing is under it.

Every value is bound to associated data, such as whose it is and what it is
called: moved to another row, it does not open. Nonces are random, so one key
may encrypt 2^32 values (NIST SP 800-38D, 8.3); what would come near that is
spread over keys that are derived from it, with HKDF (RFC 5869).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from meshkit.errors import FailedPrecondition, Internal, Unavailable

KEY_BYTES = 32
NONCE_BYTES = 12
RETRY_AFTER_SECONDS = 5.0
KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value and the id of the key it is under; both are stored."""

    key_id: str
    ciphertext: bytes = field(repr=False)
    """12 bytes of nonce, then what AES-GCM made, its tag included."""


class KeyRing:
    """Keys by id. What it raises names keys and files, never what is in them."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take keys of 32 bytes; raises `FailedPrecondition` KEY_RING_UNUSABLE."""
        if not keys:
            raise _unusable("It holds no key.")
        for key_id, key in keys.items():
            if not KEY_ID.fullmatch(key_id):
                raise _unusable("A key's id is 1 to 64 letters, digits, dots, dashes.")
            if len(key) != KEY_BYTES:
                raise _unusable(f"Key {key_id} has {len(key)} bytes instead of {KEY_BYTES}.")
        self._keys = dict(keys)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._newest = max(keys)

    @classmethod
    def read(cls, folder: Path) -> KeyRing:
        """The keys in `folder`; raises `FailedPrecondition` KEY_RING_UNUSABLE.

        Names that begin with a dot are left out: a mounted Kubernetes secret
        has such links beside its files.
        """
        try:
            files = [path for path in folder.iterdir() if not path.name.startswith(".")]
            return cls({path.name: _decode(path) for path in files})
        except OSError as error:
            raise _unusable(f"{folder} cannot be read ({type(error).__name__}).") from None

    @property
    def newest(self) -> str:
        """The id of the key that encrypts."""
        return self._newest

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All ids, the oldest first."""
        return tuple(sorted(self._ciphers))

    def holds_the_same_as(self, other: KeyRing) -> bool:
        """Whether both are the same keys under the same ids."""
        return self._keys == other._keys

    def derived(self, purpose: bytes) -> KeyRing:
        """Keys of their own for one purpose, under the same ids: the same whenever asked for."""
        return KeyRing({key_id: _derived(key, purpose) for key_id, key in self._keys.items()})

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.key_ids)})"

    def encrypt(self, secret: bytes, associated_data: bytes) -> Sealed:
        """Seal `secret` under the newest key; it opens with the same associated data only."""
        _need(associated_data)
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = self._ciphers[self._newest].encrypt(nonce, secret, associated_data)
        return Sealed(self._newest, nonce + ciphertext)

    def decrypt(self, sealed: Sealed, associated_data: bytes) -> bytes:
        """The secret.

        Raises `Unavailable` KEY_MISSING when this process was not given the key
        (another replica may have it), and `Internal` VALUE_ALTERED when the
        value, its key id or its associated data is not what was sealed.
        """
        _need(associated_data)
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise Unavailable(
                "KEY_MISSING",
                "A value is under a key that this process does not have.",
                retry_after=RETRY_AFTER_SECONDS,
                key_id=sealed.key_id,
            )
        nonce, ciphertext = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, ciphertext, associated_data)
        except (InvalidTag, ValueError):
            raise Internal(
                "VALUE_ALTERED", "A value does not open under its key.", key_id=sealed.key_id
            ) from None

    def is_current(self, sealed: Sealed) -> bool:
        """Whether the value is under the newest key."""
        return sealed.key_id == self._newest

    def renew(self, sealed: Sealed, associated_data: bytes) -> Sealed:
        """The same secret under the newest key; errors are those of `decrypt`."""
        return self.encrypt(self.decrypt(sealed, associated_data), associated_data)


def bind(*parts: str | bytes) -> bytes:
    """Associated data made of `parts`, so that no two lists of parts give the same bytes."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)


def _need(associated_data: bytes) -> None:
    if not associated_data:
        raise ValueError("a value must be bound to something")


def _decode(path: Path) -> bytes:
    try:
        return base64.b64decode(path.read_bytes().strip(), validate=True)
    except binascii.Error:
        raise _unusable(f"{path} holds no base64.") from None


def _unusable(sentence: str) -> FailedPrecondition:
    return FailedPrecondition("KEY_RING_UNUSABLE", f"The key ring cannot be used. {sentence}")
