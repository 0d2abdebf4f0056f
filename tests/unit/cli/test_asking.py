"""What the command says when there is nothing to tell, and when something is not found."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from cli import asking, failures
from cli.asking import number, or_else
from cli.command import COMMANDS, all_commands, parser
from cli.places import UsageError
from meshkit.errors import DeadlineExceeded, InvalidArgument, NotFound
from sandbox import chat

ROOT = Path(__file__).parents[3]
QUIET = {"list", "events", "held", "merges", "debt", "assign"}
"""Verbs that may find nothing to tell."""


class Empty:
    """A service that has nothing of anything."""

    def __getattr__(self, method: str) -> Any:
        def answer(request: Any, timeout: float) -> Any:
            module = sys.modules[type(request).__module__]
            return getattr(module, f"{method}Response")()

        return answer


@pytest.fixture(autouse=True)
def _no_mesh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever runs in this checkout is not asked."""
    monkeypatch.setenv("CONSERJE_CLI_RUN_FILE", str(tmp_path / "run.json"))


def verbs(
    command: argparse.ArgumentParser, typed: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every verb of the command line, by what is typed for it."""
    inner = [one for one in command._actions if isinstance(one, argparse._SubParsersAction)]
    if not inner:
        yield typed, command
    for one in inner:
        for name, parsed in one.choices.items():
            yield from verbs(parsed, (*typed, name))


LISTS = {
    typed: verb
    for typed, verb in verbs(parser(*all_commands()))
    if typed[-1] in QUIET and isinstance(verb.get_default("run"), partial)
}


@pytest.mark.parametrize("typed", LISTS, ids=" ".join)
def test_a_list_of_nothing_says_so(typed: tuple[str, ...]) -> None:
    _, _, act = LISTS[typed].get_default("run").args
    needed = ["x" for one in LISTS[typed]._actions if one.required and not one.option_strings]
    told = list(act(Empty(), LISTS[typed].parse_args(needed)))
    assert len(told) == 1
    assert re.match(r"no |nothing |everybody |0 in all", told[0])


def test_the_lists_there_are_were_found() -> None:
    assert {("dead-letters", "list"), ("room", "debt"), ("sends", "held")} <= LISTS.keys()


def test_what_there_is_is_told_as_it_is() -> None:
    told = or_else("nothing")(lambda _stub, _options: iter(["one", "two"]))
    assert list(told(None, argparse.Namespace())) == ["one", "two"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("dead-letters retry hotel 7", "retried 1: the step of 7 is taken again"),
        ("dead-letters drop hotel 7", "dropped 1: 7 is given up for good"),
        ("sends settle hotel a 1 not-received", "settled 1: a is told as not-received"),
        ("sends drop hotel a", "dropped 1: a is given up for good"),
    ],
)
def test_what_was_done_is_told(typed: str, said: str) -> None:
    words = typed.split()
    options = parser(words[0]).parse_args(words)
    _, _, act = options.run.args
    assert list(act(Empty(), options)) == [said]


def test_each_next_step_can_be_typed() -> None:
    for sentence in failures.NEXT.values():
        for typed in re.findall("`conserje ([^`]+)`", sentence):
            words = shlex.split(typed)
            parser(words[0]).parse_args(words)


def test_what_is_there_already_has_a_next_step() -> None:
    assert {"INVENTORY_CHANGED", "NUMBER_TAKEN", "TENANT_EXISTS"} <= failures.NEXT.keys()


def test_whatever_a_service_does_not_find_has_a_next_step() -> None:
    raised = {
        reason
        for file in (ROOT / "services").rglob("*.py")
        for reason in re.findall(r"NotFound\(\s*\"([A-Z_]+)\"", file.read_text())
    }
    assert raised - failures.NEXT.keys() == set()


class Refusal(grpc.RpcError):
    """What a service answers, as far as it is looked at."""


def test_what_is_not_found_is_told_with_its_id_and_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = NotFound("NUMBER_UNKNOWN", "The hotel has no such number.", phone_number_id="4711")
    monkeypatch.setattr(failures, "from_rpc_error", lambda _: known)
    assert failures.describe(cast(grpc.RpcError, Refusal()), "here") == [
        "NOT_FOUND NUMBER_UNKNOWN",
        "  The hotel has no such number.",
        "  phone_number_id: 4711",
        "  `conserje number list HOTEL` shows those that are the hotel's",
    ]


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        (("pms", "set"), 'connection.room_types["a.b"]', "--map"),
        (("media", "send"), "media_type", "--type"),
        (("reservation", "modify"), "rooms[0].adult_count", "--room"),
        (("room", "shut"), "first_night_date", "FIRST"),
        (("tenant", "create"), "tenant.currency_code", "tenant.currency_code"),
    ],
)
def test_what_is_wrong_with_a_field_is_told_of_the_argument(
    monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], field: str, said: str
) -> None:
    (verb,) = [verb for names, verb in verbs(parser(typed[0])) if names == typed]
    wrong = InvalidArgument.field(field, "is wrong")
    monkeypatch.setattr(failures, "from_rpc_error", lambda _: wrong)
    told = failures.describe(cast(grpc.RpcError, Refusal()), "here", asking.typed_as(verb))
    assert told[-1] == f"  {said}: is wrong"


def test_another_field_is_told_as_its_argument_too(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = InvalidArgument.field("check_out_date", "must be after check_in_date, for a_guest")
    monkeypatch.setattr(failures, "from_rpc_error", lambda _: wrong)
    typed = {"check_in_date": "--check-in", "check_out_date": "--check-out"}
    told = failures.describe(cast(grpc.RpcError, Refusal()), "here", typed)
    assert told[-1] == "  --check-out: must be after --check-in, for a_guest"


def test_every_hotel_is_named_first() -> None:
    for typed, verb in verbs(parser(*COMMANDS)):
        named = [one.dest for one in verb._actions if not one.option_strings]
        assert "tenant_id" not in named[1:], typed
        assert not {"--hotel", "--tenant"} & {*verb._option_string_actions}, typed


def test_what_is_missing_is_called_as_in_the_usage() -> None:
    for typed, verb in verbs(parser(*all_commands())):
        named = [one for one in verb._actions if not one.option_strings]
        assert [one.dest for one in named if one.metavar is None] == [], typed


def test_what_was_not_answered_in_time_may_have_been_done(monkeypatch: pytest.MonkeyPatch) -> None:
    known = DeadlineExceeded("DEADLINE_EXCEEDED")
    monkeypatch.setattr(failures, "from_rpc_error", lambda _: known)
    told = failures.describe(cast(grpc.RpcError, Refusal()), "10.0.0.7:9000")
    assert told[-1].startswith("  10.0.0.7:9000 did not answer in time; whether it has done")


def test_a_hotel_that_has_nothing_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tenant_id: str, given: str) -> None:
        if tenant_id:
            raise UsageError(f"there is no hotel {tenant_id}")

    monkeypatch.setattr(asking, "refuse_unknown", refuse)
    act = or_else("nothing")(lambda _stub, options: iter(options.found))
    options = argparse.Namespace(tenant_id="nope", target="", found=[])
    with pytest.raises(UsageError, match="there is no hotel nope"):
        list(act(Empty(), options))
    options.found = ["one", "two"]
    assert list(act(Empty(), options)) == ["one", "two"]
    assert list(act(Empty(), argparse.Namespace(found=[], target=""))) == ["nothing"]


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "soon"])
def test_what_waits_waits_some_seconds(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        chat.parser().parse_args([f"--wait={seconds}"])
    assert "--wait" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser("call").parse_args(["call", f"--timeout={seconds}"])
    assert "--timeout" in capsys.readouterr().err


def test_a_guest_is_found_by_the_number_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    options = parser("window").parse_args(["window", "show", "hotel", "--guest", "34600000001"])
    act = options.run.args[2]
    with pytest.raises(Exception, match="--number"):
        list(act(Empty(), options))


@pytest.mark.parametrize("text", ["0", "-5", "", "x", "1.5", "²", str(2**63), "9" * 30])
def test_what_is_no_id_is_refused_before_anybody_is_asked(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        number(text)


def test_an_id_is_a_number() -> None:
    assert number(str(2**63 - 1)) == 2**63 - 1
