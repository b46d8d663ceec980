"""System calls by ctypes for which Python 3.11 has no function: mount, unshare, prctl."""

from __future__ import annotations

import ctypes
import os
import signal

LIBC = ctypes.CDLL(None, use_errno=True)

# Constants of <sched.h>, <linux/mount.h> and <linux/prctl.h>.
CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_MOVE = 32, 4096, 8192
MS_REC, MS_PRIVATE, MS_SLAVE = 16384, 1 << 18, 1 << 19
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
PR_SET_PDEATHSIG = 1
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
PR_SET_NO_NEW_PRIVS = 38
CAP_KILL = 5  # <linux/capability.h>


def unshare(namespaces: int) -> None:
    """Move this process to new namespaces (unshare(2)); raises OSError without CAP_SYS_ADMIN."""
    _check(LIBC.unshare(namespaces), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount, or change a mount (mount(2)); raises OSError with `target`."""
    arguments = (
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(LIBC.mount(*arguments), target)


def unmount(target: str) -> None:
    """Take away the mount at `target` with all below it, in use or not (umount2(2)).

    Raises OSError with `target`.
    """
    _check(LIBC.umount2(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW), target)


def is_in_bounding_set(capability: int) -> bool:
    """Tell whether this process, and root's processes that it comes from, can have a capability."""
    return _prctl(PR_CAPBSET_READ, capability) == 1


def drop_bounding_set() -> None:
    """Take every capability from what this process can ever have (capabilities(7)).

    Raises OSError without CAP_SETPCAP.
    """
    capability = 0
    while (known := _prctl(PR_CAPBSET_READ, capability)) >= 0:
        if known:
            _check(_prctl(PR_CAPBSET_DROP, capability), "PR_CAPBSET_DROP")
        capability += 1


def forbid_new_privileges() -> None:
    """Let no program that this process starts have more privileges than it has."""
    _check(_prctl(PR_SET_NO_NEW_PRIVS, 1), "PR_SET_NO_NEW_PRIVS")


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; a change of user undoes it."""
    _check(_prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "PR_SET_PDEATHSIG")


def _prctl(option: int, value: int) -> int:
    return int(LIBC.prctl(option, *(ctypes.c_ulong(number) for number in (value, 0, 0, 0))))


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
