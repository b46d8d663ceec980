"""Who uses a program here, for what is recorded about a decision."""

from __future__ import annotations

import getpass


def name_author(program: str) -> str:
    """Return user and program; the resource API knows the user of the kubeconfig only."""
    try:
        return f"{getpass.getuser()} ({program})"
    except (KeyError, OSError):  # a user id without a name
        return program
