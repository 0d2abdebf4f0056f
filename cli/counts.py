"""Counts as commands tell them."""


def counted(count: int, one: str, more: str = "") -> str:
    """So many of something; `more` where the plural does more than add an s."""
    return f"{count} {one if count == 1 else more or f'{one}s'}"
