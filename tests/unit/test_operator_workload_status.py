"""What the operator reports about workloads and sets."""

from __future__ import annotations

from operator_objects import LATER, NOW, Object, applied, device, s3, truths, workload

from flotta.operator.controllers.device_set import plan_set
from flotta.operator.controllers.workload import concerned_by_device, plan_workload
from flotta.operator.runtime.steps import Patch, Plan
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.conditions import find_condition
from flotta.resources.kinds import EDGE_WORKLOAD


def test_workload_counts_what_its_devices_report() -> None:
    fleet = [
        device("a", workloads=[{"name": "printer", "phase": "Running"}]),
        device("b", workloads=[{"name": "printer", "phase": "Error"}]),
        device("c", workloads=[{"name": "printer", "phase": "Created", "reason": "ImagePull"}]),
        device("d", workloads=[{"name": "printer", "phase": "Deploying"}]),
        device("e", deleted="2026-05-01T12:00:00Z"),
    ]
    everywhere = workload(deviceSelector={})
    written = applied(everywhere, plan_workload(everywhere, fleet, NOW))
    counts = {key: written["status"][key] for key in ("matched", "running", "failed")}
    assert counts == {"matched": 4, "running": 1, "failed": 2}
    assert written["status"]["observedGeneration"] == 2
    assert truths(written) == {"Accepted": "True", "Ready": "False"}
    assert plan_workload(written, fleet, LATER) == Plan()


def test_workload_says_why_its_selector_is_unusable() -> None:
    broken = workload(deviceSelector={"matchExpressions": [{"key": "a", "operator": "Near"}]})
    written = applied(broken, plan_workload(broken, [device()], NOW))
    assert truths(written)["Accepted"] == "False"
    assert "operator" in written["status"]["conditions"][0]["message"]


def test_conditions_of_others_stay() -> None:
    watched = workload(device="nobody")
    watched["status"] = {"conditions": [{"type": "Configured", "status": "False"}]}
    written = applied(watched, plan_workload(watched, [], NOW))
    assert truths(written)["Configured"] == "False"


def test_condition_without_a_type_stays_too() -> None:
    odd = workload(deviceSelector={})
    odd["status"] = {"conditions": [{"status": "True"}]}
    written = applied(odd, plan_workload(odd, [], NOW))
    assert written["status"]["conditions"][0] == {"status": "True"}


def test_deleted_workload_only_loses_legacy_finalizers() -> None:
    going = workload(deviceSelector={})
    legacy = ["yggdrasil-device-reference-finalizer", "a/b"]
    going["metadata"] |= {"deletionTimestamp": "x", "finalizers": legacy}
    (step,) = plan_workload(going, [], NOW).steps
    assert isinstance(step, Patch)
    assert step.patch == {"metadata": {"finalizers": ["a/b"]}}


def test_set_reports_members_and_contradictions() -> None:
    north = workload("north") | {"spec": s3(createOBC=True, secretName="s")}
    members = [device("a", conditions=[{"type": "Ready", "status": "True"}]), device("b")]
    written = applied(north, plan_set(north, members, NOW))
    assert (written["status"]["members"], written["status"]["ready"]) == (2, 1)
    assert truths(written) == {"Accepted": "False"}
    assert plan_set(written, members, LATER) == Plan()


def printing(name: str, ready: str = "True", **entry: str) -> Object:
    report = {"name": "printer", "phase": "Running", **entry}
    return device(name, workloads=[report], conditions=[{"type": "Ready", "status": ready}])


def ready_of(fleet: list[Object]) -> Object:
    everywhere = workload(deviceSelector={})
    written = applied(everywhere, plan_workload(everywhere, fleet, NOW))
    ready = find_condition(written["status"]["conditions"], "Ready") or {}
    return {**ready, "running": written["status"]["running"]}


def test_offline_device_runs_nothing() -> None:
    ready = ready_of([printing("a"), printing("b", "Unknown"), printing("c", "False")])
    assert (ready["status"], ready["reason"], ready["running"]) == ("Unknown", "DevicesSilent", 2)
    assert ready["message"] == "Running on 2 of 3 devices; 1 offline"
    assert ready_of([printing("a", "Unknown")])["status"] == "Unknown"


def test_first_failing_device_is_named_with_reason_and_message() -> None:
    why = {"phase": "Error", "reason": "ImagePullFailed", "message": "no such image."}
    fleet = [printing("c", **why), printing("b", **why), printing("a"), printing("d", "Unknown")]
    assert ready_of(fleet)["message"] == (
        "Failed on 2 of 4 devices; 1 offline; b: ImagePullFailed: no such image"
    )


def test_change_of_what_is_reported_concerns_the_workloads_of_the_device() -> None:
    workloads = Cache(Client.__new__(Client), EDGE_WORKLOAD)
    well, silent = printing("a"), printing("a", "Unknown")
    assert concerned_by_device(workloads, well, silent) == {("default", "printer")}
    assert concerned_by_device(workloads, well, printing("a")) == set()
    assert concerned_by_device(workloads, well, printing("a", message="x")) == {
        ("default", "printer")
    }
