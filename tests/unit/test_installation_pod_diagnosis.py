"""Why pods do not start, and when a Deployment is rolled out."""

from __future__ import annotations

from typing import Any

import pytest

from flotta.installation.pod_diagnosis import is_rolled_out, replica_failure, unhealthy_reason

Object = dict[str, Any]


def container(state: Object, **more: Any) -> Object:
    return {"containerStatuses": [{"state": state, **more}]}


def counts(replicas: int, *, updated: int, available: int, observed: int) -> Object:
    return {
        "replicas": replicas,
        "updatedReplicas": updated,
        "availableReplicas": available,
        "observedGeneration": observed,
    }


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (container({"waiting": {"reason": "ErrImagePull"}}), "ImagePullBackOff"),
        (container({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff"),
        (container({"terminated": {"reason": "Error"}}), "Error"),
        (container({"terminated": {"exitCode": 1}}), "Terminated"),
        (container({"terminated": {"reason": "OOMKilled"}}), "OOMKilled"),
        (
            container(
                {"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"reason": "OOMKilled"}},
            ),
            "OOMKilled",
        ),
        (container({"running": {}}, ready=False), "NotReady"),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
                ]
            },
            "Unschedulable",
        ),
        ({}, "Pending"),
    ],
)
def test_the_reason_of_a_pod_is_found(status: Object, reason: str) -> None:
    assert unhealthy_reason({"spec": {}, "status": status})[0] == reason


def test_pods_that_the_cluster_refuses_are_found() -> None:
    for given, reason in (({"reason": "FailedCreate"}, "FailedCreate"), ({}, "ReplicaFailure")):
        condition = {"type": "ReplicaFailure", "status": "True", **given}
        assert replica_failure({"status": {"conditions": [condition]}}).reason == reason


@pytest.mark.parametrize(
    ("status", "done"),
    [
        (counts(2, updated=2, available=2, observed=3), True),
        (counts(2, updated=2, available=2, observed=2), False),
        (counts(3, updated=2, available=2, observed=3), False),
        (counts(2, updated=2, available=1, observed=3), False),
        ({}, False),
    ],
)
def test_a_rollout_is_done_when_only_new_pods_are_left_and_available(
    status: Object, done: bool
) -> None:
    deployment = {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": status}
    assert is_rolled_out(deployment) is done
