"""`conserje call` and `conserje trace` against a real server."""

import json

import pytest

from tests.integration.cli.conftest import WAMID, Conserje

NUMBER = '{"phone_number_id": "1"}'


@pytest.mark.parametrize(
    "service", ["conserje.tenant.v1.TenantService", "TenantService", "tenant", "Tenant"]
)
async def test_a_method_is_called_by_any_of_its_names(
    conserje: Conserje, server: str, service: str
) -> None:
    ran = await conserje("call", "--target", server, f"{service}/resolvetenant", NUMBER)
    assert (ran.code, ran.err) == (0, "")
    answer = json.loads(ran.out)
    assert answer["routing_record"]["tenant_id"] == "hotel-mirador"
    assert answer["as_of"] == "2026-11-23T10:00:00Z"
    assert "Señorío" in ran.out


async def test_the_request_may_come_from_stdin_and_the_target_from_the_environment(
    conserje: Conserje, server: str
) -> None:
    ran = await conserje(
        "call", "tenant/ResolveTenant", "-", stdin=NUMBER, CONSERJE_TARGET_TENANT=server
    )
    assert (ran.code, json.loads(ran.out)["routing_record"]["display_name"]) == (0, "Señorío")


async def test_errors_inside_a_batch_are_spelled_out(conserje: Conserje, server: str) -> None:
    body = '{"items": [{"phone_number_id": "2"}]}'
    ran = await conserje("call", "--target", server, "tenant/BatchResolveTenants", body)
    [result] = json.loads(ran.out)["results"]
    assert result["error"]["details"][0]["reason"] == "NUMBER_UNKNOWN"


@pytest.mark.parametrize(
    ("number", "lines"),
    [
        ("2", ["NOT_FOUND NUMBER_UNKNOWN", "  No hotel owns it.", "  phone_number_id: 2"]),
        ("bad", ["INVALID_ARGUMENT INVALID_REQUEST", "  phone_number_id: must be 1 to 32 digits"]),
        ("later", ["UNAVAILABLE DIRECTORY_NOT_LOADED", "  may be tried again after 0.25 s"]),
    ],
)
async def test_an_error_tells_code_reason_fields_and_when_to_come_again(
    conserje: Conserje, server: str, number: str, lines: list[str]
) -> None:
    body = json.dumps({"phone_number_id": number})
    ran = await conserje("call", "--target", server, "tenant/ResolveTenant", body)
    assert (ran.code, ran.out) == (1, "")
    printed = ran.err.splitlines()
    assert printed[0] == lines[0]
    assert [line for line in lines if line not in printed] == []


async def test_nobody_at_the_target_is_told_with_what_to_do(conserje: Conserje) -> None:
    ran = await conserje("call", "--target", "127.0.0.1:1", "tenant/ResolveTenant")
    assert ran.code == 1
    assert "nobody answers at 127.0.0.1:1; `conserje doctor` may say why" in ran.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tenant/ResolveTennant"], "did you mean ResolveTenant?"),
        (["nobody/Get"], "offers no service nobody; it has conserje.audit.v1"),
        (["tenant/ResolveTenant", "{"], "the request does not fit conserje.tenant.v1.Resolve"),
        (
            ["tenant/ResolveTenant", '{"number": 1}'],
            "has no field number; it has phone_number_id",
        ),
    ],
)
async def test_a_call_that_makes_no_sense_is_one_sentence(
    conserje: Conserje, server: str, arguments: list[str], sentence: str
) -> None:
    ran = await conserje("call", "--target", server, *arguments)
    assert ran.code == 2
    assert ran.err.startswith("conserje: ")
    assert sentence in ran.err
    assert "Traceback" not in ran.err


async def test_without_a_method_everything_is_listed(conserje: Conserje, server: str) -> None:
    ran = await conserje("call", "--target", server)
    assert "conserje.tenant.v1.TenantService/ResolveTenant" in ran.out.splitlines()
    ran = await conserje("call", "--target", server, "messaging")
    assert [line.rpartition("/")[2] for line in ran.out.splitlines()] == [
        "IngestEvent",
        "BatchIngestEvents",
        "TraceMessage",
    ]


@pytest.mark.parametrize(
    ("subject", "kind"), [(WAMID, "whatsapp_message_id"), ("ABCD2345", "confirmation_code")]
)
async def test_a_trace_is_asked_for_by_wamid_or_code(
    conserje: Conserje, server: str, subject: str, kind: str
) -> None:
    ran = await conserje("trace", "--target", server, subject)
    assert ran.code == 0
    assert "hotel  hotel-mirador" in ran.out
    assert f"gateway.receive  {kind}" in ran.out


async def test_an_unknown_message_is_told_so(conserje: Conserje, server: str) -> None:
    ran = await conserje("trace", "--target", server, "wamid.other")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "NOT_FOUND MESSAGE_UNKNOWN")


async def test_a_service_that_is_not_there_is_said_and_not_an_empty_list(
    conserje: Conserje, server: str
) -> None:
    ran = await conserje("call", "--target", server, "nope")
    assert (ran.code, ran.out) == (2, "")
    assert "no service is called nope" in ran.err


async def test_a_service_is_found_wherever_it_is(conserje: Conserje, server: str) -> None:
    one = {"CONSERJE_TARGET_TENANT": server}
    for name in ("audit", "AuditService", "conserje.audit.v1.AuditService"):
        ran = await conserje("call", f"{name}/ListOperatorChanges", **one)
        assert (ran.code, ran.err.split()[0]) == (1, "UNAVAILABLE"), ran
    ran = await conserje("call", "nobody/Get", **one)
    assert (ran.code, "no service is called nobody" in ran.err) == (2, True), ran
    ran = await conserje("call", "audit/ListOperatorChanges", CONSERJE_TARGET_BOOKING=server, **one)
    assert f"offered by several; say which with --target: {server} (tenant), {server}" in ran.err


async def test_a_list_that_is_empty_tells_that_there_is_no_such_hotel(
    conserje: Conserje, server: str
) -> None:
    where = {"CONSERJE_TARGET_TENANT": server, "CONSERJE_TARGET_MESSAGING": server}
    ran = await conserje("media", "list", "nope", **where)
    assert (ran.code, ran.out) == (2, ""), ran
    assert "there is no hotel nope: `conserje tenant list`" in ran.err
    assert (await conserje("media", "list", "hotel-mirador", **where)).out == "no files\n"


@pytest.mark.parametrize("body", ["[]", "", "1"])
async def test_a_request_is_an_object(conserje: Conserje, server: str, body: str) -> None:
    ran = await conserje("call", "--target", server, "tenant/ResolveTenant", body)
    assert (ran.code, ran.out) == (2, "")
    assert "must be a JSON object" in ran.err
