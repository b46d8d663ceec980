# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/cli/authors.py: change that.
"""Who uses a program here, for what is recorded about a decision."""

from __future__ import annotations

import getpass


def name_author(program: str) -> str:
    """Return user and program; the resource API knows the user of the kubeconfig only."""
    try:
        return f"{getpass.getuser()} ({program})"
    except (KeyError, OSError):  # a user id without a name
        return program
