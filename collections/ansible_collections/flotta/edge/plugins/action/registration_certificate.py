# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hides the private key that a module for certificates returns, whatever the task says.

A module cannot censor its own result. An action plugin can, as that of ansible.builtin.include_vars does.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc, unused-ignore]  # its bases are not typed
    """Runs the module; later tasks can use the result, but no callback or log gets it."""

    def run(self, tmp: object = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the result of the module; without a key, as an error or in check mode, it is not hidden."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        # At -vvv the connection ssh prints what the module printed, before there is a result to hide.
        self._connection._play_context.no_log = True
        result.update(self._execute_module(task_vars=task_vars))
        # What the module printed beside its result makes Ansible return all of it as text.
        printed = f"{result.get('module_stdout', '')}{result.get('module_stderr', '')}"
        if result.get("key") or "PRIVATE KEY" in printed:
            result["_ansible_no_log"] = True
        return result
