"""`python -m cli`, which is the `conserje` command."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from cli import (
    account,
    app,
    audio_cache,
    audit,
    call,
    certificates,
    conversations,
    dead_letters,
    doctor,
    guest,
    inventory,
    keys,
    lock,
    media,
    number,
    pms,
    quarantine,
    replay,
    reservation,
    room,
    sends,
    template,
    tenant,
    token,
    trace,
    usage,
    window,
)
from cli.places import UsageError

EXTENSION = "sandbox.commands"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0, 1 for "no", 2 for a command that makes no sense."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except UsageError as error:
        print(f"conserje: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `conserje … | head`.
        sys.stderr.close()
        return 0
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="conserje", description="Conserje lets hotels take bookings over WhatsApp."
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_extension(commands)
    modules = (
        tenant,
        number,
        token,
        app,
        account,
        keys,
        inventory,
        reservation,
        room,
        lock,
        pms,
        trace,
        call,
        doctor,
        certificates,
        quarantine,
        conversations,
        replay,
        dead_letters,
        sends,
        audio_cache,
        media,
        audit,
        template,
        usage,
        guest,
        window,
    )
    for module in modules:
        module.add_to(commands)
    return top


def _add_extension(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    try:
        extension = importlib.import_module(EXTENSION)
    except ModuleNotFoundError as missing:
        # An image without the sandbox; anything else that is missing is a broken install.
        if missing.name not in (EXTENSION, EXTENSION.partition(".")[0]):
            raise
        return
    extension.add_to(commands)


if __name__ == "__main__":
    sys.exit(main())
