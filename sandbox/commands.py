"""What the sandbox adds to the `conserje` command."""

import argparse
from collections.abc import Callable, Mapping

COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("sandbox.up", "run the whole product on this machine"),
    "chat": ("sandbox.chat", "a guest's phone in this terminal"),
    "graph": ("sandbox.graph.__main__", "a Graph API that behaves like Meta's"),
}
"""As in `cli.command`, which reads it where the sandbox is installed."""


def add_like(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    like: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
) -> None:
    """Adds a command that takes what a program of the sandbox takes by itself."""
    command = commands.add_parser(
        name,
        parents=[like],
        add_help=False,
        description=like.description,
        epilog=like.epilog,
        formatter_class=like.formatter_class,
    )
    command.set_defaults(run=run)
