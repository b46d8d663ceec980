#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration_files
short_description: Write the configuration files of a service together
version_added: 0.1.0
description:
  - Writes several files in one step and says which of them changed, so that only what depends on
    them is restarted.
  - Each file is written beside its place, with its owner and mode, and renamed. A reader sees the
    old or the new content, and a secret is at no moment readable by anybody else.
author:
  - flotta.edge contributors (@project-flotta)
options:
  files:
    description:
      - The files, written in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Absolute path of the file. Missing folders above it are made with mode V(0755).
        type: path
        required: true
      content:
        description:
          - The whole content.
          - When omitted, the file is removed.
        type: str
      mode:
        description:
          - Permissions as octal digits.
        type: str
        default: "0644"
      owner:
        description:
          - User that owns the file.
        type: str
        default: root
      group:
        description:
          - Group of the file.
        type: str
        default: root
attributes:
  check_mode:
    description: Reports which files would change.
    support: full
  diff_mode:
    description: Shows the content of files that everybody may read; of others that they change.
    support: full
  idempotent:
    description: A file that is as wanted is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Write the unit and its environment
  flotta.edge.configuration_files:
    files:
      - path: /etc/systemd/system/example.service
        content: "{{ lookup('ansible.builtin.template', 'example.service.j2') }}"
      - path: /etc/example.env
        content: "LEVEL=info\n"
        mode: "0600"
"""

RETURN = r"""
paths:
  description: The files that changed.
  type: list
  elements: str
  returned: success
  sample: [/etc/example.env]
"""

import grp
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

UNKNOWN = -1  # number of a user or group that is yet to be made; no file has it


@dataclass(frozen=True)
class WantedFile:
    """One of the files that the parameters name."""

    path: str
    content: str | None  # None: no such file
    mode: str  # octal digits
    owner: str
    group: str


@dataclass(frozen=True)
class State:
    """What is at a path, or shall be."""

    content: bytes
    mode: int
    owner: int
    group: int


def find_owner(module: AnsibleModule, file: WantedFile) -> tuple[int, int]:
    """Return the numbers of owner and group.

    A name that does not exist fails the module; in check mode both are UNKNOWN then.
    """
    try:
        return pwd.getpwnam(file.owner).pw_uid, grp.getgrnam(file.group).gr_gid
    except KeyError as error:
        if module.check_mode:
            return UNKNOWN, UNKNOWN
        module.fail_json(msg=f"Cannot write {file.path}: {error.args[0]}.")


def read_state(path: str) -> State | None:
    """Return what is at the path, None if nothing is."""
    try:
        with open(path, "rb") as stream:
            found = os.fstat(stream.fileno())
            return State(stream.read(), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    except FileNotFoundError:
        return None


def wanted_state(module: AnsibleModule, file: WantedFile) -> State | None:
    """Return what shall be at the path; None when nothing shall."""
    if file.content is None:
        return None
    owner, group = find_owner(module, file)
    return State(file.content.encode(), int(file.mode, 8), owner, group)


def write(path: str, state: State) -> None:
    """Write the file beside its place and rename it: a half-written one is never found."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=folder, prefix=".flotta-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(state.content)
            os.fchown(stream.fileno(), state.owner, state.group)
            os.fchmod(stream.fileno(), state.mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except OSError:
        os.unlink(partial)
        raise


def describe_content(state: State | None) -> str:
    """Return the content for a difference, unless not everybody may read it."""
    if state is None:
        return ""
    if not state.mode & stat.S_IROTH:
        return "(not shown: not everybody may read it)\n"
    return state.content.decode(errors="replace")


def make_diff(path: str, before: State | None, after: State | None) -> dict[str, str]:
    """Return what Ansible shows with --diff."""
    return {
        "before_header": path,
        "after_header": path,
        "before": describe_content(before),
        "after": describe_content(after),
    }


def ensure(module: AnsibleModule, file: WantedFile) -> dict[str, str] | None:
    """Have the file as it is wanted; return what Ansible shows with --diff, None without a change."""
    before, after = read_state(file.path), wanted_state(module, file)
    if before == after:
        return None
    if not module.check_mode:
        if after is None:
            os.unlink(file.path)
        else:
            write(file.path, after)
    return make_diff(file.path, before, after)


def main() -> None:
    """Run the module."""
    file_spec = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "mode": {"type": "str", "default": "0644"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": file_spec}
        },
        supports_check_mode=True,
    )
    paths, diffs = [], []
    for file in [WantedFile(**given) for given in module.params["files"]]:
        diff = ensure(module, file)
        if diff is not None:
            paths.append(file.path)
            diffs.append(diff)
    module.exit_json(changed=bool(paths), paths=paths, diff=diffs)


if __name__ == "__main__":
    main()
