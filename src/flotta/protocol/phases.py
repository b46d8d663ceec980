"""Phases of a workload on a device, as heartbeats report them and `status.workloads` keeps them.

Their meanings are in docs/reference/reasons.md#phases-of-a-workload.
"""

from __future__ import annotations

DEPLOYING = "Deploying"
CREATED = "Created"
RUNNING = "Running"
DEGRADED = "Degraded"
EXITED = "Exited"
PAUSED = "Paused"
STOPPED = "Stopped"
ERROR = "Error"
