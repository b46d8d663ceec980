# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Modules that import flotta continue in the Python in which the role flotta.edge.programs installed it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, respawn_module

# Where the role flotta.edge.programs installs flotta-edge: for one user, or for the machine.
PROGRAMS = ("~/.local/share/flotta", "/opt/flotta")
MISSING = (
    "flotta-edge is not installed on this machine. Run the module on the control plane, where the role "
    "flotta.edge.operator installs it, or install it here with the role flotta.edge.programs "
    "(programs_extras: [control-plane], programs_directory: ~/.local/share/flotta)."
)
OTHER_RELEASE = (
    "flotta-edge on this machine is incomplete, or of another release than this collection ({0}). Install the same "
    "release with the role flotta.edge.operator on the control plane, or with flotta.edge.programs on other machines."
)


def require_programs(
    module: AnsibleModule,
    errors: Sequence[ImportError],
    missing: str,
    folders: Sequence[str] = PROGRAMS,
) -> None:
    """Continue in the Python that has flotta-edge; fail the module when there is none.

    `errors` are those of the module's own imports of flotta, `missing` is the sentence when it is not installed.
    """
    if errors:
        continue_in_programs(folders)
        fail(module, errors[0], describe_import_error(errors[0], missing))


def continue_in_programs(folders: Sequence[str] = PROGRAMS) -> None:
    """Continue in the Python that has flotta-edge; return if there is none, or this is it."""
    python = find_python(folders)
    if python and not has_respawned():
        # Delegated tasks cannot choose an interpreter, so the module switches to the right one itself.
        respawn_module(python)


def fail(module: AnsibleModule, error: Exception, sentence: str) -> NoReturn:
    """Fail with a sentence, and the traceback of the import that failed."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    module.fail_json(msg=sentence, exception="".join(lines))


def describe_import_error(error: ImportError, missing: str) -> str:
    """Say whether flotta-edge is not installed at all, or is of another release."""
    if isinstance(error, ModuleNotFoundError) and error.name == "flotta":
        return missing
    return OTHER_RELEASE.format(error)


def find_python(folders: Sequence[str] = PROGRAMS) -> str | None:
    """Return the Python that has flotta-edge, or None."""
    first = os.environ.get("FLOTTA_PROGRAMS")
    found = (
        os.path.join(os.path.expanduser(folder), "current/bin/python")
        for folder in (first, *folders)
        if folder
    )
    return next((python for python in found if os.path.exists(python)), None)
