"""Labels, finalizers and condition names that the control plane writes (specification 2.1)."""

from __future__ import annotations

import re

WORKLOAD_LABEL = "workload/"

_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def workload_label(workload: str) -> str | None:
    """Return the label key of a workload, None when Kubernetes would refuse it (over 63 characters)."""
    return WORKLOAD_LABEL + workload if _LABEL_NAME.fullmatch(workload) else None
