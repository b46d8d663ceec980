"""The cause why a Deployment does not become ready, from the status of its pods."""

from __future__ import annotations

from typing import NamedTuple

from flotta.installation.objects import ContainerStatus, Deployment, Pod
from flotta.protocol.reasons.installation import (
    IMAGE_PULL_BACK_OFF,
    NOT_READY,
    OOM_KILLED,
    PENDING,
    REPLICA_FAILURE,
    TERMINATED,
    UNSCHEDULABLE,
)
from flotta.resources.conditions import find_condition
from flotta.resources.views import conditions_of, generation_of, spec_of, status_of

IMAGE_REASONS = frozenset(
    {"ErrImagePull", IMAGE_PULL_BACK_OFF, "ErrImageNeverPull", "InvalidImageName"}
)


class Diagnosis(NamedTuple):
    """Why a pod is not ready, in Kubernetes' words; both are empty when nothing is known."""

    reason: str
    message: str


UNKNOWN = Diagnosis("", "")


def unhealthy_reason(pod: Pod) -> Diagnosis:
    """Return why a pod is not ready, UNKNOWN when no cause is visible.

    Every problem with an image has the reason ImagePullBackOff.
    """
    for container in status_of(pod).get("containerStatuses") or ():
        found = _unhealthy_container(container)
        if found.reason:
            return found
    scheduled = find_condition(conditions_of(pod), "PodScheduled")
    if scheduled is not None and scheduled["status"] == "False":
        reason = scheduled.get("reason", UNSCHEDULABLE)
        return Diagnosis(reason, scheduled.get("message", ""))
    if not spec_of(pod).get("nodeName"):
        return Diagnosis(PENDING, "the pod is not assigned to a node yet")
    return UNKNOWN


def _unhealthy_container(container: ContainerStatus) -> Diagnosis:
    state = container.get("state") or {}
    before = (container.get("lastState") or {}).get("terminated") or {}
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason")
    if reason in IMAGE_REASONS:
        return Diagnosis(IMAGE_PULL_BACK_OFF, waiting.get("message", ""))
    if reason not in (None, "ContainerCreating", "PodInitializing"):
        # It waits because it ended; the cause of the end says more.
        fell = OOM_KILLED if before.get("reason") == OOM_KILLED else reason
        return Diagnosis(fell, waiting.get("message", ""))
    ended = state.get("terminated")
    if ended:
        return Diagnosis(ended.get("reason", TERMINATED), ended.get("message", ""))
    if "running" in state and not container.get("ready"):
        return Diagnosis(NOT_READY, "the readiness probe fails")
    return UNKNOWN


def replica_failure(deployment: Deployment) -> Diagnosis:
    """Return why pods cannot be created (quota, admission), UNKNOWN if they can."""
    failure = find_condition(conditions_of(deployment), REPLICA_FAILURE)
    if failure is not None and failure["status"] == "True":
        return Diagnosis(failure.get("reason", REPLICA_FAILURE), failure.get("message", ""))
    return UNKNOWN


def is_rolled_out(deployment: Deployment) -> bool:
    """Tell whether every replica is up to date and available, and no older one is left."""
    status = status_of(deployment)
    wanted = spec_of(deployment).get("replicas", 1)
    counts = (
        status.get("replicas", 0),
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
    )
    observed = status.get("observedGeneration", 0) >= generation_of(deployment)
    return observed and all(count == wanted for count in counts)
