"""`conserje tenant` and `conserje number` against the running service."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from cli import hotel_file
from cli.command import main
from cli.user import user
from tests.integration.tenant.conftest import Conserje
from tests.terminal import Terminal

HOTEL = """\
tenant_id: casa-azul
display_name: Casa Azul
time_zone: America/Mexico_City
default_language_code: es
language_codes: [es, no]
currency_code: MXN
numbers:
  - phone_number_id: 0031
    whatsapp_business_account_id: 77
    display_phone_number: +52 55 1234 5678
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hotel.yaml"
    path.write_text(HOTEL)
    return path


async def test_a_hotel_is_brought_live_from_a_file_and_comes_back_as_that_file(
    conserje: Conserje, file: Path
) -> None:
    code, out, _ = await conserje("tenant", "create", "--from", str(file), "--dry-run")
    assert code == 0
    assert "+ tenant_id: casa-azul" in out
    assert (await conserje("tenant", "show", "casa-azul"))[0] == 1
    assert await conserje("tenant", "create", "--from", str(file)) == (
        0,
        "casa-azul  ACTIVE     Casa Azul  0031\n",
        "",
    )
    _, exported, _ = await conserje("tenant", "export", "casa-azul")
    again = file.with_name("exported.yaml")
    again.write_text(exported)
    assert hotel_file.read(str(again)) == hotel_file.read(str(file))
    _, shown, _ = await conserje("tenant", "show", "casa-azul")
    assert shown.endswith(exported)
    _, listed, _ = await conserje("tenant", "list")
    assert [line.split()[0] for line in listed.splitlines()] == [
        "casa-azul",
        "hotel-mirador",
        "posada-luna",
    ]


async def test_a_file_changes_what_differs_and_a_dry_run_only_says_it(
    conserje: Conserje, file: Path
) -> None:
    await conserje("tenant", "create", "--from", str(file))
    file.write_text(HOTEL.replace("Casa Azul", "Casa Roja").replace("[es, no]", "[es]"))
    edit = ("tenant", "edit", "casa-azul", "--from", str(file))
    said = "display_name: Casa Azul -> Casa Roja\nlanguage_codes: es, no -> es\n"
    assert await conserje(*edit, "--dry-run") == (0, said, "")
    assert await conserje(*edit) == (0, said, "")
    assert await conserje(*edit) == (0, "nothing differs\n", "")


async def test_hotels_and_numbers_go_and_come_back(conserje: Conserje) -> None:
    verbs = (("suspend",), "SUSPENDED"), (("delete", "--yes"), "DELETED"), (("restore",), "ACTIVE")
    for verb, state in verbs:
        code, out, _ = await conserje("tenant", *verb, "posada-luna")
        assert (code, out.splitlines()[-1].split()[1]) == (0, state)
    code, out, _ = await conserje("number", "add", "posada-luna", "31", "--account", "7")
    assert code == 0
    assert out.rstrip().endswith(", 31")
    code, out, err = await conserje("number", "add", "hotel-mirador", "31", "--account", "7")
    assert (code, out) == (1, "")
    assert "NUMBER_TAKEN" in err
    assert "luna" not in err
    _, out, _ = await conserje("number", "remove", "posada-luna", "31")
    assert "31" not in out.split()


async def test_a_hotel_is_deleted_by_who_types_its_id(
    conserje: Conserje, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = ("tenant", "delete", "posada-luna")
    for typed, said in (
        (io.StringIO("posada-luna\n"), "nobody is there to be asked whether posada-luna is"),
        (Terminal("y\n"), "nothing was deleted"),
        (Terminal(""), "nothing was deleted"),
    ):
        monkeypatch.setattr(sys, "stdin", typed)
        code, _, err = await conserje(*delete)
        assert (code, said in err) == (2, True), err
        assert (await conserje("tenant", "show", "posada-luna"))[1].split()[1] == "ACTIVE"
    monkeypatch.setattr(sys, "stdin", Terminal("posada-luna\n"))
    code, out, _ = await conserje(*delete)
    assert (code, "posada-luna  DELETED" in out) == (0, True), out


async def test_who_deletes_a_hotel_hears_what_it_has_booked_and_how_it_comes_back(
    conserje: Conserje, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await conserje("tenant", "create", "--from", str(file))
    monkeypatch.setenv("CONSERJE_TARGET_BOOKING", "127.0.0.1:1")
    _, out, _ = await conserje("tenant", "delete", "casa-azul", "--yes")
    assert out.startswith("casa-azul: what it has booked is not known: the booking service at 127")
    code, _, err = await conserje("tenant", "create", "--from", str(file))
    assert (code, "ALREADY_EXISTS TENANT_DELETED" in err) == (1, True), err
    assert "`conserje tenant restore HOTEL` brings it back" in err
    code, out, err = await conserje("tenant", "delete", "nope")
    assert (code, out, "NOT_FOUND TENANT_UNKNOWN" in err) == (1, "", True), err


async def test_the_readme_says_how_a_hotel_is_brought_live(conserje: Conserje, file: Path) -> None:
    told = Path("README.md").read_text().partition("## Bringing a hotel live")[2]
    hotel, settings = re.findall(r"```yaml\n(.*?)```", told, re.DOTALL)[:2]
    commands = re.findall(r"^\d\. `./conserje (tenant create [^`]*)`", told, re.MULTILINE)
    assert len(commands) == 2
    file.write_text(hotel + settings)
    for command in commands:
        code, out, err = await conserje(*command.replace("hotel.yaml", str(file)).split())
        assert (code, err) == (0, "")
    assert out == "casa-azul  ACTIVE     Casa Azul  100000000000031\n"
    _, exported, _ = await conserje("tenant", "export", "casa-azul")
    again = file.with_name("again.yaml")
    again.write_text(exported)
    assert hotel_file.read(str(again)) == hotel_file.read(str(file))


async def test_whatever_a_hotel_is_found_by_is_added_moved_listed_and_removed(
    conserje: Conserje,
) -> None:
    for option, written, listed in (
        ("--phone", "+52 1 55 1234 5678", "phone  +525512345678"),
        ("--waba", "77", "waba  77"),
        ("--email", "Front@Luna.example", "email  front@luna.example"),
        ("--guest", "55 11 8234 5678".replace(" ", ""), "guest  +5511982345678"),
    ):
        one = (option, written)
        assert (await conserje("number", "add", "posada-luna", *one))[0] == 0
        code, _, err = await conserje("number", "add", "hotel-mirador", *one)
        assert (code, "IDENTIFIER_TAKEN" in err, "luna" in err) == (1, True, False)
        assert listed in (await conserje("number", "list", "posada-luna"))[1].splitlines()
        moved = await conserje("number", "move", "posada-luna", *one, "--to", "hotel-mirador")
        assert (moved[0], moved[1].split()[0]) == (0, "hotel-mirador")
        assert listed not in (await conserje("number", "list", "posada-luna"))[1]
        assert listed in (await conserje("number", "list", "hotel-mirador"))[1].splitlines()
        assert (await conserje("number", "remove", "hotel-mirador", *one))[0] == 0
        assert listed not in (await conserje("number", "list", "hotel-mirador"))[1]
    code, _, err = await conserje("number", "add", "posada-luna", "--phone", "55 1234 5678")
    assert (code, "identifier.value: must be a phone number" in err) == (1, True)


async def test_a_number_is_moved_and_may_be_shared(conserje: Conserje) -> None:
    add = ("number", "add", "posada-luna", "31", "--account", "7", "--shared", "--display", "031")
    assert (await conserje(*add))[0] == 0
    assert "number  31  031  shared\n" in (await conserje("number", "list", "posada-luna"))[1]
    move = ("number", "move", "posada-luna", "31", "--to", "hotel-mirador", "--account", "8")
    code, out, _ = await conserje(*move)
    assert (code, out.split()[0]) == (0, "hotel-mirador")
    _, shown, _ = await conserje("tenant", "export", "hotel-mirador")
    assert "whatsapp_business_account_id: '8'" in shown
    assert (await conserje("number", "remove", "posada-luna", "31"))[0] == 1


async def test_a_number_has_its_tier_and_version_of_the_graph_api(
    conserje: Conserje, file: Path
) -> None:
    sent = ("--tier", "high", "--graph-version", "v24.0")
    await conserje("number", "add", "posada-luna", "31", "--account", "7", *sent)
    assert "number  31  high  v24.0\n" in (await conserje("number", "list", "posada-luna"))[1]
    file.write_text(HOTEL + "    throughput_tier: coexistence\n    graph_version: v25.0\n")
    assert (await conserje("tenant", "create", "--from", str(file)))[0] == 0
    _, shown, _ = await conserje("tenant", "show", "casa-azul")
    assert "  throughput_tier: coexistence\n  graph_version: v25.0\n" in shown
    _, exported, _ = await conserje("tenant", "export")
    file.write_text(exported)
    _, imported, _ = await conserje("tenant", "import", str(file))
    assert "CHANGED" not in imported.replace("UNCHANGED", "").upper()
    edit = ("number", "edit", "casa-azul", "0031")
    changed = (0, "number  0031  +52 55 1234 5678  standard  v25.0\n", "")
    assert await conserje(*edit, "--tier", "standard") == changed
    code, out, _ = await conserje(*edit, "--tier", "default", "--graph-version", "")
    assert (code, out) == (0, "number  0031  +52 55 1234 5678\n")
    code, _, err = await conserje(*edit, "--graph-version", "24")
    assert (code, "--graph-version: " in err) == (1, True)
    code, _, err = await conserje("number", "edit", "posada-luna", "0031", "--tier", "high")
    assert (code, "NUMBER_UNKNOWN" in err) == (1, True)


def test_what_is_not_one_thing_is_refused_before_anybody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONSERJE_TARGET_TENANT", "127.0.0.1:1")
    for arguments, said in (
        (("add", "a"), "one is needed"),
        (("add", "a", "31", "--email", "a@b.mx"), "one is needed"),
        (("add", "a", "31"), "--account is needed"),
        (("add", "a", "--email", "a@b.mx", "--account", "7"), "are of a NUMBER"),
        (("add", "a", "--email", "a@b.mx", "--tier", "high"), "are of a NUMBER"),
        (("edit", "a", "31"), "one is needed"),
        (("move", "a", "--email", "a@b.mx", "--account", "7", "--to", "b"), "is of a NUMBER"),
        (("remove", "a", "--email", "a@b.mx", "--phone", "1"), "one is needed"),
    ):
        assert main(("number", *arguments)) == 2
        told = capsys.readouterr()
        assert (told.out, said in told.err) == ("", True)


NONSENSE = (
    ("[", "no YAML"),
    ("- casa-azul", "not a list of fields"),
    ("tenant_name: casa-azul", "tenant_name"),
    (HOTEL + "state: SUSPENDED", "told, not given"),
    (HOTEL.replace("casa-azul", "casa-verde"), "about casa-verde"),
    (HOTEL.replace("0031", "0032"), "conserje number"),
)


async def test_a_file_that_makes_no_sense_changes_nothing(conserje: Conserje, file: Path) -> None:
    await conserje("tenant", "create", "--from", str(file))
    before = await conserje("tenant", "show", "casa-azul")
    for text, said in NONSENSE:
        file.write_text(text)
        code, out, err = await conserje("tenant", "edit", "casa-azul", "--from", str(file))
        assert (code, out) == (2, "")
        assert said in err
    assert await conserje("tenant", "show", "casa-azul") == before


async def test_what_was_changed_by_hand_is_told_with_who_did_it(
    conserje: Conserje, file: Path
) -> None:
    await conserje("tenant", "create", "--from", str(file))
    await conserje("tenant", "suspend", "casa-azul")
    code, out, _ = await conserje("audit", "tenant", "casa-azul")
    assert code == 0
    latest, *lines = out.splitlines()
    assert re.fullmatch(rf"[-0-9]+ [:0-9]+Z  {user()}  SuspendTenant  casa-azul  tenant", latest)
    assert '    state: "ACTIVE" -> "SUSPENDED"' in lines
    assert any(line.endswith("CreateTenant  casa-azul  whatsapp_number") for line in lines)
    code, out, err = await conserje("audit", "tenant", "other")
    assert (code, out) == (2, "")
    assert "there is no hotel other" in err
