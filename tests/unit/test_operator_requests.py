"""What the operator plans for a request to join."""

from __future__ import annotations

from datetime import timedelta

import pytest
from operator_objects import LATER, NOW, applied, device, request, truths

from flotta.operator.controllers.request import plan_refusal, plan_request
from flotta.operator.runtime.steps import Create, Delete, Patch, Plan, RecordEvent
from flotta.resources.kinds import SIGNED_REQUEST


def test_automatic_approval_only_sets_approved() -> None:
    (step,) = plan_request(request(), None, NOW, auto=True).steps
    assert isinstance(step, Patch)
    assert (step.kind, step.patch) == (SIGNED_REQUEST, {"spec": {"approved": True}})


def test_request_without_a_spec_is_approved_for_the_api_to_refuse() -> None:
    bare = request()
    del bare["spec"]
    (step,) = plan_request(bare, None, NOW, auto=True).steps
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


def test_approved_request_creates_the_device_in_its_set() -> None:
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
