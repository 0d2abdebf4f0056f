"""Whether what cannot be undone, or silences a hotel, is meant."""

import argparse
import sys

from cli.places import UsageError


def add_yes(verb: argparse.ArgumentParser) -> None:
    """Adds the option of scripts, which nobody is there to be asked for."""
    verb.add_argument("--yes", action="store_true", help="do not ask whether it is meant")


def ask(options: argparse.Namespace, name: str, *, done: str, warning: str) -> None:
    """Raises `UsageError` unless who is there types the name once more, or has said `--yes`."""
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is there to be asked whether {name} is to be {done}: add --yes.")
    print(f"{warning} Type {name} for it to be {done}: ", end="", flush=True)
    if sys.stdin.readline().strip() != name:
        raise UsageError(f"that is not {name}: nothing was {done}.")
