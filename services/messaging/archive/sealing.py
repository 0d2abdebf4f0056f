"""Items are sealed before they are stored: under their hotel's data key.

A data key is derived from the installation's keys, which are files, and the hotel's id: the
same in every replica, kept nowhere, and asked for from nobody.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from meshkit.errors import FailedPrecondition
from meshkit.key_folder import KeyFolder
from meshkit.keyring import KeyRing, Sealed, bind
from services.messaging.archive.metrics import ArchiveMetrics
from services.messaging.store.archive import Archived
from services.messaging.store.inbox import IngestColumns, SealedColumns

MOST_KEPT = 10_000
"""Data keys kept, of the hotels heard of last; making one anew takes some ten microseconds."""


class Sealer:
    """Seals items, and opens what was sealed."""

    def __init__(
        self, keys: KeyFolder, metrics: ArchiveMetrics, most_kept: int = MOST_KEPT
    ) -> None:
        self._keys = keys
        self._metrics = metrics
        self._most_kept = most_kept
        self._root: KeyRing | None = None
        self._rings: OrderedDict[str | None, KeyRing] = OrderedDict()

    def seal(self, columns: IngestColumns, tenants: list[str | None]) -> SealedColumns | None:
        """What is archived of a batch; `tenants` are its items' hotels, None if unknown.

        Without a key nothing is, and the batch is stored all the same: no guest's message is
        refused for the archive's sake.
        """
        root = self._keys.ring
        if root is None:
            self._metrics.items.labels("no_key").inc(len(columns.key))
            return None
        sealed = [
            self._ring(root, tenant).encrypt(event, bind(number, key)).ciphertext
            for tenant, number, key, event in zip(
                tenants, columns.number, columns.key, columns.event, strict=True
            )
        ]
        self._metrics.items.labels("sealed").inc(len(sealed))
        return SealedColumns(root.newest, tenants, sealed)

    def open(self, item: Archived) -> bytes:
        """The item's bytes.

        Raises `FailedPrecondition` ARCHIVE_WITHOUT_KEYS, `Unavailable` KEY_MISSING and
        `Internal` VALUE_ALTERED.
        """
        ring = self._ring(self._usable(), item.tenant_id)
        sealed = Sealed(item.key_id, item.ciphertext)
        return ring.decrypt(sealed, bind(item.phone_number_id, item.item_key))

    def resealed(self, item: Archived, tenant_id: str) -> Archived:
        """The same item under a hotel's data key; errors are those of `open`."""
        bound = bind(item.phone_number_id, item.item_key)
        sealed = self._ring(self._usable(), tenant_id).encrypt(self.open(item), bound)
        return replace(
            item, tenant_id=tenant_id, key_id=sealed.key_id, ciphertext=sealed.ciphertext
        )

    def _usable(self) -> KeyRing:
        if self._keys.ring is None:
            raise FailedPrecondition(
                "ARCHIVE_WITHOUT_KEYS",
                self._keys.problem()
                or "Nothing is archived: name a folder with CONSERJE_MESSAGING_KEYS_FOLDER.",
            )
        return self._keys.ring

    def _ring(self, root: KeyRing, tenant_id: str | None) -> KeyRing:
        """A hotel's data keys, by the ids of the keys that they come from."""
        if root is not self._root:
            self._root, self._rings = root, OrderedDict()
        ring = self._rings.get(tenant_id)
        if ring is None:
            ring = root.derived(_purpose(tenant_id))
            self._rings[tenant_id] = ring
            if len(self._rings) > self._most_kept:
                self._rings.popitem(last=False)
            self._metrics.keys_kept.set(len(self._rings))
        else:
            self._rings.move_to_end(tenant_id)
        return ring


def _purpose(tenant_id: str | None) -> bytes:
    """What a data key is derived for; another one would open nothing of before."""
    return bind("archive") if tenant_id is None else bind("archive", tenant_id)
