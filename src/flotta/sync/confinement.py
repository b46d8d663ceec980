"""What the transferring child gives up before it sees a foreign byte.

It keeps the network, the descriptors that it has and gets, and a read-only view of the programs: a
user of its own without capabilities, and a mount namespace without the device's files. What the
system does not allow is left out and named.

Rules: docs/reference/device.md#the-transferring-process.
"""

from __future__ import annotations

import glob
import os
import pwd
import sys
from collections.abc import Iterable

from flotta.sync import linux

ACCOUNT = "flotta-transfer"  # made by the role `device`
# Without that account: the kernel's overflow id, in passwd(5) `nobody`.
NOBODY = 65534
# Exists everywhere and has nothing that the child needs: the new root is mounted there first.
STAGING = "/sys"
SCRATCH = "size=4m,mode=0755"  # of the new root: folders, and the CA of the S3 server
PROTECTED = linux.MS_NOSUID | linux.MS_NODEV
# What glibc reads to resolve a name, and the sockets of what it may ask.
RESOLVER = (
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/services",
    "/run/avahi-daemon",
    "/run/systemd/resolve",
)


def confine() -> list[str]:
    """Give up what a transfer does not need; return a clause for each thing that is impossible."""
    linux.forbid_new_privileges()
    if os.geteuid() != 0:
        return ["the worker does not run as root"]
    problems: list[str] = []
    user, group = _find_account(problems)
    try:
        _enter_own_root(user, group)
    except OSError as error:
        problems.append(f"they see the files of the device ({_describe(error)})")
        if unreadable := _find_unreadable(user, group):
            return [*problems, f"they run as root, because their user may not read {unreadable}"]
    if not linux.is_in_bounding_set(linux.CAP_KILL):
        return [*problems, "they run as root, because the worker can end no other user's process"]
    try:
        _become(user, group)
    except OSError as error:
        problems.append(f"they keep privileges of root ({_describe(error)})")
    return problems


def _find_account(problems: list[str]) -> tuple[int, int]:
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        problems.append(f"they run as `nobody`, because the user {ACCOUNT} does not exist")
        return NOBODY, NOBODY
    return account.pw_uid, account.pw_gid


def _find_unreadable(user: int, group: int) -> str | None:
    """Return a folder of programs that this user cannot read: Python loads modules at any time."""
    needed = [path for path in _program_paths() if os.path.isdir(path)]
    try:
        os.setegid(group)
        os.seteuid(user)
        return next((path for path in needed if not _may_read(path)), None)
    except PermissionError:
        return None  # it stays root, which the caller finds out
    finally:
        os.seteuid(0)
        os.setegid(0)


def _may_read(path: str) -> bool:
    return os.access(path, os.R_OK | os.X_OK, effective_ids=True)


def _become(user: int, group: int) -> None:
    linux.drop_bounding_set()  # while CAP_SETPCAP is there
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)  # the kernel clears the capabilities that are in effect


def _enter_own_root(user: int, group: int) -> None:
    """Leave the device's files for a file system that has only what `_visible_paths` says."""
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWIPC)
    # Slave: what the device unmounts is unmounted here too, so a transfer keeps no disk busy.
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_SLAVE)
    linux.mount(ACCOUNT, STAGING, "tmpfs", PROTECTED | linux.MS_NOEXEC, SCRATCH)
    for link in filter(os.path.islink, glob.glob("/lib*")):
        os.symlink(os.readlink(link), STAGING + link)
    for path in _visible_paths():
        _show(path)
    scratch = f"{STAGING}/tmp"  # noqa: S108 (of the new root; only this user enters it)
    os.makedirs(scratch, exist_ok=True)  # the programs may lie below it
    os.chmod(scratch, 0o700)
    os.chown(scratch, user, group)
    os.chdir(STAGING)
    linux.mount(".", "/", None, linux.MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def _visible_paths() -> list[str]:
    libraries = (path for path in glob.glob("/lib*") if not os.path.islink(path))
    return [*_outermost({"/usr", *libraries, *_program_paths()}), *RESOLVER]


def _program_paths() -> list[str]:
    found = {sys.prefix, sys.base_prefix, *sys.path}
    return sorted(path for path in found if os.path.isabs(path))


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that are in none of the others; never the whole root."""
    found: list[str] = []
    for path in sorted(os.path.normpath(path) for path in paths):
        if path != "/" and not any(
            path == known or path.startswith(f"{known}/") for known in found
        ):
            found.append(path)
    return found


def _show(path: str) -> None:
    """Make a file or folder visible at the same place, read-only."""
    source, target = os.path.realpath(path), STAGING + path
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif os.path.isfile(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o444))
    else:
        return
    linux.mount(source, target, None, linux.MS_BIND)
    protected = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | PROTECTED
    linux.mount("none", target, None, protected)


def _describe(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
