"""What the operator plans for a device that is being deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from operator_objects import LATER, NOW, Object, claim, device, request

from flotta.operator.controllers.device.decommission import plan_decommission
from flotta.operator.runtime.steps import Delete, Patch, Plan, RecordEvent
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, SIGNED_REQUEST


def leaving(**fields: Any) -> Object:
    return device(deleted="2026-05-01T12:00:00Z", **HEARD | fields)


HEARD = {"lastSeenTime": "2026-04-01T12:00:00Z"}
DISCONNECTED = [{"type": "Disconnected", "status": "True"}]


def test_device_has_the_timeout_to_acknowledge() -> None:
    assert plan_decommission(leaving(), None, None, NOW + timedelta(seconds=60), 300) == Plan(
        requeue_after=240.0
    )


def test_claim_is_deleted_before_request_and_finalizer() -> None:
    gone = leaving(conditions=DISCONNECTED)
    plan = plan_decommission(gone, claim("Bound"), request(), NOW, 300)
    (step,) = plan.steps
    assert isinstance(step, Delete)
    assert step.kind is BUCKET_CLAIM
    assert plan.requeue_after
    doomed = claim("Bound", deletionTimestamp="2026-05-01T12:00:00Z")
    assert plan_decommission(gone, doomed, request(), NOW, 300).steps == ()
    first, second = plan_decommission(gone, None, request(), NOW, 300).steps
    assert isinstance(first, Delete)
    assert first.kind is SIGNED_REQUEST
    assert isinstance(second, Patch)
    assert (second.kind, second.patch) == (EDGE_DEVICE, {"metadata": {"finalizers": []}})


def test_timeout_is_reported_in_an_event() -> None:
    steps = plan_decommission(leaving(), None, None, LATER, 300).steps
    assert isinstance(steps[0], RecordEvent)
    assert steps[0].reason == "DecommissionTimeout"
    assert isinstance(steps[-1], Patch)


def test_device_that_never_registered_is_not_waited_for() -> None:
    new = leaving(labels={"edgedeviceSignedRequest": "true"})
    (step,) = plan_decommission(new, None, None, NOW, 300).steps
    assert isinstance(step, Patch)


def test_device_that_only_a_user_created_is_not_waited_for() -> None:
    by_hand = leaving(lastSeenTime=None, workloads=[{"name": "printer"}])
    (step,) = plan_decommission(by_hand, None, None, NOW, 300).steps
    assert isinstance(step, Patch)


def test_device_that_was_ever_online_is_waited_for_though_it_is_offline() -> None:
    silent = leaving(lastSeenTime=None)
    assert plan_decommission(silent, None, request(approved=True), NOW, 300).requeue_after == 300
    described = leaving(lastSeenTime=None, hardware={"hostname": "till-1"})
    assert plan_decommission(described, None, None, NOW, 300).requeue_after == 300
    silent["metadata"]["annotations"] = {"management.project-flotta.io/key-fingerprint": "ab"}
    assert plan_decommission(silent, None, None, NOW, 300).requeue_after == 300


def test_claim_request_and_finalizer_of_others_stay() -> None:
    gone = leaving(conditions=DISCONNECTED, finalizers=["a/b", "device-finalizer"])
    foreign = claim("Bound", ownerReferences=[{"uid": "somebody"}])
    elsewhere = request(targetNamespace="shops")
    (step,) = plan_decommission(gone, foreign, elsewhere, NOW, 300).steps
    assert isinstance(step, Patch)
    assert step.patch == {"metadata": {"finalizers": ["a/b"]}}
    assert plan_decommission(leaving(finalizers=["a/b"]), None, None, LATER, 0) == Plan()


def test_declined_request_stays_when_its_device_is_deleted() -> None:
    gone, declined = leaving(conditions=DISCONNECTED), request(approved=False)
    declined["metadata"]["annotations"] = {"management.project-flotta.io/declined": "true"}
    (step,) = plan_decommission(gone, None, declined, NOW, 300).steps
    assert isinstance(step, Patch)


def test_claim_that_remains_is_checked_seldom_and_reported_after_minutes() -> None:
    gone = leaving(conditions=DISCONNECTED)
    doomed = claim("Bound", deletionTimestamp="2026-05-01T12:00:00Z")
    for seconds, reported in ((10, False), (200, True), (300, False)):
        plan = plan_decommission(gone, doomed, None, NOW + timedelta(seconds=seconds), 300)
        assert [isinstance(step, RecordEvent) for step in plan.steps] == [True] * reported
        assert plan.requeue_after
        assert 45 <= plan.requeue_after <= 60
