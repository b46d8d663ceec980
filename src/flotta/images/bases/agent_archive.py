"""The programs of a device as a second initrd of an installer, the same for every medium.

It has the wheels, the units and users of the role device, and the scripts that the installer runs.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path, PurePosixPath

from flotta.images.build.system_files import render, role_variables
from flotta.images.build.wheel_tags import require_fitting_wheels
from flotta.images.build.wheelhouse import EXTRAS, Wheelhouse, read_files, read_wheelhouse
from flotta.payload.cpio import Entry, directory, write_archive

FOLDER = "flotta-agent"
SCRIPTS = ("disk.sh", "late.sh", "install.sh")
# Template to path below /etc: where the role device puts them.
RENDERED = {
    "flotta-gateway.service": "systemd/system/flotta-gateway.service",
    "flotta-device-worker.service": "systemd/system/flotta-device-worker.service",
    "sysusers": "sysusers.d/flotta-device.conf",
    "tmpfiles": "tmpfiles.d/flotta-device.conf",
}


def make_agent_archive(wheelhouse: Path, machine: str, python: str) -> tuple[bytes, str]:
    """Return the archive, the same bytes for the same wheels, and the version of the programs.

    `machine` and `python` are those of the installed system, "" for unknown. Raises ImageError for
    a wheelhouse that cannot be used there.
    """
    house = read_wheelhouse(wheelhouse)
    require_fitting_wheels(house, machine, python)
    contents = {f"{FOLDER}/{name}": data for name, data in _contents(house)}
    above = {str(parent) for name in contents for parent in PurePosixPath(name).parents} - {"."}
    entries = [
        Entry(name, stat.S_IFREG | 0o644, house.epoch, contents[name])
        if name in contents
        else directory(name, house.epoch)
        for name in sorted(above | contents.keys())
    ]
    return write_archive(entries), house.version


def _contents(house: Wheelhouse) -> Iterator[tuple[str, bytes]]:
    for script in SCRIPTS:
        yield script, files(__package__).joinpath("data", script).read_bytes()
    yield "release", f"{house.release}\n".encode()
    note = {"digest": house.digest, "extras": list(EXTRAS)}
    yield "programs.json", json.dumps(note).encode()
    variables = role_variables(house, "by an installer", "flotta image personalise")
    for template, path in RENDERED.items():
        yield f"etc/{path}", render(template, variables).encode()
    for name, content in read_files(house.path):
        yield f"wheels/{name}", content
