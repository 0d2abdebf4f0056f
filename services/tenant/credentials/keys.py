"""What secrets are encrypted under."""

from __future__ import annotations

from meshkit.errors import FailedPrecondition, Unavailable
from meshkit.key_folder import KeyFolder
from meshkit.keyring import KeyRing, Sealed, bind
from services.tenant.credentials.domain import Ref


class Keys(KeyFolder):
    """Encrypts and decrypts with the keys of a folder; without one there are no secrets here."""

    @property
    def newest(self) -> str:
        """The id of the key that encrypts."""
        return self._usable().newest

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All ids; none where there is no folder."""
        return self.ring.key_ids if self.ring else ()

    def seal(self, ref: Ref, value: str) -> Sealed:
        """Encrypt under the newest key; raises `FailedPrecondition` KEY_RING_UNUSABLE."""
        return self._usable().encrypt(value.encode(), bind(*ref.bound_to))

    def open(self, ref: Ref, sealed: Sealed) -> str:
        """Decrypt.

        Raises `FailedPrecondition` KEY_RING_UNUSABLE, `Unavailable` KEY_MISSING
        and `Internal` VALUE_ALTERED.
        """
        bound = bind(*ref.bound_to)
        try:
            return self._usable().decrypt(sealed, bound).decode()
        except Unavailable:
            # Another replica has begun to use a key that has only just come here.
            self.refresh()
            return self._usable().decrypt(sealed, bound).decode()

    def _usable(self) -> KeyRing:
        if self.ring is None:
            raise FailedPrecondition(
                "KEY_RING_UNUSABLE",
                self.problem() or "No keys: name their folder with CONSERJE_TENANT_KEYS_FOLDER.",
            )
        return self.ring
