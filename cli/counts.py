"""Counts as commands tell them."""


def counted(count: int, noun: str) -> str:
    """So many of something, in the singular for one."""
    return f"{count} {noun}{'s' * (count != 1)}"
