"""The `conserje` command.

What a command needs is imported when it is typed: all of it takes a second.
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Mapping, Sequence

from cli.places import UsageError

EXTENSION = "sandbox.commands"
"""Has `COMMANDS` of its own, where the sandbox is installed."""

COMMANDS: Mapping[str, tuple[str, str]] = {
    "tenant": ("cli.tenant", "the hotels: create, show, change, switch off and on"),
    "number": ("cli.number", "the WhatsApp numbers of a hotel, and what else it is found by"),
    "token": ("cli.token", "the tokens that hotels send with: set, list, remove"),
    "app": ("cli.app", "Meta apps: their names, secrets and verify tokens"),
    "account": ("cli.account", "WhatsApp business accounts: their app and portfolio"),
    "portfolio": ("cli.account", "business portfolios, which own accounts"),
    "keys": ("cli.keys", "the keys that secrets are encrypted under"),
    "inventory": ("cli.inventory", "what a hotel sells: rooms and prices"),
    "reservation": ("cli.reservation", "list, show and change a hotel's reservations"),
    "room": ("cli.room", "rooms out of order, and guests without one"),
    "lock": ("cli.lock", "rooms that are kept for guests"),
    "pms": ("cli.pms", "hotels' own systems"),
    "trace": ("cli.trace", "one message's way through the mesh"),
    "call": ("cli.call", "call any gRPC method with JSON"),
    "doctor": ("cli.doctor", "what is up, what is not, and why"),
    "certificates": ("cli.certificates", "certificates for the calls between processes"),
    "quarantine": ("cli.quarantine", "items that belong to no hotel"),
    "conversations": ("cli.conversations", "whom a hotel has talked with"),
    "replay": ("cli.replay", "lead a conversation over what came in again, and compare"),
    "dead-letters": ("cli.dead_letters", "messages that were given up"),
    "sends": ("cli.sends", "messages whose outcome is unknown, or that wait"),
    "audio-cache": ("cli.audio_cache", "what is kept of a hotel's voice"),
    "media": ("cli.media", "files that guests have sent"),
    "audit": ("cli.audit", "what people have changed by hand"),
    "template": ("cli.template", "messages that Meta has approved in advance"),
    "usage": ("cli.usage", "what Meta bills a hotel for"),
    "guest": ("cli.guest", "what a hotel has of one guest"),
    "window": ("cli.window", "until when guests may be written to freely"),
}
"""Each with the module whose `add_to` adds it, and what it is for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0, 1 for "no", 2 for a command that makes no sense."""
    typed = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options = parser(*typed[:1]).parse_args(typed)
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            # Set by `cli.__main__`. From here on there may be something to be ended in order.
            signal.signal(signal.SIGINT, signal.default_int_handler)
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


def parser(*names: str) -> argparse.ArgumentParser:
    """The command line, with all that the commands of these names take."""
    top = argparse.ArgumentParser(
        prog="conserje", description="Conserje lets hotels take bookings over WhatsApp."
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    known = all_commands()
    wanted = {known[name][0] for name in names if name in known}
    for module, _ in known.values():
        if module in wanted:
            wanted.remove(module)
            importlib.import_module(module).add_to(commands)
    for name, (_, purpose) in known.items():
        if name not in commands.choices:
            commands.add_parser(name, help=purpose)
    return top


def all_commands() -> dict[str, tuple[str, str]]:
    """Those of the sandbox first, where there is one."""
    try:
        extension = importlib.import_module(EXTENSION)
    except ModuleNotFoundError as missing:
        # An image without the sandbox; anything else that is missing is a broken install.
        if missing.name not in (EXTENSION, EXTENSION.partition(".")[0]):
            raise
        return dict(COMMANDS)
    return {**extension.COMMANDS, **COMMANDS}


if __name__ == "__main__":
    code = main()
    # What is left to be ended is not told about when Ctrl-C ends it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)
