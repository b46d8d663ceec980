#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check everything that a host needs, and name all that is missing at once
version_added: 0.1.0
description:
  - Compares a host with a list of requirements and fails with one sentence for each requirement that is not met. Each
    sentence says what to do, and begins with the name of the check in brackets.
  - Reads only, so it runs in check mode as well.
  - 'The checks are C(root), C(systemd), C(python), C(architecture), C(libc), C(commands), C(space), C(clock), C(ports)
    and C(files).'
  - A part of the roles of this collection. Its options may change in any release.
author:
  - flotta.edge contributors (@project-flotta)
options:
  root:
    description:
      - Whether the tasks have to run as root.
    type: bool
    default: false
  systemd:
    description:
      - Whether systemd has to be the init system.
    type: bool
    default: false
  python:
    description:
      - Path of the Python that has to be new enough and to have C(venv).
    type: path
  python_version:
    description:
      - Oldest version of O(python) that is enough.
    type: str
    default: "3.11"
  architectures:
    description:
      - Architectures as C(uname -m) prints them. The host has to have one of them.
    type: list
    elements: str
    default: []
  glibc:
    description:
      - Whether O(python) has to use the GNU C library, for which the wheels are built.
    type: bool
    default: false
  commands:
    description:
      - Programs that have to be on the path.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the program.
        type: str
        required: true
      version:
        description:
          - Oldest version that is enough. It is read from the output of C(--version).
        type: str
      remedy:
        description:
          - What to do if it is missing or too old, as a sentence.
        type: str
        required: true
  space:
    description:
      - Free space for each directory.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - The directory. If it does not exist, the file system of its next existing parent counts.
        type: path
        required: true
      mebibytes:
        description:
          - Free space in MiB.
        type: int
        required: true
      unless_file:
        description:
          - The space is not needed if this file contains each text of O(space[].unless_text).
        type: path
      unless_text:
        description:
          - See O(space[].unless_file).
        type: list
        elements: str
        default: []
  controller_time:
    description:
      - Time on the controller in seconds since 1970. The clocks may differ by O(clock_tolerance).
    type: float
  clock_tolerance:
    description:
      - Seconds by which the clocks of host and controller may differ.
    type: int
    default: 300
  ports:
    description:
      - TCP ports on which services are going to listen.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description:
          - Number of the port.
        type: int
        required: true
      address:
        description:
          - Address on which the service listens.
        type: str
        default: 0.0.0.0
      unit:
        description:
          - The systemd unit that may already listen there.
        type: str
        required: true
      remedy:
        description:
          - What else to do than stopping the other program, as the second half of a sentence.
        type: str
        default: move that program to another port
  files:
    description:
      - Further problems, as sentences, which other tasks found in files of the host.
    type: list
    elements: str
    default: []
  supported:
    description:
      - Distributions by their C(ID) or C(ID_LIKE) in C(/etc/os-release). On others the module warns.
    type: list
    elements: str
    default: []
  supported_names:
    description:
      - The distributions of O(supported) in words.
    type: str
    default: ""
  ignore:
    description:
      - Names of checks whose problems are only warned about.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Does the same as without.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
  idempotent:
    description: Never changes anything.
    support: full
  platform:
    description: Runs on Linux.
    support: full
    platforms: posix
"""

EXAMPLES = r"""
- name: Check the host
  flotta.edge.preflight:
    root: true
    systemd: true
    python: /usr/bin/python3
    architectures: [x86_64, aarch64]
    commands:
      - name: podman
        version: "4.3"
        remedy: Install the package podman of the distribution, 4.3 or newer.
    controller_time: "{{ now().timestamp() }}"
"""

RETURN = r"""
problems:
  description: The requirements that are not met, as sentences, without those of ignored checks.
  type: list
  elements: str
  returned: always
  sample: ["[commands] podman is missing. Install the package podman of the distribution, 4.3 or newer."]
"""

import json
import os
import platform
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils._listening_sockets import (
    find_process,
    is_listening,
    list_listening,
)

TEXTS = {"type": "list", "elements": "str", "default": []}
COMMAND = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str"},
    "remedy": {"type": "str", "required": True},
}
SPACE = {
    "path": {"type": "path", "required": True},
    "mebibytes": {"type": "int", "required": True},
    "unless_file": {"type": "path"},
    "unless_text": TEXTS,
}
PORT = {
    "port": {"type": "int", "required": True},
    "address": {"type": "str", "default": "0.0.0.0"},  # noqa: S104 - compared only
    "unit": {"type": "str", "required": True},
    "remedy": {"type": "str", "default": "move that program to another port"},
}
SPEC = {
    "root": {"type": "bool", "default": False},
    "systemd": {"type": "bool", "default": False},
    "python": {"type": "path"},
    "python_version": {"type": "str", "default": "3.11"},
    "architectures": TEXTS,
    "glibc": {"type": "bool", "default": False},
    "commands": {"type": "list", "elements": "dict", "default": [], "options": COMMAND},
    "space": {"type": "list", "elements": "dict", "default": [], "options": SPACE},
    "controller_time": {"type": "float"},
    "clock_tolerance": {"type": "int", "default": 300},
    "ports": {"type": "list", "elements": "dict", "default": [], "options": PORT},
    "files": TEXTS,
    "supported": TEXTS,
    "supported_names": {"type": "str", "default": ""},
    "ignore": TEXTS,
}
CHECKS = (
    "root",
    "systemd",
    "python",
    "architecture",
    "libc",
    "commands",
    "space",
    "clock",
    "ports",
    "files",
)
BOOTED = "/run/systemd/system"  # exists when systemd is the init system: sd_booted(3)
EVERYWHERE = ("0.0.0.0", "::", "*", "")  # noqa: S104 - compared only
QUESTION = """
import importlib.util, json, platform, struct, sys
print(json.dumps({
    "version": list(sys.version_info[:2]),
    "venv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
    "libc": platform.libc_ver()[0],
    "bits": struct.calcsize("P") * 8,
}))
"""


class Problem(NamedTuple):
    """A requirement that is not met."""

    check: str  # its name
    sentence: str


def parse_version(text: str) -> list[int]:
    """Return the first number with dots in a text as a list of numbers, empty if there is none."""
    found = re.search(r"\d+(\.\d+)*", text)
    return [int(part) for part in found.group().split(".")] if found else []


def check_account(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem if the task is not root although it has to be."""
    if wanted["root"] and os.geteuid() != 0:
        yield Problem(
            "root",
            "The tasks do not run as root. Set ansible_user=root, or ansible_become=true for a user who may use sudo.",
        )


def check_init(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem if systemd is not the init system although it has to be."""
    if wanted["systemd"] and not os.path.isdir(BOOTED):
        yield Problem(
            "systemd",
            "systemd is not the init system of this host, and runs no services. Use a distribution with systemd; in a "
            "container, start it with systemd as its first process.",
        )


def ask_python(module: AnsibleModule, path: str) -> dict[str, Any]:
    """Return version, venv, C library and bits of a pointer of a Python; empty if it does not run."""
    if not os.access(path, os.X_OK):
        return {}
    code, output, _errors = module.run_command([path, "-c", QUESTION])
    found: dict[str, Any] = json.loads(output) if code == 0 else {}
    return found


def check_python(module: AnsibleModule, wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the Python that runs flotta."""
    path, least = wanted["python"], wanted["python_version"]
    if not path:
        return
    found = ask_python(module, path)
    remedy = f"Install Python {least} or newer with venv, and set programs_python to its path if that is not {path}."
    if not found:
        yield Problem("python", f"{path} is missing or does not run. {remedy}")
        return
    version = ".".join(map(str, found["version"]))
    if found["version"] < parse_version(least):
        yield Problem(
            "python", f"{path} is Python {version}; flotta needs {least} or newer. {remedy}"
        )
    elif not found["venv"]:
        yield Problem(
            "python",
            f"{path} (Python {version}) has no venv. Install the package python3-venv of the distribution.",
        )
    if wanted["glibc"] and found["libc"] != "glibc":
        yield Problem(
            "libc",
            "The C library of this host is not glibc (Alpine Linux has musl), and no wheels are built for others. Use a "
            "distribution with glibc.",
        )
    if wanted["architectures"] and found["bits"] != 64:
        yield Problem(
            "architecture",
            f"{path} is a {found['bits']}-bit program, and wheels exist for 64 bits only. Use a 64-bit operating system; a 64-bit "
            "kernel alone is not enough.",
        )


def check_architecture(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem if wheels for the architecture do not exist."""
    machine, known = platform.machine(), wanted["architectures"]
    if known and machine not in known:
        yield Problem(
            "architecture",
            f"The architecture of this host is {machine}. Wheels exist for {' and '.join(known)} only; some requirements "
            "of flotta have none for others. Use another machine, or a 64-bit operating system on it.",
        )


def check_commands(module: AnsibleModule, wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the programs that are missing or too old."""
    for command in wanted["commands"]:
        name, least = command["name"], command["version"]
        path = module.get_bin_path(name)
        if path is None:
            yield Problem("commands", f"{name} is missing. {command['remedy']}")
        elif least:
            _code, output, _errors = module.run_command([path, "--version"])
            if parse_version(output) < parse_version(least):
                found = ".".join(map(str, parse_version(output))) or "of an unknown version"
                yield Problem(
                    "commands",
                    f"{name} is {found}; flotta needs {least} or newer. {command['remedy']}",
                )


def find_existing(path: str) -> str:
    """Return the path itself or its next parent that exists."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def contains(path: str | None, texts: Iterable[str]) -> bool:
    """Tell whether a file exists and contains each of the texts."""
    try:
        with open(path or "", encoding="utf-8", errors="replace") as stream:
            content = stream.read()
    except OSError:
        return False
    return all(text in content for text in texts)


def check_space(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the directories that have too little space, or cannot be written."""
    for space in wanted["space"]:
        path, least = space["path"], space["mebibytes"]
        if contains(space["unless_file"], space["unless_text"]):
            continue
        existing = os.statvfs(find_existing(path))
        free = existing.f_bavail * existing.f_frsize // 2**20
        if existing.f_flag & os.ST_RDONLY:
            yield Problem("space", f"The file system of {path} is read-only. Mount it writable.")
        elif free < least:
            yield Problem(
                "space",
                f"The file system of {path} has {free} MiB free; {least} MiB are needed. Make room there.",
            )


def check_clock(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem if the clocks of host and controller differ too much."""
    there, tolerance = wanted["controller_time"], wanted["clock_tolerance"]
    if there is None or abs(time.time() - there) <= tolerance:
        return
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    seconds = round(time.time() - there)
    yield Problem(
        "clock",
        f"The clock of this host says {moment}, {abs(seconds)} s {'after' if seconds > 0 else 'before'} that of the "
        "controller. Certificates and S3 need the right time: set the clock of the one that is wrong, and run a time "
        "service such as systemd-timesyncd or chrony.",
    )


def overlap(one: str, other: str) -> bool:
    """Tell whether two sockets with these addresses want the same port."""
    return one == other or one in EVERYWHERE or other in EVERYWHERE


def check_ports(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the ports that another program than the unit for which they are meant listens on."""
    listening = list(list_listening()) if wanted["ports"] else []
    for port in wanted["ports"]:
        for address, number, inode in listening:
            if number != port["port"] or not overlap(address, port["address"]):
                continue
            name, unit = find_process(inode)
            if not name and not is_listening(inode):
                continue  # closed meanwhile, by a service that restarts
            if unit.partition(".service")[0] != port["unit"].partition(".service")[0]:
                by = f"{name or 'another program'}{f' ({unit})' if unit else ''}"
                yield Problem(
                    "ports",
                    f"TCP port {number} on {address} is used by {by}; {port['unit']} needs it. Stop that program, or "
                    f"{port['remedy']}.",
                )
                break


def find_problems(module: AnsibleModule) -> Iterator[Problem]:
    """Yield every requirement that is not met."""
    wanted = module.params
    yield from check_account(wanted)
    yield from check_init(wanted)
    yield from check_python(module, wanted)
    yield from check_architecture(wanted)
    yield from check_commands(module, wanted)
    yield from check_space(wanted)
    yield from check_clock(wanted)
    yield from check_ports(wanted)
    for text in wanted["files"]:
        yield Problem("files", text)


def read_distribution(path: str = "/etc/os-release") -> dict[str, str]:
    """Return the variables of os-release(5); empty if there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            pairs = (line.strip().partition("=") for line in stream)
            return {name: value.strip("\"'") for name, _equals, value in pairs}
    except OSError:
        return {}


def describe_support(wanted: Mapping[str, Any], release: Mapping[str, str]) -> str:
    """Return a sentence if the distribution is not one of the supported ones, empty if it is."""
    ids = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if not wanted["supported"] or ids & set(wanted["supported"]):
        return ""
    name = release.get("PRETTY_NAME") or "The distribution of this host"
    return f"{name} is not supported. Supported: {wanted['supported_names'] or ', '.join(wanted['supported'])}."


def finish(module: AnsibleModule, found: list[Problem]) -> None:
    """Warn about what is ignored, and exit; fail with all other problems at once."""
    ignored = set(module.params["ignore"])
    unknown = sorted(ignored - set(CHECKS))
    if unknown:
        module.fail_json(
            msg=f"There is no check {', '.join(unknown)}; the checks are {', '.join(CHECKS)}."
        )
    for name, sentence in found:
        if name in ignored:
            module.warn(f"[{name}] {sentence}")
    problems = [f"[{name}] {sentence}" for name, sentence in found if name not in ignored]
    unsupported = describe_support(module.params, read_distribution())
    if problems:
        module.fail_json(msg=describe_problems(problems, unsupported), problems=problems)
    if unsupported:
        module.warn(unsupported)
    module.exit_json(changed=False, problems=[])


def describe_problems(problems: list[str], unsupported: str) -> str:
    """Return all problems as one text."""
    count = f"{len(problems)} requirements are" if len(problems) > 1 else "A requirement is"
    lines = [f"{count} not met, and nothing was changed:"]
    lines += [f"  {problem}" for problem in problems]
    lines += [unsupported] if unsupported else []
    return "\n".join(
        [*lines, "To continue in spite of a check, name it in programs_preflight_ignore."]
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    finish(module, list(find_problems(module)))


if __name__ == "__main__":
    main()
