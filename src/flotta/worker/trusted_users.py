"""Which users' processes the worker accepts as the gateway."""

from __future__ import annotations

import contextlib
import os
import pwd


def trusted_uids(user: str) -> frozenset[int]:
    """Return the users that may be the gateway: root, the worker's, the gateway's if it exists."""
    uids = {0, os.geteuid()}
    with contextlib.suppress(KeyError):
        uids.add(pwd.getpwnam(user).pw_uid)
    return frozenset(uids)
