#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: control_plane_backup
short_description: Back up an embedded control plane
version_added: 0.1.0
description:
  - Writes the fleet, the keys and the certificates of an embedded control plane to one archive, with C(flotta-apiserver backup). The
    services may run.
  - An archive is a tar file with mode C(0600). It holds the private key of the Flotta CA and all Secrets. Whoever reads it can act as
    the control plane, so protect it as a key, also where you copy it to.
  - The files in buckets are not in the archive. Back up C(/var/lib/flotta/s3/buckets) as any other files.
  - Each archive is read after it was written, and compared with its digests. So is one that exists and is kept.
  - C(flotta-apiserver restore) restores it, on this machine or another one.
author:
  - flotta.edge contributors (@project-flotta)
options:
  dest:
    description:
      - Path of the archive. Its directory exists.
      - An archive that exists stays as it is, unless O(force=true). The module fails if the file there is not a complete backup.
      - Either this or O(directory) is required.
    type: path
  directory:
    description:
      - Directory of a series of archives. Each has the time in its name, such as C(flotta-backup-20260501T120000Z.tar).
      - It is created with mode C(0700) if it does not exist.
    type: path
  force:
    description:
      - Whether to replace O(dest) by a new backup if it exists. The old one stays until the new one is complete.
      - A file that is not a backup is not replaced.
      - With O(directory), another backup is written even if there is one that is new enough.
    type: bool
    default: false
  max_age:
    description:
      - With O(directory), the seconds for which a backup is new enough. While there is such a one, no other is written.
      - When omitted, or with V(0), each run writes one.
    type: int
  keep:
    description:
      - With O(directory), how many archives stay there. The oldest ones by name are removed, after a new one was written and checked.
      - Before any is removed, those that stay are read. One that is damaged does not count.
      - One with a time in the future does not count either, and is not removed. The module warns about it, as the clock of the machine is
        or was wrong.
      - When omitted, all stay. Files with other names always do.
    type: int
  owner:
    description:
      - Name or number of the user who owns the archive.
      - When omitted, that of an archive that exists stays, and a new one belongs to the user of the task.
    type: str
  group:
    description:
      - Name or number of the group of the archive. The group cannot read it.
    type: str
  database:
    description:
      - File of the database of C(flotta-apiserver).
    type: path
    default: /var/lib/flotta/apiserver/state.db
  pki_dir:
    description:
      - Directory of its certificates and private keys.
    type: path
    default: /etc/flotta/pki
  kubeconfig_dir:
    description:
      - Directory of the kubeconfigs.
    type: path
    default: /etc/flotta/kubeconfig
  s3_keys:
    description:
      - Directory of the access keys of the embedded object storage. It need not exist.
    type: path
    default: /var/lib/flotta/s3/keys
  s3_admin_file:
    description:
      - File with the access key of the storage administrator. It need not exist.
    type: path
    default: /etc/flotta/s3-admin.env
attributes:
  check_mode:
    description: Reports what would be written and removed. Fails where there is no control plane, or not enough space.
    support: full
  diff_mode:
    description: Shows the archive before and after, and which ones are removed. The new one is not known in check mode.
    support: full
  idempotent:
    description: Changes nothing while O(dest) exists, or while O(directory) has a backup that is new enough, unless O(force=true).
    support: full
  platform:
    description: Runs on Linux, on the host of the control plane.
    support: full
    platforms: linux
requirements:
  - flotta-edge with the extra C(control-plane), as the role P(flotta.edge.operator#role) installs it
  - root
notes:
  - The directory needs free space for twice the database.
  - The module looks for the programs in the directory that the environment variable E(FLOTTA_PROGRAMS) names, in C(~/.local/share/flotta)
    and in C(/opt/flotta).
  - A control plane on Kubernetes is backed up with the cluster, such as by a snapshot of etcd.
seealso:
  - module: flotta.edge.edge_device
    description: Its option C(adopt) takes back devices that are unknown after an old backup was restored.
"""

EXAMPLES = r"""
- name: Back up the control plane before an upgrade
  flotta.edge.control_plane_backup:
    dest: /root/before-upgrade.tar
    force: true
  become: true

- name: Keep a backup of each of the last seven days
  flotta.edge.control_plane_backup:
    directory: /var/backups/flotta
    max_age: 82800
    keep: 7
  become: true
  register: backup

- name: Copy it to the controller
  ansible.builtin.fetch:
    src: "{{ backup.path }}"
    dest: backups/
  become: true
  when: backup is changed
"""

RETURN = r"""
path:
  description: Path of the archive. In check mode, of the one that would be written.
  type: str
  returned: success
  sample: /var/backups/flotta/flotta-backup-20260501T120000Z.tar
size:
  description: Bytes of the archive.
  type: int
  returned: when the archive is there
  sample: 421888
sha256:
  description: SHA-256 of the archive.
  type: str
  returned: when the archive is there
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
created:
  description: When the backup was made, as date and time of RFC 3339.
  type: str
  returned: when the archive is there
  sample: "2026-05-01T12:00:00Z"
release:
  description: Release of flotta.edge that wrote it, and can restore it.
  type: str
  returned: when the archive is there
  sample: 0.1.0
contents:
  description:
    - The parts of the archive, with the number of their files and bytes.
    - C(database) is the fleet, C(pki) and C(kubeconfig) are keys and certificates, C(s3-keys) and C(s3-admin) the access keys of the embedded
      object storage.
  type: dict
  returned: when the archive is there
  sample:
    database: {files: 1, bytes: 270336}
    kubeconfig: {files: 4, bytes: 21034}
    pki: {files: 12, bytes: 14202}
owner:
  description: Name or number of the user who owns the archive.
  type: str
  returned: when the archive is there
  sample: root
group:
  description: Name or number of its group.
  type: str
  returned: when the archive is there
  sample: root
mode:
  description: Its permissions, octal.
  type: str
  returned: when the archive is there
  sample: "0600"
uid:
  description: Number of its owner.
  type: int
  returned: when the archive is there
  sample: 0
gid:
  description: Number of its group.
  type: int
  returned: when the archive is there
  sample: 0
secontext:
  description: Its SELinux context.
  type: str
  returned: when the archive is there, and the machine uses SELinux
  sample: system_u:object_r:admin_home_t:s0
state:
  description: That there is a file at RV(path), or nothing, as in check mode.
  type: str
  returned: success
  sample: file
removed:
  description: Paths of the archives that O(keep) removed.
  type: list
  elements: str
  returned: success
  sample: [/var/backups/flotta/flotta-backup-20260423T120000Z.tar]
"""

import grp
import os
import pwd
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _programs as programs
from ansible_collections.flotta.edge.plugins.module_utils._backup_archive import (
    Archive,
    ArchiveError,
    read_archive,
)

SERIES = re.compile(r"flotta-backup-\d{8}T\d{6}Z\.tar")
SERIES_NAME = "flotta-backup-%Y%m%dT%H%M%SZ.tar"
RFC_3339 = "%Y-%m-%dT%H:%M:%S%z"
MODE = 0o600
SPARE = (
    32 * 1024 * 1024
)  # bytes besides the two copies of the database: keys, certificates, the list
MISSING = (
    "flotta-apiserver is not installed on this machine. Run the module on the host of an embedded control plane, where the role "
    "flotta.edge.operator installs it. A control plane on Kubernetes is backed up with its cluster."
)


@dataclass(frozen=True)
class Parameters:
    """The parameters of the module."""

    dest: str | None
    directory: str | None
    force: bool
    max_age: int | None  # seconds; None or 0: no backup is new enough
    keep: int | None
    owner: str | None
    group: str | None
    database: str
    pki_dir: str
    kubeconfig_dir: str
    s3_keys: str
    s3_admin_file: str


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    path: str
    existing: Archive | None  # at this path, or the newest of the series
    write: bool
    remove: Sequence[str]  # paths


class Backup:
    """The backup that the parameters ask for."""

    def __init__(self, module: AnsibleModule, parameters: Parameters) -> None:
        self.module, self.parameters = module, parameters
        self.archives: dict[str, Archive | None] = {}  # those that were read, by path

    def ensure(self) -> NoReturn:
        """Write the archive unless it is there as it is to be; exit with the result."""
        self.require_complete_options()
        program = self.find_program()
        plan = self.plan_file() if self.parameters.dest else self.plan_series()
        archive = None if plan.write else plan.existing
        if plan.write:
            self.require_possible(os.path.dirname(plan.path))
            if not self.module.check_mode:
                archive = self.write(program, plan.path)
        changed = plan.write or bool(plan.remove)
        if os.path.exists(plan.path):
            changed = self.set_attributes(plan.path, changed)
        if not self.module.check_mode:
            for path in plan.remove:
                os.unlink(path)
        self.module.exit_json(
            changed=changed,
            path=plan.path,
            removed=list(plan.remove),
            diff=self.make_diff(plan, archive),
            **describe(archive),
        )

    def require_complete_options(self) -> None:
        """Fail the module for an empty path, which would be the current directory, and for an owner who does not exist."""
        empty = [name for name, value in vars(self.parameters).items() if value == ""]
        if empty:
            self.fail(f"{empty[0]} is empty; give it a value, or leave it out")
        for option, look in (("owner", pwd.getpwnam), ("group", grp.getgrnam)):
            name = getattr(self.parameters, option)
            try:
                if name is not None and not name.isdecimal():
                    look(name)
            except KeyError:
                self.fail(f"{option} is {name}, which this machine does not know; create it first")

    def find_program(self) -> str:
        """Return the path of flotta-apiserver; fails the module if there is none."""
        python = programs.find_python()
        path = os.path.join(os.path.dirname(python), "flotta-apiserver") if python else ""
        if not os.path.exists(path):
            self.module.fail_json(msg=MISSING)
        return path

    def plan_file(self) -> Plan:
        """Plan for one archive."""
        path = os.path.abspath(str(self.parameters.dest))
        if os.path.isdir(path) or os.path.islink(path):
            kind = "a directory" if os.path.isdir(path) else "a symbolic link"
            self.fail(f"{path} is {kind}; name the archive itself, or set directory")
        if not os.path.exists(path):
            return Plan(path, None, write=True, remove=())
        if not os.path.isfile(path):
            self.fail(f"{path} is not a regular file; choose another dest")
        try:
            return Plan(path, read_archive(path), write=self.parameters.force, remove=())
        except ArchiveError as error:
            self.fail(f"{path} {error}; remove it, or choose another dest")

    def plan_series(self) -> Plan:
        """Plan for a directory of archives."""
        folder = os.path.abspath(str(self.parameters.directory))
        if os.path.lexists(folder) and not os.path.isdir(folder):
            self.fail(f"{folder} is not a directory; choose another one")
        now = datetime.now(timezone.utc)
        path = os.path.join(folder, now.strftime(SERIES_NAME))
        complete = self.skip_incomplete(self.list_series(folder, path))
        newest = self.read(complete[-1]) if complete else None
        if newest and self.is_new_enough(newest) and not self.parameters.force:
            surplus = self.list_surplus(complete[:-1])
            return Plan(newest.path, newest, write=False, remove=surplus)
        surplus = self.list_surplus([other for other in complete if other != path])
        return Plan(path, newest, write=True, remove=surplus)

    def list_series(self, folder: str, now: str) -> Sequence[str]:
        """Return the archives, oldest first, without those that are newer than one of now; warn about those."""
        names = sorted(filter(SERIES.fullmatch, list_names(folder)))
        paths = [os.path.join(folder, name) for name in names]
        future = [path for path in paths if path > now]
        if future:
            self.module.warn(
                f"Archives with a time in the future do not count as backups, and stay: {', '.join(future)}. Set the clock of this "
                "machine if it is wrong; if it is right, remove them."
            )
        return paths[: len(paths) - len(future)]

    def skip_incomplete(self, paths: Sequence[str]) -> Sequence[str]:
        """Return the archives without the newest ones that are not complete."""
        while paths and self.read(paths[-1]) is None:
            paths = paths[:-1]
        return paths

    def read(self, path: str) -> Archive | None:
        """Return what an archive is; None, after a warning, if it is not a complete backup."""
        if path not in self.archives:
            try:
                self.archives[path] = read_archive(path)
            except ArchiveError as error:
                self.module.warn(f"{path} {error}. It does not count as a backup; remove it.")
                self.archives[path] = None
        return self.archives[path]

    def is_new_enough(self, archive: Archive) -> bool:
        """Tell whether no other backup is needed; one from the future says nothing."""
        created = datetime.strptime(archive.created.replace("Z", "+0000"), RFC_3339)
        age = (datetime.now(timezone.utc) - created).total_seconds()
        return 0 <= age < (self.parameters.max_age or 0)

    def list_surplus(self, others: Sequence[str]) -> Sequence[str]:
        """Return the oldest archives, those that do not stay beside the newest one.

        Those that stay are complete, as many of them as are to stay.
        """
        if self.parameters.keep is None:
            return []
        missing = self.parameters.keep - 1
        while missing and len(others) > missing:
            missing -= self.read(others[-1]) is not None
            others = others[:-1]
        return [] if missing else others

    def require_possible(self, folder: str) -> None:
        """Fail the module unless there is a control plane, and space for an archive."""
        database = self.parameters.database
        if not os.path.exists(database):
            self.fail(
                f"There is no {database} that this user can see. Run the module on the host of an embedded control plane, as root: with become "
                "or ansible_user=root"
            )
        is_new = self.parameters.directory and not os.path.isdir(folder)
        existing = os.path.dirname(folder) if is_new else folder
        if not os.path.isdir(existing):
            self.fail(f"The directory {existing} does not exist; create it")
        copies = [path for path in (database, f"{database}-wal") if os.path.exists(path)]
        wanted = 2 * sum(map(os.path.getsize, copies)) + SPARE
        free = shutil.disk_usage(existing).free
        if free < wanted:
            self.fail(
                f"{existing} has {free} bytes of free space, a backup needs {wanted}; free some, or choose another place"
            )

    def write(self, program: str, path: str) -> Archive:
        """Write an archive; return it once it is read and checked."""
        if self.parameters.directory and not os.path.isdir(self.parameters.directory):
            os.mkdir(self.parameters.directory, 0o700)
        places = {
            "--database": self.parameters.database,
            "--pki-dir": self.parameters.pki_dir,
            "--kubeconfig-dir": self.parameters.kubeconfig_dir,
            "--s3-keys": self.parameters.s3_keys,
            "--s3-admin-file": self.parameters.s3_admin_file,
        }
        options = [word for option in places.items() for word in option]
        code, _output, errors = self.module.run_command([program, "backup", *options, path])
        if code != 0:
            last = (errors.strip().splitlines() or [f"it ended with status {code}"])[-1]
            self.fail(
                f"flotta-apiserver wrote no backup: {last.replace('flotta-apiserver: ', '', 1)}"
            )
        try:
            return read_archive(path)
        except ArchiveError as error:
            self.fail(
                f"{path} {error}, although it was just written. Check the disk, then try again"
            )

    def set_attributes(self, path: str, changed: bool) -> bool:
        """Set owner, group and mode of the archive; tell whether anything changed."""
        changed = self.module.set_owner_if_different(path, self.parameters.owner, changed)
        changed = self.module.set_group_if_different(path, self.parameters.group, changed)
        return bool(self.module.set_mode_if_different(path, MODE, changed))

    def make_diff(self, plan: Plan, archive: Archive | None) -> dict[str, Any]:
        """Return the archive before and after, and what `keep` removes."""
        before = {"path": plan.existing.path, **describe(plan.existing)} if plan.existing else {}
        after = {"path": plan.path, **describe(archive)}
        gone = {"removed": list(plan.remove)} if plan.remove else {}
        return {"before": before, "after": {**after, **gone}}

    def fail(self, sentence: str) -> NoReturn:
        """Fail the module."""
        self.module.fail_json(msg=f"{sentence.rstrip('.')}.")


def list_names(folder: str) -> list[str]:
    """Return what is in a directory; nothing if it does not exist."""
    return os.listdir(folder) if os.path.isdir(folder) else []


def describe(archive: Archive | None) -> dict[str, Any]:
    """Return what is known of an archive besides its path."""
    if archive is None:
        return {}
    return {
        "size": archive.size,
        "sha256": archive.sha256,
        "created": archive.created,
        "release": archive.release,
        "contents": archive.contents,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path"},
            "directory": {"type": "path"},
            "force": {"type": "bool", "default": False},
            "max_age": {"type": "int"},
            "keep": {"type": "int"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "database": {"type": "path", "default": "/var/lib/flotta/apiserver/state.db"},
            "pki_dir": {"type": "path", "default": "/etc/flotta/pki"},
            "kubeconfig_dir": {"type": "path", "default": "/etc/flotta/kubeconfig"},
            "s3_keys": {"type": "path", "default": "/var/lib/flotta/s3/keys", "no_log": False},
            "s3_admin_file": {"type": "path", "default": "/etc/flotta/s3-admin.env"},
        },
        required_one_of=[("dest", "directory")],
        mutually_exclusive=[("dest", "directory")],
        required_by={"keep": ["directory"], "max_age": ["directory"]},
        supports_check_mode=True,
    )
    keep = module.params["keep"]
    if keep is not None and keep < 1:
        module.fail_json(msg=f"keep is {keep}; at least one archive stays.")
    backup = Backup(module, Parameters(**module.params))
    try:
        backup.ensure()
    except PermissionError as error:
        backup.fail(f"{error}. Run the module as root, with become or ansible_user=root")
    except OSError as error:
        backup.fail(f"The backup failed: {error}. Remove the cause, then try again")


if __name__ == "__main__":
    main()
