"""How a command asks a service: lines are printed as they come, a refusal is told."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any

import grpc

from cli import failures
from cli.channels import open_channel
from cli.hotel_check import refuse_unknown
from cli.places import need_target

SECONDS = 10
"""For one call of one page."""
PAGE_SIZE = 200

MOST = 2**63 - 1


class SaidNoError(Exception):
    """What was asked has been told, and the answer is no: the command ends with 1."""


Act = Callable[[Any, argparse.Namespace], Iterator[str]]
"""Takes the stub and the options; yields what there is to tell; `SaidNoError` may come last."""


def number(text: str) -> int:
    """The type of an argument that is the id of a row.

    Raises `ArgumentTypeError` when it is none.
    """
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no id: those are whole numbers from 1 on")
    return int(text)


def asks(
    verb: argparse.ArgumentParser, service: str, stub: Callable[[grpc.Channel], Any], act: Act
) -> None:
    """Has a command do `act` at a service, which `--target` may name.

    An argument has the name of the field that it fills (`dest`): so what a service says of the
    field is told of the argument.
    """
    verb.add_argument("--target", default="", metavar="HOST:PORT", help=f"address of {service}")
    verb.set_defaults(run=partial(_run, service, stub, act, verb=verb))


def add_hotel(verb: argparse.ArgumentParser) -> None:
    """Adds the argument that names a hotel."""
    verb.add_argument("tenant_id", metavar="HOTEL", help="the hotel's id")


def or_else(nothing: str) -> Callable[[Act], Act]:
    """Has a command that finds nothing to tell say `nothing`, or that there is no such hotel."""

    def decorated(act: Act) -> Act:
        @wraps(act)
        def told(stub: Any, options: argparse.Namespace) -> Iterator[str]:
            lines = act(stub, options)
            first = next(lines, None)
            if first is None:
                refuse_unknown(_hotel(options), options.target)
            yield nothing if first is None else first
            yield from lines

        return told

    return decorated


def refuse_missing(error: grpc.RpcError, options: argparse.Namespace) -> None:
    """Raises `UsageError` when what was not found is the hotel itself."""
    if error.code() is grpc.StatusCode.NOT_FOUND:
        refuse_unknown(_hotel(options), options.target)


def _hotel(options: argparse.Namespace) -> str:
    """The hotel that a command is about; empty when it is about all or none."""
    named: str = getattr(options, "tenant_id", "")
    return named


def typed_as(verb: argparse.ArgumentParser) -> dict[str, str]:
    """How each argument is typed, by its name."""
    return {
        one.dest: one.option_strings[-1] if one.option_strings else str(one.metavar or one.dest)
        for one in verb._actions
    }


def pages(call: Callable[..., Any], request: Any) -> Iterator[Any]:
    """Every page of a list, the first one first."""
    request.page_size = PAGE_SIZE
    while True:
        page = call(request, timeout=SECONDS)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _run(
    service: str,
    stub: Callable[[grpc.Channel], Any],
    act: Act,
    options: argparse.Namespace,
    *,
    verb: argparse.ArgumentParser,
) -> int:
    target = need_target(service, options.target)
    with open_channel(target) as channel:
        try:
            for line in act(stub(channel), options):
                print(line)
        except SaidNoError:
            return 1
        except grpc.RpcError as error:
            if service != "tenant":
                refuse_missing(error, options)
            return failures.tell(error, target, typed_as(verb))
    return 0
