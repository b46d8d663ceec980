"""What this process has for connections: file descriptors, and memory where that is limited."""

from __future__ import annotations

import os
import resource
from pathlib import Path

# Kept for our own way to the resource API (up to 100 connections of the client's pool, and its
# watches), for the monitoring server (64) and for files.
RESERVED = 256  # descriptors
MOST = 1024 * 1024  # descriptors; more are never useful, and a limit may be infinite


OWN_MEMORY = 128 * 1024 * 1024  # bytes of a server without connections
CONNECTION_MEMORY = 56 * 1024  # bytes of a TLS connection; tests/integration/test_gate_fleet.py
CGROUPS = Path("/sys/fs/cgroup")


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

    Of a small limit three quarters are for connections. Memory counts where it is limited, as in a
    pod: to refuse a connection is better than to be killed.
    """
    limit = raise_limit()
    open_now = len(os.listdir("/proc/self/fd"))
    budget = limit - open_now - min(RESERVED, limit // 4)
    memory = _memory_limit()
    if memory is not None:
        budget = min(budget, (memory - min(OWN_MEMORY, memory // 2)) // CONNECTION_MEMORY)
    return max(1, budget)


def _memory_limit() -> int | None:
    """Return the bytes that the control group of this process may use, None without a limit."""
    try:
        own = Path("/proc/self/cgroup").read_text().strip().rpartition("0::")[2]
        text = (CGROUPS / own.lstrip("/") / "memory.max").read_text().strip()
    except OSError:  # version 1, or none
        return None
    return int(text) if text.isdecimal() else None
