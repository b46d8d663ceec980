"""What the operator plans for a request to join."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from operator_objects import LATER, NOW, Object, applied, device, request, truths

from flotta.operator.controllers.request.controller import plan_refusal, plan_request
from flotta.operator.runtime.steps import Create, Delete, Patch, Plan, RecordEvent
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST


def test_automatic_approval_sets_approved_and_says_so() -> None:
    status, spec, event = plan_request(request(), None, NOW, auto=True).steps
    assert isinstance(status, Patch)
    assert status.patch["status"]["decision"]["by"] == "AUTO_APPROVAL_PROCESS"
    assert isinstance(spec, Patch)
    assert (spec.kind, spec.patch) == (SIGNED_REQUEST, {"spec": {"approved": True}})
    assert isinstance(event, RecordEvent)


def test_request_without_a_spec_is_approved_for_the_api_to_refuse() -> None:
    bare = request()
    del bare["spec"]
    _, step, _ = plan_request(bare, None, NOW, auto=True).steps
    assert isinstance(step, Patch)
    assert step.patch == {"spec": {"approved": True}}


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


def test_approved_request_creates_the_device_in_its_set_with_its_labels() -> None:
    given = {"role": "till", "edgedeviceSignedRequest": "false", "flotta/member-of": "south"}
    asked = request(approved=True, targetSet="north", labels=given)
    (step,) = plan_request(asked, None, NOW, auto=False).steps
    assert isinstance(step, Create)
    assert step.obj["metadata"]["labels"] == {
        "role": "till",
        "edgedeviceSignedRequest": "true",
        "flotta/member-of": "north",
    }
    assert step.obj["metadata"]["annotations"] == {
        "management.project-flotta.io/self-asserted-labels": ""
    }
    assert step.obj["metadata"]["finalizers"] == ["device-finalizer"]
    assert step.obj["spec"] == {"requestTime": "2026-05-01T12:00:00Z"}


def test_the_device_notes_which_of_its_labels_it_brought_along() -> None:
    asked = request(approved=True, labels={"room": "12", "site": "north", "floor": "3"})
    noted = "management.project-flotta.io/brought-labels"
    # An administrator has changed the floor since.
    asked["metadata"]["annotations"] = {noted: "floor=2,room=12"}
    (step,) = plan_request(asked, None, NOW, auto=False).steps
    assert isinstance(step, Create)
    assert step.obj["metadata"]["annotations"][noted] == "room=12"


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
    assert first.requeue_after == 1800
    waiting = applied(waiting, Plan(first.steps))
    assert plan_request(waiting, None, NOW, auto=False, expiry=3600) == Plan(requeue_after=3600)
    report, deletion = plan_request(waiting, None, LATER, auto=False, expiry=3600).steps
    assert isinstance(report, RecordEvent)
    assert isinstance(deletion, Delete)
    waiting["metadata"]["annotations"] = {"management.project-flotta.io/declined": "true"}
    plan = plan_request(waiting, None, LATER, auto=False, expiry=3600)
    assert not any(isinstance(step, Delete) for step in plan.steps)


@pytest.mark.parametrize("word", ["True", "true"])
def test_request_whose_device_was_deleted_is_deleted_too(word: str) -> None:
    used = request(approved=True)
    used["status"] = {"conditions": [{"type": "approved", "status": word}]}
    (step,) = plan_request(used, None, NOW, auto=True).steps
    assert isinstance(step, Delete)
    assert step.target is used


def test_refused_creation_is_reported_once() -> None:
    approved = request(approved=True)
    plan = plan_refusal(approved, 'namespaces "shops" not found', NOW)
    written = applied(approved, plan)
    assert "shops" in written["status"]["conditions"][0]["message"]
    assert plan_refusal(written, 'namespaces "shops" not found', LATER).steps == ()
    assert isinstance(plan_request(written, None, LATER, auto=False).steps[0], Create)


def unused(**fields: Any) -> Object:
    """Return the EdgeDevice that the operator created, of which nothing was ever heard."""
    labels = {"edgedeviceSignedRequest": "true"}
    return device(**{"labels": labels, "spec": {"requestTime": "2026-05-01T12:00:00Z"}} | fields)


def test_an_approval_without_a_device_that_registers_ends() -> None:
    asked = request(approved=True)
    asked = applied(asked, plan_request(asked, unused(), NOW, auto=True, expiry=3600))
    assert plan_request(asked, unused(), NOW, auto=True, expiry=3600) == Plan(requeue_after=3600)
    deletion, report = plan_request(asked, unused(), LATER, auto=True, expiry=3600).steps
    assert isinstance(deletion, Delete)
    assert (deletion.kind, deletion.unchanged) == (EDGE_DEVICE, True)
    assert isinstance(report, RecordEvent)


@pytest.mark.parametrize(
    "kept",
    [
        {"spec": {}},  # made by hand
        {"labels": {"edgedeviceSignedRequest": "true", "role": "till"}},  # completed since
        {"generation": 2},
        {"labels": {}},  # registered
        {"lastSeenTime": "2026-05-01T12:30:00Z"},
        {"hardware": {"hostname": "till-1"}},
        {"deleted": "2026-05-01T12:59:00Z"},
    ],
)
def test_a_device_of_somebody_else_or_that_was_heard_does_not_expire(kept: Object) -> None:
    asked = request(approved=True)
    asked = applied(asked, plan_request(asked, unused(**kept), NOW, auto=True, expiry=3600))
    assert plan_request(asked, unused(**kept), LATER, auto=True, expiry=3600) == Plan()


def test_labels_that_follow_from_workloads_keep_no_device() -> None:
    asked = request(approved=True, labels={"role": "till"}, targetSet="north")
    labels = {
        "edgedeviceSignedRequest": "true",
        "role": "till",
        "flotta/member-of": "north",
        "workload/printer": "true",
    }
    asked = applied(asked, plan_request(asked, unused(labels=labels), NOW, auto=True, expiry=3600))
    plan = plan_request(asked, unused(labels=labels), LATER, auto=True, expiry=3600)
    assert isinstance(plan.steps[0], Delete)


def test_what_an_earlier_release_approved_does_not_expire() -> None:
    asked = request(approved=True)
    since = {"type": "approved", "status": "True", "lastTransitionTime": "2026-04-01T12:00:00Z"}
    asked["status"] = {"conditions": [since]}
    asked = applied(asked, plan_request(asked, unused(), NOW, auto=True, expiry=3600))
    assert "decision" not in asked["status"]
    assert plan_request(asked, unused(), LATER, auto=True, expiry=3600) == Plan()


def test_without_an_expiry_an_approval_waits_forever() -> None:
    asked = request(approved=True)
    asked = applied(asked, plan_request(asked, unused(), NOW, auto=True))
    assert plan_request(asked, unused(), LATER, auto=True) == Plan()
