"""`conserje pms`, against the running service and a fake system."""

from __future__ import annotations

import asyncio

import pytest

from cli.command import main
from sandbox.pms.app import serving
from sandbox.pms.client import PmsControl
from tests.integration.booking.hotel import Hotel


async def test_a_hotel_is_connected_checked_compared_and_disconnected(
    grpc_addr: str, hotel: Hotel, capsys: pytest.CaptureFixture[str]
) -> None:
    async def conserje(verb: str, *words: str, tenant: str = hotel.tenant_id) -> tuple[int, str]:
        typed = ["pms", verb, tenant, *words, "--target", grpc_addr]
        code = await asyncio.to_thread(main, typed)
        told = capsys.readouterr()
        return code, told.out + told.err

    async with serving() as addresses, PmsControl(addresses.control) as pms:
        await pms.property("h1", {"DBL": 5, "suite": 1}, secret="")
        assert "NOT_FOUND PMS_NOT_CONNECTED" in (await conserje("show"))[1]
        where = ("--kind", "generic", "--url", addresses.url, "--property", "h1")
        assert "PROPERTY_UNKNOWN" in (await conserje("set", *where, tenant="nobody"))[1]
        refused = await conserje("set", *where[:2], "--url", "https://me:secret@pms.example")
        assert refused[0] == 1
        assert "  --url: " in refused[1]

        code, out = await conserje("set", *where, "--map", "double=DBL", "--rate", "50")
        assert code == 0
        assert f"generic at {addresses.url}, hotel h1" in out
        assert "double = DBL" in out
        code, out = await conserje("set", "--map", "dobel=suite")
        assert code == 1
        assert "--map: the hotel has no room type dobel; it has double" in out
        for rate in ("0", "-1", "nan", "many"):
            with pytest.raises(SystemExit):
                await conserje("set", "--rate", rate)
            assert f"--rate: '{rate}' must be a number above 0" in capsys.readouterr().err

        code, out = await conserje("check")
        assert code == 0
        assert "it is Hotel" in out
        assert "DBL  Dbl, 5 rooms for 4  double" in out
        assert "suite  Suite, 1 room for 4  suite (proposed)" in out
        assert "single has no counterpart" in out
        assert "it sells in" not in out
        await conserje("set", "--map", "single=SNGL")
        assert "single has no counterpart" in (await conserje("check"))[1]
        assert "suite = suite" in (await conserje("set", "--map-proposed"))[1]
        assert (await conserje("diff"))[1] == "0 differences\n"

        await pms.property("h1", {"DBL": 5, "suite": 1}, secret="", currency_code="USD")
        assert "it sells in USD, the hotel here in EUR" in (await conserje("check"))[1]

        await pms.mode("down")
        code, out = await conserje("check")
        assert code == 1
        assert "UNAVAILABLE PMS_AWAY" in out
    assert (await conserje("remove"))[0] == 0
    assert "PMS_NOT_CONNECTED" in (await conserje("show"))[1]
