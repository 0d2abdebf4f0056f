"""A file that lets a killed fake Graph API go on where it stopped.

Meta does not forget what it accepted, nor what it still has to deliver; with a journal its
fake does not either, and a test that kills it can still count. Lines are written before the
answer leaves. They survive a killed process, not a killed machine: nothing is synced.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from sandbox.graph.records import Accepted
from sandbox.graph.settings import Number
from sandbox.graph.webhooks import Item


class Journal:
    """Appends lines to `path`; without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # It has what guests write. One that is there from before is shut as well.
            path.touch(mode=0o600)
            path.chmod(0o600)
            self._file = path.open("a", encoding="utf-8")

    def accepted(self, sent: Accepted, *, final_status: str) -> None:
        """A send was accepted; `final_status` is the last one it will get, empty for none."""
        self._write({"accepted": sent.to_json(), "final_status": final_status})

    def queued(self, item: Item) -> None:
        """A guest has sent something."""
        self._write({"queued": asdict(item)})

    def delivered(self, keys: Iterable[str]) -> None:
        """The gateway has answered 200 for these items."""
        self._write({"delivered": list(keys)})

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


class Past:
    """What a journal tells: everything accepted, and what is still to be delivered."""

    def __init__(self, path: Path | None) -> None:
        self.accepted: list[Accepted] = []
        self._final_status: dict[str, str] = {}
        self._queued: dict[str, Item] = {}
        self._delivered: set[str] = set()
        if path is not None and path.exists():
            for line in _lines(path):
                self._learn(line)

    def undelivered_items(self) -> list[Item]:
        """What guests sent and the gateway has not taken yet."""
        return [item for key, item in self._queued.items() if key not in self._delivered]

    def without_final_status(self) -> list[Accepted]:
        """What was accepted and whose last status the gateway has not taken yet."""
        return [
            sent
            for sent in self.accepted
            if (last := self._final_status.get(sent.wamid))
            and f"{sent.wamid}:{last}" not in self._delivered
        ]

    def _learn(self, line: dict[str, Any]) -> None:
        if "accepted" in line:
            sent = Accepted(**line["accepted"])
            self.accepted.append(sent)
            self._final_status[sent.wamid] = line["final_status"]
        elif "queued" in line:
            item = Item(**{**line["queued"], "number": Number(**line["queued"]["number"])})
            self._queued[item.key] = item
        else:
            self._delivered.update(line["delivered"])


def _cut_torn_line(path: Path) -> None:
    """Removes what a killed process had begun to write; its request was never answered."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    _cut_torn_line(path)
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
