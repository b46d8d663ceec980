"""What the operator plans for a device in the fleet: membership, finalizer and bucket claim."""

from __future__ import annotations

import pytest
from operator_objects import (
    LATER,
    NOW,
    SETTINGS,
    Object,
    applied,
    claim,
    device,
    s3,
    truths,
    workload,
)

from flotta.operator.controllers.device import membership
from flotta.operator.controllers.device.bucket_claims import (
    PROVISIONER_TIMEOUT,
    bound_claim_name,
    wants_claim,
)
from flotta.operator.controllers.device.plan import plan_device
from flotta.operator.runtime.steps import Create, Patch, Plan
from flotta.operator.settings import Settings
from flotta.resources.conditions import find_condition


def test_new_workloads_are_added_and_existing_entries_left_alone() -> None:
    current = [{"name": "b", "phase": "Running", "lastDataUpload": "x"}, {"name": "stale"}]
    assert membership.update_statuses(current, ["a", "b"]) == [
        {"name": "b", "phase": "Running", "lastDataUpload": "x"},
        {"name": "a", "phase": "Deploying"},
    ]
    assert membership.update_statuses([{"name": "b"}, {"name": "a"}], ["a", "b"]) is None


def test_labels_follow_membership_and_only_those() -> None:
    current = {"role": "till", "workload/stale": "true", "workload/kept": "true"}
    assert membership.change_labels(current, ["kept", "new"]) == {
        "workload/new": "true",
        "workload/stale": None,
    }
    assert membership.change_labels({"workload/kept": "true"}, ["kept"]) == {}


def test_name_that_is_not_a_label_gets_an_entry_but_no_label() -> None:
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
    assert plan.requeue_after
    written = device(workloads=step.patch["status"]["workloads"])
    (step,) = plan_device(written, [everywhere], None, None, SETTINGS, NOW).steps
    assert isinstance(step, Patch)
    assert step.patch == {"metadata": {"labels": {"workload/printer": "true"}}}
    first, second = plan_device(
        device(finalizers=[]), [everywhere], None, None, SETTINGS, NOW
    ).steps
    assert isinstance(first, Patch)
    assert isinstance(second, Patch)
    assert first.patch["metadata"]["finalizers"] == ["device-finalizer"]
    assert second.subresource == "status"


def test_device_that_is_up_to_date_needs_no_step() -> None:
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
def test_claim_is_created_unless_external_storage_is_in_force(
    own: Object, of_set: Object | None, auto: bool, expected: bool
) -> None:
    device_set = None if of_set is None else {"spec": of_set}
    assert wants_claim(device(spec=own), device_set, auto_create=auto) is expected


def test_no_claim_before_registration() -> None:
    new = device(labels={"edgedeviceSignedRequest": "true"}, spec=s3(createOBC=True))
    assert not wants_claim(new, None, auto_create=True)


def test_claim_is_created_once_and_recorded_when_bound() -> None:
    settings = Settings(bucket_auto_create=True, bucket_storage_class="fast")
    (step,) = plan_device(device(), [], None, None, settings, NOW).steps
    assert isinstance(step, Create)
    assert step.obj["spec"] == {"generateBucketName": "till-1", "storageClassName": "fast"}
    assert step.obj["metadata"]["ownerReferences"][0]["uid"] == "uid-till-1"
    (step,) = plan_device(device(), [], None, claim("Bound"), settings, NOW).steps
    assert isinstance(step, Patch)
    assert step.patch["status"]["dataObc"] == "till-1"


CLAIMS = Settings(bucket_auto_create=True, bucket_storage_class="fast")


def test_claim_that_is_bound_in_time_takes_one_write() -> None:
    plan = plan_device(device(), [], None, claim("Pending"), CLAIMS, NOW)
    assert plan == Plan(requeue_after=PROVISIONER_TIMEOUT)
    plan = plan_device(device(), [], None, claim("Bound"), CLAIMS, NOW)
    ready = applied(device(), plan)
    assert truths(ready) == {"Accepted": "True", "StorageReady": "True"}
    assert plan_device(ready, [], None, claim("Bound"), CLAIMS, LATER) == Plan()


def test_claim_that_no_provisioner_handles_is_reported() -> None:
    plan = plan_device(device(), [], None, claim(), CLAIMS, LATER)
    written = applied(device(), plan)
    condition = find_condition(written["status"]["conditions"], "StorageReady") or {}
    assert (condition["status"], condition["reason"]) == ("False", "ClaimPending")
    assert condition["message"].endswith("its storage class is flotta.project-flotta.io/embedded")
    assert plan.requeue_after is None


def test_failure_of_the_provisioner_is_reported_at_once() -> None:
    problem = {"type": "Ready", "status": "False", "reason": "ProvisioningFailed", "message": "no"}
    failing = claim() | {"status": {"conditions": [problem]}}
    written = applied(device(), plan_device(device(), [], None, failing, CLAIMS, NOW))
    condition = find_condition(written["status"]["conditions"], "StorageReady") or {}
    assert (condition["reason"], condition["message"]) == (
        "ProvisioningFailed",
        "ObjectBucketClaim till-1: no",
    )


def test_device_that_changes_to_external_storage_no_longer_reports_its_claim() -> None:
    written = applied(device(), plan_device(device(), [], None, claim(), CLAIMS, LATER))
    written["spec"] = s3(configMapName="c", secretName="s")
    after = applied(written, plan_device(written, [], None, claim(), CLAIMS, LATER))
    assert truths(after) == {"Accepted": "True"}


def test_record_of_the_claim_lasts_until_the_claim_is_deleted() -> None:
    recorded = device(dataObc="till-1")
    assert bound_claim_name(recorded, claim("Pending")) == "till-1"
    assert bound_claim_name(recorded, None) is None
    assert bound_claim_name(recorded, claim("Bound", deletionTimestamp="x")) is None
