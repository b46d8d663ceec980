"""Who is at the other end of a unix socket (SO_PEERCRED, unix(7))."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import shutil
import socket
from pathlib import Path
from typing import Any

from flotta.protocol.local_sockets import peer_user

log = logging.getLogger(__name__)


def trusted_uids(user: str) -> frozenset[int]:
    """Return the users that may be the gateway: root, ourselves, and the gateway's own user if there is one."""
    uids = {0, os.geteuid()}
    with contextlib.suppress(KeyError):
        uids.add(pwd.getpwnam(user).pw_uid)
    return frozenset(uids)


class GuardedSocket(socket.socket):
    """A listening unix socket that accepts nobody but trusted users."""

    trusted: frozenset[int] = frozenset()

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection; raises ConnectionAbortedError, which asyncio skips, for a stranger."""
        connection, address = super().accept()
        uid = peer_user(connection)
        if uid not in self.trusted:
            connection.close()
            log.warning("Refused a local connection of user id %d", uid)
            raise ConnectionAbortedError
        return connection, address


def listen(path: str, group: str, trusted: frozenset[int]) -> GuardedSocket:
    """Listen on a unix path (0660, the group's if it exists) or, with a leading NUL, an abstract name."""
    guarded = GuardedSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    guarded.trusted = trusted
    guarded.setblocking(False)
    if path.startswith("\0"):
        guarded.bind(path)
    else:
        _bind_file(guarded, Path(path), group)
    guarded.listen(16)
    return guarded


def _bind_file(guarded: GuardedSocket, path: Path, group: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    mask = os.umask(0o117)
    try:
        guarded.bind(str(path))
    finally:
        os.umask(mask)
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(path, group=group)
