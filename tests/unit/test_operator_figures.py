"""What the operator says about workloads and sets."""

from __future__ import annotations

from operator_objects import LATER, NOW, applied, device, s3, truths, workload

from flotta.operator.figures import plan_set, plan_workload
from flotta.operator.steps import Patch, Plan


def test_workload_counts_what_its_devices_report() -> None:
    fleet = [
        device("a", workloads=[{"name": "printer", "phase": "Running"}]),
        device("b", workloads=[{"name": "printer", "phase": "Exited"}]),
        device("c", workloads=[{"name": "printer", "phase": "Created", "reason": "ImagePull"}]),
        device("d", workloads=[{"name": "printer", "phase": "Deploying"}]),
        device("e", deleted="2026-05-01T12:00:00Z"),
    ]
    everywhere = workload(deviceSelector={})
    told = applied(everywhere, plan_workload(everywhere, fleet, NOW))
    counts = {key: told["status"][key] for key in ("matched", "running", "failed")}
    assert counts == {"matched": 4, "running": 1, "failed": 2}
    assert told["status"]["observedGeneration"] == 2
    assert truths(told) == {"Accepted": "True", "Ready": "False"}
    assert plan_workload(told, fleet, LATER) == Plan()


def test_workload_says_why_its_selector_is_unusable() -> None:
    broken = workload(deviceSelector={"matchExpressions": [{"key": "a", "operator": "Near"}]})
    told = applied(broken, plan_workload(broken, [device()], NOW))
    assert truths(told)["Accepted"] == "False"
    assert "operator" in told["status"]["conditions"][0]["message"]


def test_foreign_conditions_stay() -> None:
    watched = workload(device="nobody")
    watched["status"] = {"conditions": [{"type": "Configured", "status": "False"}]}
    told = applied(watched, plan_workload(watched, [], NOW))
    assert truths(told)["Configured"] == "False"


def test_deleted_workload_only_loses_legacy_finalizers() -> None:
    going = workload(deviceSelector={})
    legacy = ["yggdrasil-device-reference-finalizer", "a/b"]
    going["metadata"] |= {"deletionTimestamp": "x", "finalizers": legacy}
    (step,) = plan_workload(going, [], NOW).steps
    assert isinstance(step, Patch)
    assert step.patch == {"metadata": {"finalizers": ["a/b"]}}


def test_set_tells_members_and_contradictions() -> None:
    north = workload("north") | {"spec": s3(createOBC=True, secretName="s")}
    members = [device("a", conditions=[{"type": "Ready", "status": "True"}]), device("b")]
    told = applied(north, plan_set(north, members, NOW))
    assert (told["status"]["members"], told["status"]["ready"]) == (2, 1)
    assert truths(told) == {"Accepted": "False"}
    assert plan_set(told, members, LATER) == Plan()
