"""Phases of a workload on a device, as heartbeats report them and `status.workloads` keeps them."""

from __future__ import annotations

DEPLOYING = "Deploying"
CREATED = "Created"
RUNNING = "Running"
DEGRADED = "Degraded"
EXITED = "Exited"
PAUSED = "Paused"
STOPPED = "Stopped"
ERROR = "Error"
