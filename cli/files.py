"""Files that are named on the command line; - is standard input."""

import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from cli.places import UsageError

STANDARD_INPUT = "-"


def read_text(name: str) -> str:
    """The text of a file."""
    try:
        return sys.stdin.read() if name == STANDARD_INPUT else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(name, error) from None


def parse_yaml(text: str, name: str) -> Any:
    """What a text says in which every scalar is text and no key is there twice."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - it makes no objects
    except _TwiceError as error:
        raise UsageError(f"{name}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(f"{name} is no YAML{where}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{name} is no YAML: {error}") from None


def unreadable(name: str | Path, error: OSError | UnicodeDecodeError) -> UsageError:
    """The error for a file that says nothing to us."""
    why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
    return UsageError(f"{name} cannot be read: {why}")


class _TwiceError(ValueError):
    """Which key, and where."""


# `no` is a language, ids may begin with a zero, and a price must never be a float. The parser in
# C reads a thousand hotels in a second, the one in Python in ten.
_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Loader(_Base):  # type: ignore[misc]
    """YAML would let the last of several say what counts, and the others say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in found:
                line = key.start_mark.line + 1
                raise _TwiceError(f"{key.value} is there twice, again in line {line}")
            found.add(key.value)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return made
