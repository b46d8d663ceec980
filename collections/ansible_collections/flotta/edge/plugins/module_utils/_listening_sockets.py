# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""The TCP sockets that listen on this host, and whose they are, read from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

LISTENING = "0A"  # state of a socket in /proc/net/tcp: proc_pid_net(5)


def decode_address(text: str) -> str:
    """Return an address of /proc/net/tcp or tcp6, only as exact as `check_ports` needs it."""
    if set(text) == {"0"}:
        return "0.0.0.0"  # noqa: S104 - compared only
    if len(text) == 8:
        return ".".join(str(int(text[place : place + 2], 16)) for place in (6, 4, 2, 0))
    return text


def list_listening() -> Iterator[tuple[str, int, str]]:
    """Yield address, port and inode of each TCP socket that listens."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        with open(table, encoding="ascii") as stream:
            for fields in (line.split() for line in list(stream)[1:]):
                address, _colon, port = fields[1].partition(":")
                if fields[3] == LISTENING:
                    yield decode_address(address), int(port, 16), fields[9]


def is_listening(inode: str) -> bool:
    """Tell whether the TCP socket with an inode listens."""
    return any(found == inode for _address, _port, found in list_listening())


def find_process(inode: str) -> tuple[str, str]:
    """Return name and systemd unit of the process with a socket; empty where they are unknown."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        folder = f"/proc/{process}"
        try:
            if has_socket(folder, inode):
                return read_name(folder), read_unit(folder)
        except OSError:  # it has ended, or belongs to another user
            continue
    return "", ""


def has_socket(folder: str, inode: str) -> bool:
    """Tell whether a process has a socket open."""
    names = os.listdir(f"{folder}/fd")
    return any(read_descriptor(f"{folder}/fd/{name}") == f"socket:[{inode}]" for name in names)


def read_descriptor(path: str) -> str:
    """Return what a descriptor refers to, empty when it was closed meanwhile."""
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def read_name(folder: str) -> str:
    """Return the name of a process."""
    with open(f"{folder}/comm", encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()


def read_unit(folder: str) -> str:
    """Return the service of a process, by its control group."""
    with open(f"{folder}/cgroup", encoding="utf-8", errors="replace") as stream:
        found = re.search(r"/([^/\s]+\.service)\b", stream.read())
    return found.group(1) if found else ""
