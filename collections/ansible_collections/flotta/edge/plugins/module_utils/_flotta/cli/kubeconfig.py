# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/cli/kubeconfig.py: change that.
"""Which kubeconfig `flotta` uses."""

from __future__ import annotations

import os
from pathlib import Path

# Where the role operator puts the administrator's kubeconfig on the control plane.
LOCAL_KUBECONFIG = Path("/etc/flotta/kubeconfig/admin.kubeconfig")


def find_kubeconfig(given: str | None) -> str | None:
    """Return the path: the given one, else $KUBECONFIG, else one of the usual places.

    None means that there is none. Raises ValueError when a named file is missing.
    """
    path = given or os.environ.get("KUBECONFIG")
    if path and not Path(path).exists():
        raise ValueError(f"there is no kubeconfig {path}")
    usual = (LOCAL_KUBECONFIG, Path.home() / ".kube/config")
    return path or next((str(file) for file in usual if os.access(file, os.R_OK)), None)
