# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""What the modules of device images share: how they start and fail, and who owns what they write."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _programs as programs

import_errors: list[ImportError] = []  # of the modules when they import flotta
try:
    from flotta.images.errors import ImageError
    from flotta.images.termination import end_orderly
    from flotta.printable_text import printable_lines
except ImportError as error:
    import_errors.append(error)

MISSING = (
    "flotta-edge is not installed on this machine. Install it with the role flotta.edge.programs (programs_extras: [images]), "
    "or run the module where flotta.edge.operator installed it."
)


class PartlyDone(Exception):
    """Some files were changed before one failed; `result` is that of the module for those."""

    def __init__(self, error: ImageError, result: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.error = error
        self.result = result


def run(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> NoReturn:
    """Exit with the result of `work`, or fail with its sentence and reason."""
    programs.require_programs(module, import_errors, MISSING)
    try:
        with end_orderly():
            result = work()
    except ImageError as error:
        fail(module, error, {})
    except PartlyDone as partly:
        fail(module, partly.error, partly.result)
    module.exit_json(**result)


def fail(module: AnsibleModule, error: ImageError, result: dict[str, Any]) -> NoReturn:
    """Fail with the sentence and reason of an error, and the result of what was done before."""
    module.fail_json(**result, msg=printable_lines(str(error)), reason=str(error.reason))


def read_mode(value: object) -> int:
    """Return a mode as files have it: an octal text, or the number that YAML makes of one. Raises ValueError."""
    try:
        mode = value if isinstance(value, int) else int(str(value), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"mode is {value!r}; use an octal number in quotes, such as '0600'.")
    return mode


def user_id(name: str | None) -> int | None:
    """Return the id of a user by name or number, None for none. Raises ValueError."""
    if name is None or name.isdecimal():
        return None if name is None else int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise ValueError(f"There is no user {name} on this machine.") from error


def group_id(name: str | None) -> int | None:
    """Return the id of a group by name or number, None for none. Raises ValueError."""
    if name is None or name.isdecimal():
        return None if name is None else int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ValueError(f"There is no group {name} on this machine.") from error
