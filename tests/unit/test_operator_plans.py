"""What the operator plans for a state of the world: input objects in, steps out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flotta.operator import membership
from flotta.operator.claims import bound_claim, bucket_claim, claim_wanted
from flotta.operator.decommission import plan_decommission
from flotta.operator.devices import plan_device
from flotta.operator.figures import plan_set, plan_workload
from flotta.operator.requests import plan_request, refused_plan
from flotta.operator.settings import Settings
from flotta.operator.steps import Create, Delete, Patch, Plan, Report
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, SIGNED_REQUEST

Object = dict[str, Any]
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SETTINGS = Settings(bucket_auto_create=False)
VALID = {
    "type": "Accepted",
    "status": "True",
    "reason": "Valid",
    "message": "The device's own settings are in force",
    "lastTransitionTime": "2026-05-01T12:00:00Z",
    "observedGeneration": 0,
}


def device(name: str = "till-1", **fields: Any) -> Object:
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "resourceVersion": "5",
        "labels": fields.pop("labels", {}),
        "finalizers": fields.pop("finalizers", ["device-finalizer"]),
    }
    fields.setdefault("conditions", [VALID])
    if "deleted" in fields:
        metadata["deletionTimestamp"] = fields.pop("deleted")
    return {"metadata": metadata, "spec": fields.pop("spec", {}), "status": fields}


def workload(name: str = "printer", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": "7"}
    return {"metadata": metadata | {"generation": 2}, "spec": spec}


def request(**spec: Any) -> Object:
    metadata = {"name": "till-1", "namespace": "default", "uid": "r", "resourceVersion": "3"}
    return {"metadata": metadata, "spec": {"targetNamespace": "default", **spec}}


def claim(phase: str | None = None, **metadata: Any) -> Object:
    made = bucket_claim(device(), SETTINGS)
    made["metadata"].update(metadata, uid="claim", resourceVersion="1")
    return made | ({"status": {"phase": phase}} if phase else {})


def applied(resource: Object, plan: Plan) -> Object:
    """Return the object after the plan's only step, a patch of its status."""
    (step,) = plan.steps
    assert isinstance(step, Patch)
    assert step.subresource == "status"
    return resource | {"status": (resource.get("status") or {}) | step.patch["status"]}


def truths(resource: Object) -> dict[str, str]:
    return {item["type"]: item["status"] for item in resource["status"]["conditions"]}


# Signed requests


def test_automatic_approval_only_sets_approved() -> None:
    (step,) = plan_request(request(), None, NOW, auto=True).steps
    assert isinstance(step, Patch)
    assert (step.kind, step.patch) == (SIGNED_REQUEST, {"spec": {"approved": True}})


def test_waiting_request_is_pending_and_stays_as_it_is() -> None:
    waiting = applied(request(), plan_request(request(), None, NOW, auto=False))
    assert truths(waiting) == {"pending": "True", "approved": "False", "declined": "False"}
    assert waiting["status"]["phase"] == "pending"
    assert plan_request(waiting, None, LATER, auto=False) == Plan()


def test_declined_request_stays_declined_even_with_automatic_approval() -> None:
    declined = request()
    declined["metadata"]["annotations"] = {"management.project-flotta.io/declined": "true"}
    declined = applied(declined, plan_request(declined, None, NOW, auto=True))
    assert truths(declined)["declined"] == "True"
    assert plan_request(declined, None, LATER, auto=True) == Plan()


def test_approved_request_makes_the_device_of_its_set() -> None:
    plan = plan_request(request(approved=True, targetSet="north"), None, NOW, auto=False)
    (step,) = plan.steps
    assert isinstance(step, Create)
    assert step.obj["metadata"]["labels"] == {
        "edgedeviceSignedRequest": "true",
        "flotta/member-of": "north",
    }
    assert step.obj["metadata"]["finalizers"] == ["device-finalizer"]
    assert step.obj["spec"] == {"requestTime": "2026-05-01T12:00:00Z"}


def test_conditions_do_not_grow_and_keep_their_times() -> None:
    waiting = applied(request(), plan_request(request(), None, NOW, auto=False))
    waiting["spec"]["approved"] = True
    approved = applied(waiting, plan_request(waiting, device(), LATER, auto=False))
    assert truths(approved) == {"pending": "False", "approved": "True", "declined": "False"}
    times = {c["type"]: c["lastTransitionTime"] for c in approved["status"]["conditions"]}
    assert times["declined"] == "2026-05-01T12:00:00Z"
    assert times["approved"] == "2026-05-01T13:00:00Z"
    assert plan_request(approved, device(), LATER + timedelta(1), auto=False) == Plan()


def test_waiting_request_expires_and_a_declined_one_stays() -> None:
    waiting = request()
    waiting["metadata"]["creationTimestamp"] = "2026-05-01T11:30:00Z"
    first = plan_request(waiting, None, NOW, auto=False, expiry=3600)
    assert first.again == 1800
    waiting = applied(waiting, Plan(first.steps))
    assert plan_request(waiting, None, NOW, auto=False, expiry=3600) == Plan(again=3600)
    report, deletion = plan_request(waiting, None, LATER, auto=False, expiry=3600).steps
    assert isinstance(report, Report)
    assert isinstance(deletion, Delete)
    waiting["metadata"]["annotations"] = {"management.project-flotta.io/declined": "true"}
    plan = plan_request(waiting, None, LATER, auto=False, expiry=3600)
    assert not any(isinstance(step, Delete) for step in plan.steps)


@pytest.mark.parametrize("word", ["True", "true"])
def test_request_whose_device_is_gone_goes_instead_of_bringing_it_back(word: str) -> None:
    used = request(approved=True)
    used["status"] = {"conditions": [{"type": "approved", "status": word}]}
    (step,) = plan_request(used, None, NOW, auto=True).steps
    assert isinstance(step, Delete)
    assert step.target is used


def test_refused_creation_is_told_and_tried_again() -> None:
    approved = request(approved=True)
    plan = refused_plan(approved, 'namespaces "shops" not found', NOW)
    told = applied(approved, plan)
    assert plan.again
    assert "shops" in told["status"]["conditions"][0]["message"]
    assert refused_plan(told, 'namespaces "shops" not found', LATER).steps == ()
    assert isinstance(plan_request(told, None, LATER, auto=False).steps[0], Create)


# Membership


def test_new_workloads_are_added_and_existing_entries_left_alone() -> None:
    current = [{"name": "b", "phase": "Running", "lastDataUpload": "x"}, {"name": "stale"}]
    assert membership.entries(current, ["a", "b"]) == [
        {"name": "b", "phase": "Running", "lastDataUpload": "x"},
        {"name": "a", "phase": "Deploying"},
    ]
    assert membership.entries([{"name": "b"}, {"name": "a"}], ["a", "b"]) is None


def test_labels_follow_membership_and_only_those() -> None:
    current = {"role": "till", "workload/stale": "true", "workload/kept": "true"}
    assert membership.labels(current, ["kept", "new"]) == {
        "workload/new": "true",
        "workload/stale": None,
    }
    assert membership.labels({"workload/kept": "true"}, ["kept"]) == {}


def test_name_that_is_no_label_gets_an_entry_but_no_label() -> None:
    long = "w" * 64
    plan = plan_device(device(), [workload(long, deviceSelector={})], None, None, SETTINGS, NOW)
    (step,) = plan.steps
    assert isinstance(step, Patch)
    assert step.patch == {"status": {"workloads": [{"name": long, "phase": "Deploying"}]}}


def test_status_comes_before_labels_and_the_finalizer_before_both() -> None:
    everywhere = workload(deviceSelector={})
    plan = plan_device(device(), [everywhere], None, None, SETTINGS, NOW)
    (step,) = plan.steps
    assert isinstance(step, Patch)
    assert step.patch == {"status": {"workloads": [{"name": "printer", "phase": "Deploying"}]}}
    assert plan.again
    told = device(workloads=step.patch["status"]["workloads"])
    (step,) = plan_device(told, [everywhere], None, None, SETTINGS, NOW).steps
    assert isinstance(step, Patch)
    assert step.patch == {"metadata": {"labels": {"workload/printer": "true"}}}
    first, second = plan_device(
        device(finalizers=[]), [everywhere], None, None, SETTINGS, NOW
    ).steps
    assert isinstance(first, Patch)
    assert isinstance(second, Patch)
    assert first.patch["metadata"]["finalizers"] == ["device-finalizer"]
    assert second.subresource == "status"


def test_device_in_line_needs_no_step() -> None:
    settled = device(
        labels={"workload/printer": "true"}, workloads=[{"name": "printer", "phase": "Running"}]
    )
    assert plan_device(settled, [workload(deviceSelector={})], None, None, SETTINGS, NOW) == Plan()


def test_missing_finalizer_is_added_and_legacy_ones_dropped() -> None:
    old = device(finalizers=["yggdrasil-connection-finalizer", "a/b"])
    (step,) = plan_device(old, [], None, None, SETTINGS, NOW).steps
    assert isinstance(step, Patch)
    assert step.patch == {"metadata": {"finalizers": ["a/b", "device-finalizer"]}}


def test_device_says_whose_settings_are_in_force() -> None:
    lost = device(labels={"flotta/member-of": "north"}, conditions=[{"type": "Ready"}])
    (step,) = plan_device(lost, [], None, None, SETTINGS, LATER).steps
    assert isinstance(step, Patch)
    ready, accepted = step.patch["status"]["conditions"]
    assert ready == {"type": "Ready"}
    assert (accepted["status"], accepted["reason"]) == ("False", "SetMissing")
    found = device(labels={"flotta/member-of": "north"}, conditions=[accepted])
    (step,) = plan_device(found, [], {"spec": {}}, None, SETTINGS, LATER).steps
    assert isinstance(step, Patch)
    (accepted,) = step.patch["status"]["conditions"]
    assert (accepted["status"], accepted["reason"]) == ("True", "InSet")
    found["status"]["conditions"] = [accepted]
    assert plan_device(found, [], {"spec": {}}, None, SETTINGS, LATER) == Plan()


# Bucket claims


def s3(**fields: Any) -> Object:
    return {"storage": {"s3": fields}}


@pytest.mark.parametrize(
    ("own", "of_set", "auto", "expected"),
    [
        ({}, None, False, False),
        ({}, None, True, True),
        (s3(createOBC=True), None, False, True),
        (s3(secretName="s"), None, True, False),
        (s3(configMapName="c", createOBC=True), None, True, False),
        ({}, s3(createOBC=True), False, True),
        ({}, s3(secretName="s"), True, False),
        (s3(secretName="s"), {}, True, True),
    ],
)
def test_claim_is_wanted_unless_external_storage_is_in_force(
    own: Object, of_set: Object | None, auto: bool, expected: bool
) -> None:
    device_set = None if of_set is None else {"spec": of_set}
    assert claim_wanted(device(spec=own), device_set, auto_create=auto) is expected


def test_no_claim_before_registration() -> None:
    new = device(labels={"edgedeviceSignedRequest": "true"}, spec=s3(createOBC=True))
    assert not claim_wanted(new, None, auto_create=True)


def test_claim_is_created_once_and_recorded_when_bound() -> None:
    settings = Settings(bucket_auto_create=True, bucket_storage_class="fast")
    (step,) = plan_device(device(), [], None, None, settings, NOW).steps
    assert isinstance(step, Create)
    assert step.obj["spec"] == {"generateBucketName": "till-1", "storageClassName": "fast"}
    assert step.obj["metadata"]["ownerReferences"][0]["uid"] == "uid-till-1"
    assert plan_device(device(), [], None, claim("Pending"), settings, NOW) == Plan()
    (step,) = plan_device(device(), [], None, claim("Bound"), settings, NOW).steps
    assert isinstance(step, Patch)
    assert step.patch == {"status": {"dataObc": "till-1"}}


def test_record_of_the_claim_lasts_until_the_claim_goes() -> None:
    recorded = device(dataObc="till-1")
    assert bound_claim(recorded, claim("Pending")) == "till-1"
    assert bound_claim(recorded, None) is None
    assert bound_claim(recorded, claim("Bound", deletionTimestamp="x")) is None


# Decommission


def leaving(**fields: Any) -> Object:
    return device(deleted="2026-05-01T12:00:00Z", **fields)


DISCONNECTED = [{"type": "Disconnected", "status": "True"}]


def test_device_has_the_timeout_to_acknowledge() -> None:
    assert plan_decommission(leaving(), None, None, NOW + timedelta(seconds=60), 300) == Plan(
        again=240.0
    )


def test_claim_goes_before_request_and_finalizer() -> None:
    gone = leaving(conditions=DISCONNECTED)
    plan = plan_decommission(gone, claim("Bound"), request(), NOW, 300)
    (step,) = plan.steps
    assert isinstance(step, Delete)
    assert step.kind is BUCKET_CLAIM
    assert plan.again
    doomed = claim("Bound", deletionTimestamp="x")
    assert plan_decommission(gone, doomed, request(), NOW, 300).steps == ()
    first, second = plan_decommission(gone, None, request(), NOW, 300).steps
    assert isinstance(first, Delete)
    assert first.kind is SIGNED_REQUEST
    assert isinstance(second, Patch)
    assert (second.kind, second.patch) == (EDGE_DEVICE, {"metadata": {"finalizers": []}})


def test_timeout_is_told_in_an_event() -> None:
    steps = plan_decommission(leaving(), None, None, LATER, 300).steps
    assert isinstance(steps[0], Report)
    assert steps[0].reason == "DecommissionTimeout"
    assert isinstance(steps[-1], Patch)


def test_device_that_never_registered_is_not_waited_for() -> None:
    new = leaving(labels={"edgedeviceSignedRequest": "true"})
    (step,) = plan_decommission(new, None, None, NOW, 300).steps
    assert isinstance(step, Patch)


def test_foreign_claim_request_and_finalizer_stay() -> None:
    gone = leaving(conditions=DISCONNECTED, finalizers=["a/b", "device-finalizer"])
    foreign = claim("Bound", ownerReferences=[{"uid": "somebody"}])
    elsewhere = request(targetNamespace="shops")
    (step,) = plan_decommission(gone, foreign, elsewhere, NOW, 300).steps
    assert isinstance(step, Patch)
    assert step.patch == {"metadata": {"finalizers": ["a/b"]}}
    assert plan_decommission(leaving(finalizers=["a/b"]), None, None, LATER, 0) == Plan()


# Figures


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
