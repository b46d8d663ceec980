#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wheelhouse
short_description: Download the wheels of locked requirements for a host
version_added: 0.1.0
description:
  - Downloads all wheels that files of locked requirements list, for the Python version and architecture of another
    machine, and packs them into one archive. The other machine then needs no package index.
  - Run the module on the controller. It uses the C(pip) settings of the user who runs it, such as a mirror.
  - The name of an archive follows from the requirements and the host's Python, architecture and C library. An archive
    that exists is not downloaded again.
  - Archives that were not used for 30 days are removed from O(path), and what a failed run left there.
  - A part of the roles of this collection, whose options may change in any release. For hosts without a package index, run the playbook
    C(flotta.edge.wheelhouse).
author:
  - flotta.edge contributors (@project-flotta)
options:
  requirements:
    description:
      - Paths of files with locked requirements, each requirement with its hashes.
    type: list
    elements: path
    required: true
  path:
    description:
      - Directory for the archives.
      - It is created when it does not exist.
    type: path
    required: true
  python_version:
    description:
      - Major and minor version of Python on the host, for example V(3.11), in quotes.
    type: str
    required: true
  architecture:
    description:
      - Architecture of the host as C(uname -m) prints it, for example V(aarch64).
      - Wheels of all requirements of flotta exist for V(x86_64) and V(aarch64).
    type: str
    required: true
  libc_version:
    description:
      - Version of the GNU C library (glibc) on the host, for example V(2.36).
      - Wheels that need a newer version are not used.
    type: str
    default: "2.36"
attributes:
  check_mode:
    description: Reports whether the archive would be created. Downloads nothing.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
  idempotent:
    description: Changes nothing when the archive exists.
    support: full
  platform:
    description: Runs on Linux and other POSIX systems.
    support: full
    platforms: posix
requirements:
  - C(pip) in the Python that runs the module
"""

EXAMPLES = r"""
- name: Download the wheels for devices with Debian 12 on 64-bit ARM
  flotta.edge.wheelhouse:
    requirements:
      - requirements/device.txt
      - requirements/sync.txt
    path: ~/.cache/flotta-edge
    python_version: "3.11"
    architecture: aarch64
  delegate_to: localhost
"""

RETURN = r"""
archive:
  description: Path of the archive, an uncompressed tar file of wheels.
  type: str
  returned: success
  sample: /home/me/.cache/flotta-edge/wheelhouse-5f0c3e0b9d1a.tar
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

UNUSED = 30 * 86400  # seconds after which an archive that nobody used is removed
ARCHITECTURES = ("x86_64", "aarch64")  # those for which every locked requirement has wheels
PREFIX = "wheelhouse-"
VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
OLDEST_LIBC_MINOR = 5  # glibc 2.5, the oldest for which wheels exist (manylinux1, PEP 513)


@dataclass(frozen=True)
class Parameters:
    """The parameters of the module."""

    requirements: list[str]  # paths
    path: str
    python_version: str  # major.minor
    architecture: str
    libc_version: str  # major.minor


def platform_tags(architecture: str, libc_version: str) -> list[str]:
    """Return every wheel platform tag that a host with this C library accepts, newest first."""
    newest = int(libc_version.split(".")[1])
    tags = [
        f"manylinux_2_{minor}_{architecture}" for minor in range(newest, OLDEST_LIBC_MINOR - 1, -1)
    ]
    legacy = [f"manylinux{year}_{architecture}" for year in ("2014", "2010", "1")]
    return [*tags, *legacy, f"linux_{architecture}"]


def download_command(
    python: str, requirements: list[str], folder: str, python_version: str, tags: list[str]
) -> list[str]:
    """Return the command line by which pip downloads the wheels into a directory."""
    abi = "cp" + python_version.replace(".", "")
    command = [
        python,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    command += ["--require-hashes", "--only-binary", ":all:", "--dest", folder]
    command += ["--python-version", python_version, "--implementation", "cp"]
    for name in (abi, "abi3", "none"):
        command += ["--abi", name]
    for tag in tags:
        command += ["--platform", tag]
    for path in requirements:
        command += ["--requirement", path]
    return command


def content_name(requirements: list[str], *about: str) -> str:
    """Return the name of the archive, with a digest of the requirements and of `about`."""
    digest = hashlib.sha256("\n".join(about).encode())
    for path in requirements:
        with open(path, "rb") as stream:
            digest.update(stream.read())
    return f"{PREFIX}{digest.hexdigest()[:12]}.tar"


def pack(folder: str, archive: str) -> None:
    """Write the archive under a temporary name and rename it, so that it is always complete."""
    partial = f"{archive}.partial"
    with tarfile.open(partial, "w") as tar:
        for name in sorted(os.listdir(folder)):
            tar.add(os.path.join(folder, name), arcname=name)
    os.replace(partial, archive)


def check_host(module: AnsibleModule, parameters: Parameters) -> None:
    """Fail the module for a host for which no wheels can exist."""
    if not VERSION.fullmatch(parameters.libc_version):
        module.fail_json(
            msg=f"libc_version is {parameters.libc_version!r}; use the version of the GNU C library (glibc) on the host, such "
            "as '2.36'. Hosts with another C library, such as Alpine Linux with musl, are not supported: no wheels are built "
            "for them."
        )
    if not VERSION.fullmatch(parameters.python_version):
        module.fail_json(
            msg=f"python_version is {parameters.python_version!r}; use major and minor version in quotes, such as '3.11'."
        )


def explain_pip(parameters: Parameters, errors: str) -> str:
    """Return why pip could not download the wheels, and what to do."""
    if parameters.architecture not in ARCHITECTURES:
        return (
            f"There are no wheels for {parameters.architecture}. All requirements of flotta have wheels for "
            f"{' and '.join(ARCHITECTURES)} only. Use another machine, or a 64-bit operating system on it."
        )
    return (
        f"pip could not download the wheels for Python {parameters.python_version} on {parameters.architecture}. Check that "
        "this machine reaches the package index of your pip settings (pip config list) and that the index has wheels for this "
        f"platform.\n{errors.strip()}"
    )


def collect(module: AnsibleModule, parameters: Parameters, archive: str) -> None:
    """Download the wheels and pack them into the archive; fail the module when pip fails."""
    folder = tempfile.mkdtemp(dir=parameters.path, prefix=PREFIX, suffix=".partial")
    tags = platform_tags(parameters.architecture, parameters.libc_version)
    command = download_command(
        sys.executable, parameters.requirements, folder, parameters.python_version, tags
    )
    try:
        code, _output, errors = module.run_command(command)
        if code != 0:
            module.fail_json(msg=explain_pip(parameters, errors))
        pack(folder, archive)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a lock file, which is removed at the end."""
    while True:
        with open(path, "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_at(path, lock.fileno()):  # or else another process removed it meanwhile
                try:
                    yield
                finally:
                    os.unlink(path)
                return


def is_at(path: str, descriptor: int) -> bool:
    """Tell whether an open file is still the one at its path."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def collect_once(module: AnsibleModule, parameters: Parameters, archive: str) -> bool:
    """Create the archive unless another process has done so meanwhile; tell whether it was created."""
    os.makedirs(parameters.path, exist_ok=True)
    # Tasks for several hosts of a kind run at the same time; the first creates the archive.
    with locked(f"{archive}.lock"):
        missing = not os.path.exists(archive)
        if missing:
            collect(module, parameters, archive)
    return missing


def remove_unused(folder: str, now: float) -> None:
    """Remove archives that were not used for long, and what interrupted runs left; nothing else."""
    for path in glob.glob(os.path.join(glob.escape(folder), f"{PREFIX}*")):
        with contextlib.suppress(OSError):  # another process removes it as well
            if now - os.stat(path).st_mtime < UNUSED:
                continue
            if path.endswith(".partial") and os.path.isdir(path):
                shutil.rmtree(path)
            elif path.endswith((".tar", ".tar.lock", ".tar.partial")):
                os.unlink(path)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "requirements": {"type": "list", "elements": "path", "required": True},
            "path": {"type": "path", "required": True},
            "python_version": {"type": "str", "required": True},
            "architecture": {"type": "str", "required": True},
            "libc_version": {"type": "str", "default": "2.36"},
        },
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)
    check_host(module, parameters)
    try:
        changed, archive = ensure(module, parameters)
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or parameters.path}: {error.strerror}. Check that the files in requirements exist and that "
            f"you may write to {parameters.path}."
        )
    module.exit_json(changed=changed, archive=archive)


def ensure(module: AnsibleModule, parameters: Parameters) -> tuple[bool, str]:
    """Create the archive if it does not exist; return whether it did not, and its path."""
    about = (parameters.python_version, parameters.architecture, parameters.libc_version)
    archive = os.path.join(parameters.path, content_name(parameters.requirements, *about))
    changed = not os.path.exists(archive)
    if module.check_mode:
        return changed, archive
    if changed:
        changed = collect_once(module, parameters, archive)
    with contextlib.suppress(PermissionError):  # of another user, who also removes it
        os.utime(archive)  # the time of the last use
    remove_unused(parameters.path, time.time())
    return changed, archive


if __name__ == "__main__":
    main()
