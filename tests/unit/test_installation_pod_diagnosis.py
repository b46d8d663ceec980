"""Why pods do not start, and when a Deployment is rolled out."""

from __future__ import annotations

from typing import Any

import pytest

from flotta.installation.pod_diagnosis import is_rolled_out, unhealthy_reason

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}, "ImagePullBackOff"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "Error"}}}]}, "Error"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        (
            {"containerStatuses": [{
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "OOMKilled"}},
            }]},
            "OOMKilled",
        ),
        ({"containerStatuses": [{"state": {"running": {}}, "ready": False}]}, "NotReady"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
        ({}, "Pending"),
    ],
)  # fmt: skip
def test_the_reason_of_a_pod_is_found(status: Object, reason: str) -> None:
    assert unhealthy_reason({"spec": {}, "status": status})[0] == reason


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}, True),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 2}, False),
        ({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}, False),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1, "observedGeneration": 3}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_a_rollout_is_done_when_only_new_pods_are_left_and_available(
    status: Object, done: bool
) -> None:
    deployment = {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": status}
    assert is_rolled_out(deployment) is done
