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
  - The content of a file that not every user may read counts as a secret. It appears in no result, difference or log,
    at any verbosity.
  - With SELinux, a file keeps its context, and a new one gets that of its path.
  - A part of the roles of this collection, for which one task has to do the work of many. Its options may change in any release. Use
    M(ansible.builtin.copy) and M(ansible.builtin.template) in playbooks of your own.
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
      mark:
        description:
          - Text that an existing file must contain to be replaced or removed. If it does not, the file belongs to
            another program or to you; the module fails and changes nothing.
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
import re
import stat
import tempfile
from dataclasses import dataclass
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils._secret_parameters import SecretsModule

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "no_log": True},
    "mark": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
MODE = re.compile("0?[0-7]{3}|[0-7]{4}")
HIDDEN = "(not shown: other users may not read this file)\n"
UNKNOWN = -1  # number of a user or group that does not exist yet; no file has it


@dataclass(frozen=True)
class WantedFile:
    """A file as the parameters describe it."""

    path: str
    content: str | None  # None removes the file
    mark: str | None  # text that an existing file has to contain
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


class FilesModule(SecretsModule):
    """A module that names the file whose SELinux context it sets, where AnsibleModule would name a temporary one."""

    labelled: str | None = None  # path of that file

    def fail_json(self, msg: str, **details: Any) -> NoReturn:
        """Fail the module with a sentence."""
        if self.labelled is None:
            super().fail_json(msg=msg, **details)
        sentence = (
            f"Cannot write {self.labelled}: {msg}. Correct the SELinux contexts of its directory with restorecon, or move it to a file "
            "system that has contexts."
        )
        super().fail_json(msg=sentence)


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


def check_file(module: AnsibleModule, file: WantedFile) -> None:
    """Fail the module for a file that cannot be written as the parameters say."""
    if not os.path.isabs(file.path):
        module.fail_json(msg=f"{file.path} is not an absolute path; begin it with /.")
    if not MODE.fullmatch(file.mode):
        module.fail_json(
            msg=f"{file.path} has the mode {file.mode!r}; use three or four octal digits in quotes, such as '0644'."
        )
    if os.path.isdir(file.path):
        module.fail_json(
            msg=f"{file.path} is a directory; name a file, or remove the directory if nobody needs it."
        )


def read_state(path: str) -> State | None:
    """Return the actual state of a file, None if it does not exist."""
    try:
        with open(path, "rb") as stream:
            found = os.fstat(stream.fileno())
            return State(stream.read(), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    except FileNotFoundError:
        return None


def check_mark(module: AnsibleModule, file: WantedFile, before: State | None) -> None:
    """Fail the module for a file that exists and does not have the mark."""
    if before is not None and file.mark is not None and file.mark.encode() not in before.content:
        module.fail_json(
            msg=f"{file.path} exists and was not written by flotta: {file.mark!r} is not in it. It was not changed. Move it "
            "elsewhere, or choose another path."
        )


def wanted_state(module: AnsibleModule, file: WantedFile) -> State | None:
    """Return the desired state of a file, None if it must not exist."""
    if file.content is None:
        return None
    owner, group = find_owner(module, file)
    return State(file.content.encode(), int(file.mode, 8), owner, group)


def write(module: FilesModule, path: str, state: State) -> None:
    """Write a temporary file in the same directory and rename it, so that no reader sees a part of it.

    Not by `module.atomic_move`: that gives a new secret the mode of the file that it replaces, until somebody changes it.
    """
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
        label(module, partial, path)
        os.replace(partial, path)
    except BaseException:  # SystemExit, too: AnsibleModule ends by it where SELinux refuses
        os.unlink(partial)
        raise


def label(module: FilesModule, partial: str, path: str) -> None:
    """Give a file the SELinux context of the one that it replaces, else the one that the policy has for its path.

    Fails the module where SELinux refuses.
    """
    if not module.selinux_enabled():
        return
    module.labelled = path
    there = os.path.exists(path)
    context = module.selinux_context(path) if there else module.selinux_default_context(path)
    module.set_context_if_different(partial, context, False)
    module.labelled = None


def is_public(state: State | None) -> bool:
    """Tell whether every user may read a file; there is nothing to hide in one that does not exist."""
    return state is None or bool(state.mode & stat.S_IROTH)


def make_diff(path: str, before: State | None, after: State | None) -> dict[str, str]:
    """Return what Ansible shows with --diff; no content if only some users may read it, before or after."""
    public = is_public(before) and is_public(after)
    texts = [
        "" if state is None else state.content.decode(errors="replace") if public else HIDDEN
        for state in (before, after)
    ]
    return {"before_header": path, "after_header": path, "before": texts[0], "after": texts[1]}


@dataclass(frozen=True)
class Change:
    """A file that is not as desired."""

    path: str
    before: State | None
    after: State | None  # None removes the file


def plan(module: AnsibleModule, file: WantedFile) -> Change | None:
    """Compare a file with what is desired; None if they agree. Fails the module for what is impossible."""
    check_file(module, file)
    before = read_state(file.path)
    after = wanted_state(module, file)
    if before == after:
        return None
    check_mark(module, file, before)
    return Change(file.path, before, after)


def apply(module: FilesModule, change: Change) -> None:
    """Write or remove a file."""
    if change.after is None:
        os.unlink(change.path)
    else:
        write(module, change.path, change.after)


def explain(error: OSError, path: str) -> str:
    """Return a sentence for an error of the operating system."""
    where = error.filename if isinstance(error.filename, str) else path
    return (
        f"Cannot write {path}: {where}: {error.strerror}. Check that each parent is a directory on a writable file system with "
        "free space, and that the task runs as root or as the owner."
    )


def reveal_public(module: AnsibleModule, files: list[WantedFile]) -> None:
    """Let results show the content of files that every user may read; all other content stays hidden."""
    public: set[str | None] = set()
    secret: set[str | None] = set()
    for file in files:
        readable = MODE.fullmatch(file.mode) and int(file.mode, 8) & stat.S_IROTH
        (public if readable else secret).add(file.content)
    module.no_log_values -= public - secret


def main() -> None:
    """Run the module."""
    module = FilesModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE}
        },
        supports_check_mode=True,
    )
    files = [WantedFile(**given) for given in module.params["files"]]
    reveal_public(module, files)
    path = ""
    try:
        changes = []
        for file in files:
            path = file.path
            changes.append(plan(module, file))
        made = [change for change in changes if change is not None]
        for change in [] if module.check_mode else made:
            path = change.path
            apply(module, change)
    except OSError as error:
        module.fail_json(msg=explain(error, path))
    module.exit_json(
        changed=bool(made),
        paths=[change.path for change in made],
        diff=[make_diff(change.path, change.before, change.after) for change in made],
    )


if __name__ == "__main__":
    main()
