"""File descriptors of this process: the limit raised, and how many of them connections may use."""

from __future__ import annotations

import os
import resource

# Kept for our own way to the resource API (up to 100 connections of the client's pool, and its
# watches), for the monitoring server (64) and for files.
RESERVED = 256  # descriptors
MOST = 1024 * 1024  # descriptors; more are never useful, and a limit may be infinite


def raise_limit() -> int:
    """Raise the soft limit of file descriptors to the hard one (getrlimit(2)); return it.

    systemd starts services with a soft limit of 1,024, for programs that use select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def connection_budget() -> int:
    """Raise the limit and return how many connections fit in besides what is open and reserved.

    Of a small limit three quarters are for connections.
    """
    limit = raise_limit()
    open_now = len(os.listdir("/proc/self/fd"))
    return max(1, limit - open_now - min(RESERVED, limit // 4))
