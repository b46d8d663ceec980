"""Whose processes the worker takes for the gateway."""

from __future__ import annotations

import contextlib
import os
import pwd


def trusted_uids(user: str) -> frozenset[int]:
    """Return the users that may be the gateway: root, ourselves, the gateway's own if it exists."""
    uids = {0, os.geteuid()}
    with contextlib.suppress(KeyError):
        uids.add(pwd.getpwnam(user).pw_uid)
    return frozenset(uids)
