"""Rows of `flotta status` and sentences of `flotta explain`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flotta.fleet import status as fleet_status
from flotta.fleet.explanation import explain_device, explain_workload
from flotta.fleet.joining import DECLINED_ANNOTATION
from flotta.fleet.request_explanation import explain_request
from flotta.operator.controllers.request.controller import plan_refusal
from flotta.operator.runtime.steps import Patch

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def device(
    name: str = "till-1", labels: dict[str, str] | None = None, **status: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
        "status": status,
    }


def ready(status: str, message: str = "") -> list[dict[str, str]]:
    return [{"type": "Ready", "status": status, "message": message}]


def workload(name: str = "w1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"type": "pod", **spec}}


def request(**more: Any) -> dict[str, Any]:
    metadata = {"name": "till-9", "namespace": "default", **more.pop("metadata", {})}
    return {"metadata": metadata, "spec": {"targetNamespace": "default"}, **more}


NO_STORAGE = {
    "type": "StorageReady",
    "status": "False",
    "reason": "R",
    "message": "the key is refused",
}
MISCONFIGURED = {
    "type": "Configured",
    "status": "False",
    "reason": "Misconfiguration",
    "message": "Secret bucket does not exist",
}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (device(conditions=ready("True"), phase="up"), "ready"),
        (device(conditions=ready("True"), phase="degraded"), "degraded"),
        (device(conditions=[*ready("True"), NO_STORAGE]), "without storage"),
        (device(conditions=[*ready("Unknown"), NO_STORAGE]), "offline"),
        (device(conditions=[*ready("True"), MISCONFIGURED]), "misconfigured"),
        (device(conditions=[*ready("True"), MISCONFIGURED, NO_STORAGE]), "without storage"),
        (device(conditions=[*ready("True"), {**MISCONFIGURED, "status": "True"}]), "ready"),
        (device(conditions=ready("False")), "not ready"),
        (device(conditions=ready("Unknown")), "offline"),
        (device(), "unknown"),
        (device(labels={"edgedeviceSignedRequest": "true"}), "joining"),
        ({"metadata": {"name": "x", "deletionTimestamp": "t"}}, "leaving"),
    ],
)
def test_the_state_of_a_device(given: dict[str, Any], word: str) -> None:
    assert fleet_status.device_state(given) == word


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("", "never"),
        ("2026-11-21T11:59:30Z", "30 s ago"),
        ("2026-11-21T12:00:05Z", "0 s ago"),
        ("2026-11-21T11:50:00Z", "10 min ago"),
        ("2026-11-21T02:00:00Z", "10 h ago"),
        ("2026-11-01T12:00:00Z", "20 d ago"),
    ],
)
def test_times_are_shown_as_ages(time: str, text: str) -> None:
    assert fleet_status.describe_age(time, NOW) == text


def test_a_row_shows_the_users_labels_and_adds_up_files() -> None:
    labels = {
        "role": "till",
        "device.hostname": "x",
        "workload/w1": "true",
        "flotta/member-of": "n",
    }
    entries = [{"name": "w1", "phase": "Running", "filesUp": 2}, {"name": "w2", "filesUp": 3}]
    (row,) = fleet_status.device_rows([device(labels=labels, workloads=entries)], [])
    assert (row.labels, row.set, row.files_up, row.files_down) == ({"role": "till"}, "n", 5, 0)


def test_a_request_has_a_row_until_its_device_exists() -> None:
    assert [row.state for row in fleet_status.device_rows([], [request()])] == [
        "waiting for approval"
    ]
    assert [row.state for row in fleet_status.device_rows([device("till-9")], [request()])] == [
        "unknown"
    ]


def test_a_request_is_explained_by_what_to_do_next() -> None:
    declined = {"annotations": {DECLINED_ANNOTATION: "true"}}
    assert "flotta approve till-9" in explain_request(request())[0]
    assert "was declined" in explain_request(request(metadata=declined))[0]


def test_a_request_that_waits_shows_the_code_of_its_key() -> None:
    key = {"management.project-flotta.io/key-fingerprint": "0123456789abcdef" * 4}
    waiting = request(metadata={"annotations": key})
    (row,) = fleet_status.device_rows([], [waiting])
    assert row.code == "N2Q6-WVQ9"
    assert "N2Q6-WVQ9" in explain_request(waiting)[1]
    waiting["spec"]["approved"] = True
    assert fleet_status.device_rows([], [waiting])[0].code == ""
    odd = request(metadata={"annotations": dict.fromkeys(key, "é")})
    assert fleet_status.device_rows([], [odd])[0].code == ""


def test_a_decision_and_what_keeps_a_rule_from_it_are_shown() -> None:
    withheld = {"management.project-flotta.io/approval-withheld": "Batch shops: no\x1bserial"}
    waiting = request(metadata={"annotations": withheld})
    assert explain_request(waiting)[1] == "No rule approves it: Batch shops: no␛serial."
    (row,) = fleet_status.device_rows([], [waiting])
    assert (row.decided_by, row.waits_because) == ("", "Batch shops: no␛serial")
    decision = {"by": "batch shops", "at": "2026-05-01T12:00:00Z", "evidence": ["It is listed"]}
    approved = request(metadata={"annotations": withheld})
    approved["spec"]["approved"] = True
    approved["status"] = {"decision": decision}
    lines = ["It was approved by batch shops at 2026-05-01T12:00:00Z:", "  It is listed."]
    assert explain_device(device("till-9"), [], [], approved)[1:3] == lines
    approved["spec"]["targetNamespace"] = "default"
    (row,) = fleet_status.device_rows([device("till-9")], [approved])
    assert (row.decided_by, row.waits_because) == ("batch shops", "")
    (row,) = fleet_status.device_rows([], [approved])
    assert (row.decided_by, row.waits_because) == ("batch shops", "")


def test_an_approval_wins_over_a_decline_and_other_values_decline_nothing() -> None:
    both = request(metadata={"annotations": {DECLINED_ANNOTATION: "true"}})
    both["spec"]["approved"] = True
    assert fleet_status.request_state(both) == "approved"
    undone = request(metadata={"annotations": {DECLINED_ANNOTATION: "false"}})
    assert fleet_status.request_state(undone) == "waiting for approval"


def test_an_approved_request_without_device_is_explained_by_what_the_operator_says() -> None:
    approved = request(metadata={"generation": 2})
    approved["spec"]["approved"] = True
    assert "flotta-operator" in explain_request(approved)[1]
    told = plan_refusal(approved, 'namespaces "shops" not found', NOW).steps[0]
    assert isinstance(told, Patch)
    approved["status"] = told.patch["status"]
    assert 'namespaces "shops" not found.' in explain_request(approved)[1]
    approved["metadata"]["generation"] = 3
    assert "shops" not in explain_request(approved)[1]


def test_a_failing_workload_is_explained_by_reason_and_message() -> None:
    entry = {"name": "w1", "phase": "Failed", "reason": "ImageMissing", "message": "no image x"}
    lines = explain_device(device(workloads=[entry]), [workload(device="till-1")], [])
    assert "w1 is Failed: ImageMissing: no image x." in lines


def test_everything_works_only_without_failing_workload_and_broken_condition() -> None:
    broken = {"type": "Accepted", "status": "False"}
    error = {"name": "w1", "phase": "Error", "reason": "ImageMissing"}
    (well, *_) = explain_device(device(conditions=ready("True")), [], [])
    assert "everything works" in well
    for status in (
        {"conditions": [*ready("True"), broken]},
        {"conditions": ready("True"), "workloads": [error]},
    ):
        (first, *_) = explain_device(device(**status), [], [])
        assert "but not everything works." in first


def test_a_device_is_explained_by_its_broken_condition_and_events() -> None:
    event = {
        "reason": "Late",
        "message": "m",
        "lastTimestamp": "2026-11-21T11:00:00Z",
        "metadata": {"creationTimestamp": ""},
    }
    lines = explain_device(device(conditions=ready("Unknown", "silent for 90 s")), [], [event])
    assert "Condition Ready is Unknown: silent for 90 s." in lines
    assert lines[-1].endswith("Late: m")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"device": "camera-1"}, "Not on till-1: the workload names the device camera-1."),
        (
            {"deviceSelector": {"matchLabels": {"role": "camera"}}},
            "Not on till-1: it has role=till; the workload requires role=camera.",
        ),
        (
            {"deviceSelector": {"matchLabels": {"site": "north"}}},
            "Not on till-1: it has no label site; the workload requires site=north.",
        ),
        (
            {
                "deviceSelector": {
                    "matchExpressions": [{"key": "role", "operator": "NotIn", "values": ["till"]}]
                }
            },
            "Not on till-1: it has role=till; the workload requires role NotIn (till).",
        ),
    ],
)
def test_a_device_without_the_workload_is_explained_by_the_mismatch(
    spec: dict[str, Any], sentence: str
) -> None:
    lines = explain_workload(workload(**spec), [device(labels={"role": "till"})], [])
    assert lines == ["w1 selects 0 devices.", sentence]


def test_a_workload_without_selector_says_so() -> None:
    (line,) = explain_workload(workload(), [device()], [])
    assert line.startswith("w1 runs nowhere: neither spec.device nor spec.deviceSelector")


def test_a_workload_with_a_field_that_is_refused_says_so() -> None:
    _, line = explain_workload(workload(device="a", pod={"spec": {"nodeName": "b"}}), [], [])
    assert line.startswith("Not delivered to new devices, and not changed on others: spec.pod.spec")
    assert line.endswith("nodeName: a device has no scheduler; name the device in spec.device.")


def test_a_workload_that_is_being_deleted_is_not_said_to_be_held_back() -> None:
    leaving = workload(device="a", pod={"spec": {"nodeName": "b"}})
    leaving["metadata"]["deletionTimestamp"] = "2026-11-21T11:00:00Z"
    assert len(explain_workload(leaving, [], [])) == 1


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Unhealthy", "w1 is Running, not ready: Unhealthy: m."),
        ("ContainersNotReady", "Running: C"),
    ],
)
def test_a_device_with_a_pod_that_is_not_ready_says_so(reason: str, said: str) -> None:
    entry = {"name": "w1", "phase": "Running", "reason": reason, "message": "m", "ready": False}
    found = device(conditions=ready("True"), workloads=[entry])

    first, line, *_ = explain_device(found, [workload(device="till-1")], [])

    assert "but not everything works." in first
    assert said in line
    ((row,),) = (row.workloads for row in fleet_status.device_rows([found], []))
    assert row.ready is False


HOSTILE = "ok\n\x1b[2JForged line: approve everything\u202e"
SHOWN = "ok␊␛[2JForged line: approve everything�"


def test_what_a_device_says_neither_forges_a_line_nor_reaches_the_terminal() -> None:
    """Also what an earlier release stored as it came."""
    condition = {"type": "Ready", "status": "False", "message": f"first\nsecond {HOSTILE}"}
    entry = {"name": "web", "phase": HOSTILE, "reason": HOSTILE, "message": HOSTILE}
    known = device(phase="up", conditions=[condition], workloads=[entry])
    event = {
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "reason": HOSTILE,
        "message": HOSTILE,
    }
    lines = explain_device(known, [], [event])

    assert not [character for line in lines for character in line if ord(character) < 32]
    assert not any(line.startswith("Forged") or "\u202e" in line for line in lines)
    assert any(f"{SHOWN}: {SHOWN}" in line for line in lines)
    (row,) = fleet_status.device_rows([known], [])
    assert (row.workloads[0].phase, row.workloads[0].reason, row.workloads[0].message) == (
        SHOWN,
    ) * 3
    waiting = request()
    waiting["spec"] = {"targetNamespace": HOSTILE, "targetSet": HOSTILE}
    (row,) = fleet_status.device_rows([], [waiting])
    assert (row.namespace, row.set) == (SHOWN, SHOWN)


def test_further_lines_of_a_condition_are_indented() -> None:
    condition = {"type": "Configured", "status": "False", "message": "web: a.\nprinter: b."}
    lines = explain_device(device(conditions=[condition]), [], [])
    assert lines[1:3] == ["Condition Configured is False: web: a.", "  printer: b."]
