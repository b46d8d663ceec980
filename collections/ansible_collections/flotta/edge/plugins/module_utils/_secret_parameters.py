# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Modules whose parameters have secrets inside lists or dictionaries."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values


class SecretsModule(AnsibleModule):
    """An AnsibleModule that keeps nested options with `no_log` out of the host's journal.

    AnsibleModule logs a list or dictionary as Python prints it, and looks for the secrets in that text. One with a
    newline, a quote or a backslash is escaped there, so it is not found, and everybody who reads the journal gets it.
    """

    def _log_invocation(self) -> None:
        given = self.params
        self.params = remove_values(given, self.no_log_values)
        try:
            super()._log_invocation()  # type: ignore[no-untyped-call, unused-ignore]
        finally:
            self.params = given
