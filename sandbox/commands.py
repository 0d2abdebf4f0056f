"""What the sandbox adds to the `conserje` command: `up`, `chat`, `graph`."""

import argparse
from collections.abc import Callable

from sandbox import chat, up
from sandbox.graph import __main__ as graph


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands; called by `cli.__main__` where the sandbox is installed."""
    _add(commands, "up", "run the whole product on this machine", up.parser(), up.run)
    _add(commands, "chat", "a guest's phone in this terminal", chat.parser(), chat.run)
    _add(commands, "graph", "a Graph API that behaves like Meta's", graph.parser(), graph.run)


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    help_text: str,
    like: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
) -> None:
    command = commands.add_parser(
        name,
        help=help_text,
        parents=[like],
        add_help=False,
        description=like.description,
        epilog=like.epilog,
        formatter_class=like.formatter_class,
    )
    command.set_defaults(run=run)
