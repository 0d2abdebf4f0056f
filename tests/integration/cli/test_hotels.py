"""A hotel that is not there is told so, whatever is asked of it."""

from __future__ import annotations

import pytest

from tests.integration.cli.conftest import Conserje, Usage

CAP = ("10", "--time-zone", "Europe/Madrid")
ASKED = (
    ("media list", ()),
    ("replay", ("2",)),
    ("number verify", ("31",)),
    ("usage show", ()),
    ("usage cap", CAP),
    ("guest erase", ("--conversation", "2")),
)


@pytest.mark.parametrize(("command", "more"), ASKED, ids=[command for command, _ in ASKED])
@pytest.mark.parametrize(
    ("hotel", "told"),
    [
        ("nope", "there is no hotel nope: `conserje tenant list`"),
        ("HOTEL", "there is no hotel 'HOTEL': a hotel's id must be small letters."),
    ],
)
async def test_there_is_no_such_hotel(
    conserje: Conserje,
    server: str,
    usage: Usage,
    command: str,
    more: tuple[str, ...],
    hotel: str,
    told: str,
) -> None:
    where = {"CONSERJE_TARGET_TENANT": server, "CONSERJE_TARGET_MESSAGING": server}
    ran = await conserje(*command.split(), hotel, *more, **where)
    assert (ran.code, ran.out) == (2, ""), ran
    assert told in ran.err
    assert usage.capped == []


async def test_a_cap_is_confirmed(conserje: Conserje, server: str, usage: Usage) -> None:
    where = {"CONSERJE_TARGET_TENANT": server, "CONSERJE_TARGET_MESSAGING": server}
    ran = await conserje("usage", "cap", "hotel-mirador", *CAP, **where)
    assert ran.out == "hotel-mirador: 10 a month are expected, counted in Europe/Madrid\n"
    ran = await conserje("usage", "cap", "hotel-mirador", "0", *CAP[1:], **where)
    assert ran.out == "hotel-mirador: no cap, counted in Europe/Madrid\n"
    assert usage.capped == ["hotel-mirador"] * 2
