# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/installation.py: change that.
"""Reasons of pods of the control plane that do not start, Kubernetes' own where it has one."""

from __future__ import annotations

from ...protocol.reasons.reason import PodReason, Rows
from ...protocol.reasons.workloads import CRASH_LOOP_BACK_OFF

PODS = Rows()
IMAGE_PULL_BACK_OFF = PODS.add(
    "ImagePullBackOff",
    PodReason(),
    "The nodes cannot pull the image. The module reports every image failure so, also"
    " `ErrImagePull`.",
    "Load the image on every node, or push it to a registry and set `image` and "
    "`image_pull_secrets`.",
)
PODS.add(
    CRASH_LOOP_BACK_OFF,
    PodReason(),
    "The program keeps exiting; the message has the last line of its log.",
    "Change the setting that the line names.",
)
OOM_KILLED = PODS.add(
    "OOMKilled",
    PodReason(),
    "The program needs more memory than its limit allows.",
    "Raise the memory limit that the message names.",
)
CREATE_CONTAINER_CONFIG_ERROR = PODS.add(
    "CreateContainerConfigError",
    PodReason(),
    "A Secret or ConfigMap of the pod does not exist.",
    "Create it.",
)
FAILED_CREATE = PODS.add(
    "FailedCreate",
    PodReason(),
    "The cluster refuses the pods (quota, admission).",
    "Change what refuses them.",
)
REPLICA_FAILURE = PODS.add(
    "ReplicaFailure",
    PodReason(),
    "The same without a reason from Kubernetes.",
    "`kubectl describe deployment`.",
)
UNSCHEDULABLE = PODS.add(
    "Unschedulable",
    PodReason(),
    "No node fits the pod.",
    "`kubectl describe pod` names what is missing.",
)
PENDING = PODS.add(
    "Pending",
    PodReason(),
    "No node has taken the pod yet.",
    "Wait, or look at the scheduler.",
)
NOT_READY = PODS.add(
    "NotReady",
    PodReason(),
    "The pod runs, but its readiness probe fails.",
    "Read the log of the pod; see [Metrics and probes](metrics.md#probes).",
)
TERMINATED = PODS.add(
    "Terminated",
    PodReason(),
    "The container exited without a reason from Kubernetes.",
    "Read the log of the pod.",
)

SECTIONS = (PODS,)
