#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: owned_files
short_description: Remove the files that flotta wrote, and leave all others
version_added: 0.1.0
description:
  - Tells files that flotta wrote from files of other programs in the same places, by a mark in them, and removes only
    those that carry the mark. Files of others stay, and are named in the result.
  - All files are examined before the first one is removed.
  - Directories are removed by C(rm), which copes with any depth and does not leave the file system.
  - A part of the roles of this collection. Its options may change in any release.
author:
  - flotta.edge contributors (@project-flotta)
options:
  files:
    description:
      - The files, links and directories, in the order in which they are removed.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - Absolute path. It may contain the wildcards V(*) and V(?).
        type: path
        required: true
      texts:
        description:
          - A file is flotta's if it contains one of these texts in its first 64 KiB.
        type: list
        elements: str
        default: []
      organization:
        description:
          - A file is flotta's if the subject or issuer of its first PEM certificate names this organization.
        type: str
      contains:
        description:
          - A directory is flotta's if it has one of these files.
        type: list
        elements: str
        default: []
      target:
        description:
          - A symbolic link is flotta's if it leads to this path, which may contain wildcards.
        type: str
      like:
        description:
          - A path is flotta's if another entry of the list is. Names that entry by its O(files[].path). With another sign of this
            entry, one of both is enough.
        type: path
  keep:
    description:
      - Absolute paths of files that stay, whatever other name leads to them, such as one with a symbolic link in it. They may
        contain the wildcards V(*) and V(?).
    type: list
    elements: path
    default: []
  directories:
    description:
      - Directories to remove after the files if nothing is left in them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - Absolute path.
        type: path
        required: true
      shared:
        description:
          - Whether other programs use the directory as well. It is removed only if something of flotta was removed from it
            and nothing is left, and what is left is not named.
        type: bool
        default: false
  state:
    description:
      - Whether to remove the files, or only to tell whose they are.
    type: str
    choices: [absent, listed]
    default: absent
attributes:
  check_mode:
    description: Reports what would be removed.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
  idempotent:
    description: Changes nothing when no file of flotta is left.
    support: full
  platform:
    description: Runs on Linux and other POSIX systems.
    support: full
    platforms: posix
notes:
  - An entry without O(files[].texts), O(files[].organization), O(files[].contains), O(files[].target) and O(files[].like) is flotta's by
    its name.
"""

EXAMPLES = r"""
- name: Remove what flotta wrote to a directory of several programs
  flotta.edge.owned_files:
    files:
      - path: /etc/yggdrasil/config.toml
        texts: ["Written by the role flotta.edge.device"]
    directories:
      - path: /etc/yggdrasil
  register: removal

- name: Name what stays
  ansible.builtin.debug:
    var: removal.foreign
"""

RETURN = r"""
ours:
  description: Paths of flotta that were removed, or that exist with O(state=listed) or in check mode.
  type: list
  elements: str
  returned: success
  sample: [/etc/yggdrasil/config.toml]
foreign:
  description: What is in the same places and stays, as sentences.
  type: list
  elements: str
  returned: success
  sample: ["/etc/yggdrasil/tags.toml does not contain the mark of flotta"]
"""

import base64
import binascii
import fnmatch
import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

FILE = {
    "path": {"type": "path", "required": True},
    "texts": {"type": "list", "elements": "str", "default": []},
    "organization": {"type": "str"},
    "contains": {"type": "list", "elements": "str", "default": []},
    "target": {"type": "str"},
    "like": {"type": "path"},
}
FOLDER = {
    "path": {"type": "path", "required": True},
    "shared": {"type": "bool", "default": False},
}
EXAMINED = 65536  # bytes of a file in which its mark is looked for
NAMED = 20  # entries of a directory that are named at most
CERTIFICATE = re.compile(b"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """A path that flotta may have written, and how to tell; see the suboptions of `files`."""

    path: str
    texts: Sequence[str]
    organization: str | None
    contains: Sequence[str]
    target: str | None
    like: str | None


@dataclass(frozen=True)
class Finding:
    """A path that exists; `foreign` says why it is not flotta's, and is empty for flotta's."""

    path: str
    foreign: str


def read_start(path: str) -> bytes:
    """Return the part of a file in which a mark is looked for; empty for what is not a readable file."""
    if not os.path.isfile(path):
        return b""
    try:
        with open(path, "rb") as stream:
            return stream.read(EXAMINED)
    except OSError:
        return b""


def names_organization(pem: bytes, organization: str) -> bool:
    """Tell whether the first certificate of a PEM text contains the name of an organization."""
    found = CERTIFICATE.search(pem)
    try:
        return found is not None and organization.encode() in base64.b64decode(found.group(1))
    except binascii.Error:
        return False


def explain_foreign(entry: Entry, path: str) -> str:
    """Return why a path is not flotta's, empty if it is; `like` is left to `examine`."""
    if entry.target is not None:
        leads = os.readlink(path) if os.path.islink(path) else ""
        ours = fnmatch.fnmatch(leads, entry.target)
        return "" if ours else f"{path} does not lead to {entry.target}"
    if entry.contains:
        ours = any(os.path.lexists(os.path.join(path, name)) for name in entry.contains)
        return "" if ours else f"{path} has none of the files {', '.join(entry.contains)}"
    if entry.organization is not None:
        ours = names_organization(read_start(path), entry.organization)
        return "" if ours else f"{path} is not a certificate of {entry.organization}"
    if entry.texts:
        start = read_start(path)
        ours = any(text.encode() in start for text in entry.texts)
        return "" if ours else f"{path} does not contain the mark of flotta"
    return ""


def has_sign(entry: Entry) -> bool:
    """Tell whether the entry itself says how to tell."""
    return bool(entry.texts or entry.organization or entry.contains or entry.target)


def examine(entries: Sequence[Entry]) -> list[Finding]:
    """Return a finding for each path that exists, in the order of the entries."""
    owned: dict[str, bool] = {}
    found: list[tuple[int, Finding]] = []
    places = sorted(range(len(entries)), key=lambda place: entries[place].like is not None)
    for place in places:
        entry = entries[place]
        for path in list_existing(entry.path):
            foreign = explain_foreign(entry, path)
            if entry.like is not None and (foreign or not has_sign(entry)):
                beside = f"{path} is beside {entry.like}, which is missing or not flotta's"
                foreign = "" if owned.get(entry.like) else beside
            owned[entry.path] = not foreign
            found.append((place, Finding(path, foreign)))
    return [finding for _place, finding in sorted(found, key=lambda pair: pair[0])]


def list_existing(pattern: str) -> list[str]:
    """Return the paths that a pattern matches; a broken link exists as well."""
    return sorted(glob.glob(pattern)) or ([pattern] if os.path.islink(pattern) else [])


def real_place(path: str) -> str:
    """Return the one name of a path that has no symbolic link in its directories; a link itself stays one."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def without_kept(findings: Sequence[Finding], keep: Sequence[str]) -> list[Finding]:
    """Return the findings that are not, by any name, one of the paths to keep, which may have wildcards."""
    kept = {real_place(path) for pattern in keep for path in list_existing(pattern)}
    return [finding for finding in findings if real_place(finding.path) not in kept]


def remove(module: AnsibleModule, path: str) -> None:
    """Remove a file, link or directory with everything in it; fail the module if that is impossible."""
    # rm works on any depth; a mounted file system below the directory is not flotta's.
    command = ["rm", "--recursive", "--force", "--one-file-system", "--", path]
    code, _output, errors = module.run_command(command)
    if code != 0:
        module.fail_json(
            msg=f"{path} could not be removed: {errors.strip()}. Nothing else of flotta is lost by that; remove the cause "
            "and run this again."
        )


def list_leftovers(directories: Sequence[Mapping[str, object]], gone: set[str]) -> Iterator[str]:
    """Yield a sentence for each directory of flotta in which something of others is left."""
    for directory in directories:
        path = str(directory["path"])
        left = [] if directory["shared"] else list_left(path, gone)
        if left:
            more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
            yield f"{path} has other files, which stay: {', '.join(left[:NAMED])}{more}"


def list_left(path: str, gone: set[str]) -> list[str]:
    """Return the names in a directory besides those that are removed; empty if there is no such directory."""
    if not os.path.isdir(path):
        return []
    return sorted(name for name in os.listdir(path) if os.path.join(path, name) not in gone)


def remove_empty(
    directories: Sequence[Mapping[str, object]], gone: set[str], *, check_mode: bool
) -> list[str]:
    """Remove the directories in which nothing is left; return them."""
    removed = []
    for directory in directories:
        path = str(directory["path"])
        if is_to_go(path, gone, shared=bool(directory["shared"])):
            if not check_mode:
                os.rmdir(path)
            gone.add(path)
            removed.append(path)
    return removed


def is_to_go(path: str, gone: set[str], *, shared: bool) -> bool:
    """Tell whether a directory exists, is empty and, if it is shared, became so only now."""
    lost = any(os.path.dirname(other) == path for other in gone)
    empty = os.path.isdir(path) and not os.path.islink(path) and not list_left(path, gone)
    return empty and (lost or not shared)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
            "keep": {"type": "list", "elements": "path", "default": []},
            "directories": {"type": "list", "elements": "dict", "default": [], "options": FOLDER},
            "state": {"type": "str", "choices": ["absent", "listed"], "default": "absent"},
        },
        supports_check_mode=True,
    )
    listed = module.params["state"] == "listed"
    entries = [Entry(**given) for given in module.params["files"]]
    findings = without_kept(examine(entries), module.params["keep"])
    ours = [finding.path for finding in findings if not finding.foreign]
    foreign = [finding.foreign for finding in findings if finding.foreign]
    if listed:
        module.exit_json(changed=False, ours=ours, foreign=foreign)
    for path in [] if module.check_mode else ours:
        remove(module, path)
    directories, gone = module.params["directories"], set(ours)
    empty = remove_empty(directories, gone, check_mode=module.check_mode)
    foreign += list_leftovers(directories, gone | {finding.path for finding in findings})
    module.exit_json(changed=bool(ours or empty), ours=ours + empty, foreign=foreign)


if __name__ == "__main__":
    main()
