"""Types of host paths that podman does not check.

Kubernetes refuses a path of another type (`checkType` of k8s.io/kubernetes/pkg/volume/hostpath);
podman mounts it.
"""

from __future__ import annotations

import os
import stat

from flotta.worker.volumes.plan import HostPathType

KINDS = {"Directory": "directory", "File": "file"}
CREATED = "OrCreate"  # at the end of a type: podman makes the path if it is missing
CHECKED = frozenset((*KINDS, *(kind + CREATED for kind in KINDS)))


def find_mismatch(host_path: HostPathType) -> str:
    """Return a sentence about a path that is not of its type, empty if it is.

    A path that may be missing counts as right. Raises OSError if it cannot be looked at.
    """
    try:
        mode = os.stat(host_path.path).st_mode
    except FileNotFoundError:
        missing = f"{host_path.path} does not exist"
        return "" if host_path.type.endswith(CREATED) else missing
    kind = host_path.type.removesuffix(CREATED)
    is_right = stat.S_ISDIR(mode) if kind == "Directory" else stat.S_ISREG(mode)
    return "" if is_right else f"{host_path.path} is not a {KINDS[kind]}"
