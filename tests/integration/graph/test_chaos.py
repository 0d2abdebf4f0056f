"""The fake Graph API on a bad day."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from sandbox.graph.app import serving
from sandbox.graph.chaos import Chaos, Mood
from sandbox.graph.client import GraphControl
from sandbox.graph.errors import KINDS as CODES
from sandbox.graph.faults import KINDS
from tests.integration.graph.conftest import MIRADOR, SETTINGS, Gateway

BAD = Mood(seed=7, fail=0.3, duplicate=0.3, shuffle=True)


def _day(mood: Mood) -> list[object]:
    chaos = Chaos(mood)
    return [(chaos.fault(), chaos.again(), chaos.batch(9, 5)) for _ in range(2000)]


def test_one_seed_is_one_day() -> None:
    assert _day(BAD) == _day(BAD)
    assert _day(BAD) != _day(replace(BAD, seed=8))


def test_about_the_share_fails_in_every_way_and_with_every_code() -> None:
    chaos = Chaos(BAD)
    faults = [fault for _ in range(10_000) if (fault := chaos.fault())]
    assert 2_700 < len(faults) < 3_300
    assert {fault.kind for fault in faults} == set(KINDS)
    assert {fault.code for fault in faults} == set(CODES)


@pytest.mark.parametrize("wrong", [{"fail": 1.5}, {"duplicate": -0.1}, {"fail_kinds": ("x",)}])
def test_what_makes_no_day_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"share|kinds"):
        replace(BAD, **wrong)  # type: ignore[arg-type]


async def test_items_come_again_and_out_of_order_and_none_is_missing(gateway: Gateway) -> None:
    settings = replace(SETTINGS, mood=BAD)
    async with serving(settings) as address, GraphControl(address) as graph:
        written = [
            await graph.say("34600000001", f"{number}", MIRADOR.phone_number_id)
            for number in range(60)
        ]
        # All of them wait; a day shows only where several go together.
        await graph.settings(webhook_url=gateway.url)
        await gateway.until(
            lambda: {one["id"] for one in gateway.items("messages")} == set(written)
        )
        await graph.settled()
        came = [one["id"] for one in gateway.items("messages")]
    assert list(dict.fromkeys(came)) != written
    assert Counter(Counter(came).values())[2] > 5
