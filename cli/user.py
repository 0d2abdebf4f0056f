"""Who types."""

import getpass


def user() -> str:
    """The name of the account; empty for one without a name."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return ""
