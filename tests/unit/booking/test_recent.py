"""What was worked out last is kept, and no more of it than is allowed."""

from __future__ import annotations

from services.booking.recent import Recent


def test_the_least_asked_for_is_forgotten() -> None:
    recent: Recent[int, str] = Recent(3)
    for number in range(3):
        recent.keep(number, str(number))
    assert recent.get(0) == "0"
    recent.keep(3, "3")
    assert [recent.get(number) for number in range(4)] == ["0", None, "2", "3"]
    recent.keep(2, "two")
    assert len(recent) == 3
    assert recent.get(2) == "two"
