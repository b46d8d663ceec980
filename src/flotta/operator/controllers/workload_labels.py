"""The labels `workload/<name>` that show what a device should run.

See docs/reference/control-plane.md#labels-annotations-and-finalizers.
"""

from __future__ import annotations

import re

WORKLOAD_LABEL = "workload/"

LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def workload_label(workload: str) -> str | None:
    """Return the label key of a workload.

    None when Kubernetes would refuse it: its name is longer than 63 characters.
    """
    return WORKLOAD_LABEL + workload if LABEL_NAME.fullmatch(workload) else None
