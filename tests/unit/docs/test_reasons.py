"""The page of reasons has every word that the code gives as one, and no other."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from flotta.fleet import explanation
from flotta.fleet.status import UNKNOWN_STATE, request_state
from flotta.installation.admission_policies import REFUSAL
from flotta.installation.deployment_ready import HOPELESS_AFTER
from flotta.operator.controllers.request import APPROVED, DECLINED, PENDING
from flotta.protocol import phases
from flotta.resources.objects.devices import SignedRequest
from unit.docs.reason_codes import Source
from unit.docs.tables import first_cells

SRC = Path(__file__).parents[3] / "src" / "flotta"
# What sets reasons of our own objects. The reasons of the embedded engine's Status are Kubernetes'.
PACKAGES = ("edge_api", "fleet", "operator", "storage", "sync", "worker")
PAGE = "reasons.md"


@cache
def source() -> Source:
    return Source(SRC)


def test_every_reason_is_on_the_page_and_every_one_there_exists() -> None:
    assert first_cells(PAGE, "Reason") == source().codes(PACKAGES)


def test_every_reason_of_pods_of_the_control_plane_is_on_the_page() -> None:
    codes = source().codes(["installation"]) - {REFUSAL}  # Kubernetes' own, of a refused request
    assert first_cells(PAGE, "Pod reason") == codes | {*HOPELESS_AFTER}


def test_every_phase_is_on_the_page() -> None:
    known = {text for name, text in vars(phases).items() if name.isupper()}

    assert first_cells(PAGE, "Phase") == known


def test_every_state_of_flotta_status_is_on_the_page() -> None:
    spec = {"approved": False, "targetNamespace": "default"}
    waiting: SignedRequest = {"metadata": {"name": "a", "namespace": "default"}, "spec": spec}
    approved: SignedRequest = {**waiting, "spec": {**spec, "approved": True}}
    declined: SignedRequest = {**waiting, "metadata": {**waiting["metadata"]}}
    declined["metadata"]["annotations"] = {"management.project-flotta.io/declined": "true"}
    requests = {request_state(request) for request in (waiting, approved, declined)}

    assert len(requests) == 3
    assert first_cells(PAGE, "State") == {*explanation.STATES, UNKNOWN_STATE} | requests


def test_every_condition_of_a_request_is_on_the_page() -> None:
    assert first_cells(PAGE, "Condition") == {PENDING, APPROVED, DECLINED}


def test_every_status_of_a_refusal_is_on_the_page() -> None:
    assert {int(text) for text in first_cells(PAGE, "Status")} == refusal_statuses()


@pytest.mark.parametrize(
    "statement",
    [
        "raise WorkloadError('NewReason', 'a sentence')",
        "agent.add_warning('NewReason', 'a sentence')",
        "RecordEvent(kind, target, 'Warning', 'NewReason', 'a sentence')",
        "client.record_event(target, reason='NewReason')",
        "raise Refusal(404, 'a sentence', reason='NewReason')",
        "status.reason, status.message = 'NewReason', 'a sentence'",
        "entry = {**entry, 'reason': 'NewReason'}",
        "reason = other or ('NewReason' if failed else '')",
    ],
)
def test_a_reason_is_found_however_it_is_written(statement: str, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "signatures.py").write_text(
        "class WorkloadError(Exception):\n    def __init__(self, reason, message): ...\n"
        "def add_warning(reason, message): ...\n"
        "class RecordEvent:\n    kind: str\n    target: str\n    type_: str\n    reason: str\n"
        "def record_event(target, *, reason): ...\n"
        "class Refusal(Exception):\n    def __init__(self, status, message, *, reason): ...\n"
    )
    (package / "user.py").write_text(f"def report():\n    {statement}\n")

    assert source_of(package) == {"NewReason"}


def source_of(package: Path) -> set[str]:
    return Source(package.parent).codes([package.name])


def refusal_statuses() -> set[int]:
    """Return the statuses with which the Edge API refuses, as its source says."""
    calls = (
        node
        for path in (SRC / "edge_api").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    )
    return {
        int(call.args[0].value)
        for call in calls
        if ast.unparse(call.func) in ("Refusal", "error_response")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
