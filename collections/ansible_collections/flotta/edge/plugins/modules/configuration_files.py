#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration_files
short_description: Write several configuration files in one task
version_added: 0.1.0
description:
  - Writes several files in one task and returns which of them changed, so that you can restart only the services
    that use these files.
  - Each file is written to a temporary file in the same directory, with its owner and mode, and then renamed. Other
    programs see either the old or the new content, and other users can never read a secret.
author:
  - flotta.edge contributors (@project-flotta)
options:
  files:
    description:
      - The files, in the order in which they are written.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Absolute path of the file.
          - Missing parent directories are created with mode V(0755).
        type: path
        required: true
      content:
        description:
          - The whole content of the file.
          - When omitted, the file is removed.
        type: str
      mode:
        description:
          - Permissions as octal digits, in quotes.
        type: str
        default: "0644"
      owner:
        description:
          - Name of the user that owns the file.
        type: str
        default: root
      group:
        description:
          - Name of the group of the file.
        type: str
        default: root
attributes:
  check_mode:
    description: Reports which files would change.
    support: full
  diff_mode:
    description: Shows the content of files that every user may read. Of other files it shows only that they change.
    support: full
  idempotent:
    description: Changes nothing when content, mode, owner and group are as desired.
    support: full
  platform:
    description: Runs on Linux and other POSIX systems.
    support: full
    platforms: posix
notes:
  - The task result contains the contents in C(invocation). Use C(no_log=true) on a task that writes secrets.
seealso:
  - module: ansible.builtin.copy
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: Write a systemd unit and its environment file
  flotta.edge.configuration_files:
    files:
      - path: /etc/systemd/system/example.service
        content: "{{ lookup('ansible.builtin.template', 'example.service.j2') }}"
      - path: /etc/example.env
        content: "LEVEL=info\n"
        mode: "0600"
  register: files

- name: Restart the service when one of them changed
  ansible.builtin.systemd_service:
    name: example.service
    state: restarted
    daemon_reload: true
  when: files is changed
"""

RETURN = r"""
paths:
  description: Paths of the files that changed, or would change in check mode.
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

UNKNOWN = -1  # number of a user or group that does not exist yet; no file has it


@dataclass(frozen=True)
class WantedFile:
    """A file as the parameters describe it."""

    path: str
    content: str | None  # None removes the file
    mode: str  # octal digits
    owner: str
    group: str


@dataclass(frozen=True)
class State:
    """The actual or the desired state of a file."""

    content: bytes
    mode: int
    owner: int
    group: int


def find_owner(module: AnsibleModule, file: WantedFile) -> tuple[int, int]:
    """Return the numbers of owner and group.

    Fails the module for a name that does not exist; in check mode both are UNKNOWN then.
    """
    try:
        return pwd.getpwnam(file.owner).pw_uid, grp.getgrnam(file.group).gr_gid
    except KeyError as error:
        if module.check_mode:
            return UNKNOWN, UNKNOWN
        module.fail_json(
            msg=f"Cannot write {file.path}: {error.args[0]}. Create the user or group first, or set another owner or group."
        )


def read_state(path: str) -> State | None:
    """Return the actual state of a file, None if it does not exist."""
    try:
        with open(path, "rb") as stream:
            found = os.fstat(stream.fileno())
            return State(stream.read(), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    except FileNotFoundError:
        return None


def wanted_state(module: AnsibleModule, file: WantedFile) -> State | None:
    """Return the desired state of a file, None if it must not exist."""
    if file.content is None:
        return None
    owner, group = find_owner(module, file)
    return State(file.content.encode(), int(file.mode, 8), owner, group)


def write(path: str, state: State) -> None:
    """Write a temporary file in the same directory and rename it, so that no reader sees a part of it."""
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
    """Return the content for a difference, unless some users may not read the file."""
    if state is None:
        return ""
    if not state.mode & stat.S_IROTH:
        return "(not shown: other users may not read this file)\n"
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
    """Write or remove a file as desired; return what Ansible shows with --diff, None without a change."""
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
