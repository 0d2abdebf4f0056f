"""What the fake Graph API remembers is bounded, and counted when forgotten."""

from base64 import b64encode
from hashlib import sha256

import pytest

from sandbox.graph.errors import GraphError
from sandbox.graph.faults import Faults
from sandbox.graph.media import MediaStore
from sandbox.graph.pairs import BURST, MAX_PAIRS, SECONDS_PER_MESSAGE, PairLimit
from sandbox.graph.records import Ledger


async def test_a_ledger_forgets_its_beginning_and_keeps_its_numbers() -> None:
    ledger: Ledger[int] = Ledger(keep=10)
    for number in range(1, 101):
        ledger.append(number)
    kept = list(ledger.after(0))
    assert 10 <= len(kept) < 20
    assert kept[-1] == ledger.total == 100
    assert ledger.forgotten + len(kept) == 100
    assert list(ledger.after(97)) == [98, 99, 100]
    assert list(ledger.after(100)) == []


async def test_nothing_new_is_an_answer_too() -> None:
    ledger: Ledger[int] = Ledger(keep=10)
    assert await ledger.more(timeout=0.01) is False


def test_the_pair_limit_gives_back_what_was_borrowed() -> None:
    limit = PairLimit(enabled=True)
    assert all(limit.allows("1", "guest", 0.0) for _ in range(BURST))
    assert not limit.allows("1", "guest", 0.0)
    assert not limit.allows("1", "guest", SECONDS_PER_MESSAGE - 0.1)
    assert limit.allows("1", "guest", SECONDS_PER_MESSAGE)
    assert not limit.allows("1", "guest", SECONDS_PER_MESSAGE)
    assert limit.allows("2", "guest", SECONDS_PER_MESSAGE)


def test_pairs_are_bounded() -> None:
    limit = PairLimit(enabled=True)
    for guest in range(MAX_PAIRS + 10):
        limit.allows("1", str(guest), 0.0)
    assert len(limit._full_at) == MAX_PAIRS


def test_faults_hit_only_whom_they_are_meant_for_and_run_out() -> None:
    faults = Faults()
    faults.add({"kind": "error", "count": 2, "to": "a"})
    faults.add({"kind": "hang_up"})
    assert [faults.take("1", to) for to in ("b", "b")] == [
        faults_of("hang_up"),
        None,
    ]
    taken = [faults.take("1", "a") for _ in range(3)]
    assert [fault.kind if fault else None for fault in taken] == ["error", "error", None]


def faults_of(kind: str) -> object:
    other = Faults()
    other.add({"kind": kind})
    return other.take("", "")


def test_media_are_bounded_and_the_oldest_goes_first() -> None:
    store = MediaStore(keep_bytes=100)
    first = store.add("1", "image/jpeg", b"x" * 60)
    second = store.add("1", "image/jpeg", b"y" * 60)
    assert store.held_bytes == 60
    assert store.get(second.media_id).sha256 == b64encode(sha256(b"y" * 60).digest()).decode()
    with pytest.raises(GraphError):
        store.get(first.media_id)


def test_media_of_another_number_are_refused() -> None:
    store = MediaStore(keep_bytes=100)
    media = store.add("1", "image/jpeg", b"x")
    assert store.get(media.media_id, "1") == store.get(media.media_id) == media
    with pytest.raises(GraphError):
        store.get(media.media_id, "2")


@pytest.mark.parametrize(
    ("mime_type", "size"), [("image/jpeg", 5 * 2**20 + 1), ("image/webp", 501 * 1024), ("x/y", 1)]
)
def test_media_beyond_metas_limits_are_refused(mime_type: str, size: int) -> None:
    with pytest.raises(GraphError):
        MediaStore(2**30).add("1", mime_type, b"x" * size)
