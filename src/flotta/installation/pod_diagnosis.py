"""Why a Deployment does not get ready, read from its pods as the cluster reports them."""

from __future__ import annotations

from typing import Any

from flotta.resources.conditions import find_condition

Object = dict[str, Any]
IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
)
CRASHING = "CrashLoopBackOff"
TOO_LARGE = "OOMKilled"


def unhealthy_reason(pod: Object) -> tuple[str, str]:
    """Return reason and message of what keeps a pod from being ready; empty when nothing is known."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        reason, message = _unhealthy_container(container)
        if reason:
            return reason, message
    scheduled = find_condition(status.get("conditions"), "PodScheduled") or {}
    if scheduled.get("status") == "False":
        return scheduled.get("reason", "Unschedulable"), scheduled.get("message", "")
    if not (pod.get("spec") or {}).get("nodeName"):
        return "Pending", "no node has taken the pod yet"
    return "", ""


def _unhealthy_container(container: Object) -> tuple[str, str]:
    state = container.get("state") or {}
    before = (container.get("lastState") or {}).get("terminated") or {}
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in IMAGE_REASONS:
        return "ImagePullBackOff", waiting.get("message", "")
    if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        reason = TOO_LARGE if before.get("reason") == TOO_LARGE else waiting["reason"]
        return reason, waiting.get("message", "")
    ended = state.get("terminated")
    if ended:
        return ended.get("reason", "Terminated"), ended.get("message", "")
    if "running" in state and not container.get("ready"):
        return "NotReady", "the readiness probe fails"
    return "", ""


def replica_failure(deployment: Object) -> tuple[str, str]:
    """Return reason and message when pods cannot even be made (quota, admission); else empty."""
    conditions = (deployment.get("status") or {}).get("conditions")
    failure = find_condition(conditions, "ReplicaFailure") or {}
    if failure.get("status") == "True":
        return failure.get("reason", "ReplicaFailure"), failure.get("message", "")
    return "", ""


def is_rolled_out(deployment: Object) -> bool:
    """Tell whether every replica is of the newest kind and available, and no older one is left."""
    status, metadata = deployment.get("status") or {}, deployment["metadata"]
    wanted = deployment["spec"].get("replicas", 1)
    counts = (status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas"))
    observed = status.get("observedGeneration", 0) >= metadata["generation"]
    return observed and all(count == wanted for count in counts)
