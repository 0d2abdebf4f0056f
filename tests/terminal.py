"""Somebody at a terminal, who may be asked."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True
