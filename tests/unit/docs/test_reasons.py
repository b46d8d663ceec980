"""The one table of reasons: the page shows it, and programs give no other code as a reason."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

import document_reasons

from flotta.fleet import explanation
from flotta.fleet.status import UNKNOWN_STATE, request_state
from flotta.protocol import phases
from flotta.protocol.reasons.reason import NOTHING, Refusal
from flotta.protocol.reasons.table import AREAS, CODES, TABLE, find_rows
from flotta.resources.objects.devices import SignedRequest
from provocations import NOT_PROVOKED, PROVOKED_BY
from unit.docs.tables import first_cells

TESTS = Path(__file__).parents[2]
SRC = Path(__file__).parents[3] / "src" / "flotta"
PAGE = "reasons.md"
# What sets reasons of our own objects. The reasons of the embedded engine's Status are Kubernetes'.
PACKAGES = (
    "edge_api",
    "fleet",
    "gateway",
    "images",
    "installation",
    "operator",
    "storage",
    "sync",
    "worker",
)
# The same words with another meaning: reasons of Kubernetes, and codes of S3.
FOREIGN = {
    "installation/admission_policies.py": {"Forbidden"},
    "storage/s3_site.py": {"MethodNotAllowed"},
}
LOGGED = ("log.warning", "log.error", "log.exception", "self._log.warning")
# Lines of which the arguments end with a code: errors and sentences that have it.
BROUGHT = {
    "gateway/gateway.py: %s",
    "gateway/log_once.py: %s: %s",
    "sync/loop.py: %s The next attempt is in %.0f s.",
    "worker/gateway_client.py: %s",
    "worker/heartbeat.py: Heartbeat not delivered: %s",
    "worker/own_certificate/renewal.py: Certificate not renewed: %s",
}
# Parameters, fields and keys that take a code.
NAMES = ("reason", "activity")


@cache
def modules() -> dict[str, ast.Module]:
    paths = [path for package in PACKAGES for path in (SRC / package).rglob("*.py")]
    return {str(path.relative_to(SRC)): ast.parse(path.read_text()) for path in paths}


def test_the_page_shows_the_table() -> None:
    """To mend it, run `scripts/document_reasons.py`."""
    page = document_reasons.PAGE.read_text()
    assert document_reasons.render(page) == page


def test_every_row_has_its_place_on_the_page() -> None:
    shown = [id(row) for rows in document_reasons.SECTIONS.values() for row in rows]
    assert sorted(shown) == sorted(id(row) for row in TABLE)


def test_a_code_has_one_row_for_a_place() -> None:
    twice = [
        key for key, count in Counter((row.code, row.place) for row in TABLE).items() if count > 1
    ]
    assert not twice


def test_a_code_is_one_word_in_camel_case() -> None:
    assert [code for code in CODES if not code.isalnum() or not code[0].isupper()] == []


def test_a_row_says_in_sentences_what_happened_and_what_to_do() -> None:
    unfinished = [
        row.code
        for row in TABLE
        if not row.meaning.endswith(".") or not (row.remedy == NOTHING or row.remedy.endswith("."))
    ]
    assert unfinished == []


def test_every_constant_of_a_code_is_named_like_it() -> None:
    for area in AREAS:
        for name, value in vars(area).items():
            if name.isupper() and isinstance(value, str) and value in CODES:
                assert name.replace("_", "").lower() == value.lower()


def test_programs_name_codes_by_their_constants() -> None:
    """A literal would be a second place that says how a code is spelt."""
    found = [
        f"{path}:{node.lineno}: {node.value}"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and node.value in CODES
        and node.value not in FOREIGN.get(path, ())
    ]
    assert found == []


def test_no_text_is_given_as_a_reason() -> None:
    """Mypy finds the rest: what takes a reason takes a `Code`, which only the table makes."""
    found = [
        f"{path}:{text}"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        for text in literal_reasons(node)
        if text.isalnum() and text[:1].isupper() and text not in FOREIGN.get(path, ())
    ]
    assert found == []


def literal_reasons(node: ast.AST) -> Iterator[str]:
    """Yield the texts that a node gives to something named `reason`."""
    values: list[ast.expr] = []
    match node:
        case ast.Call():
            values = [item.value for item in node.keywords if item.arg in NAMES]
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            values = [
                value
                for key, value in pairs
                if isinstance(key, ast.Constant) and key.value in NAMES
            ]
        case ast.Assign():
            named = any(
                getattr(target, "id", getattr(target, "attr", "")) in NAMES
                for target in node.targets
            )
            values = [node.value] if named else []
    for value in values:
        for part in ast.walk(value):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


@pytest.mark.parametrize(
    "statement",
    [
        "Refusal(404, 'a sentence', reason='NewReason')",
        "entry = {**entry, 'reason': 'NewReason'}",
        "reason = other or ('NewReason' if failed else '')",
        "status.reason = 'NewReason'",
    ],
)
def test_a_text_as_a_reason_is_found(statement: str) -> None:
    nodes = ast.walk(ast.parse(statement))
    assert "NewReason" in [text for node in nodes for text in literal_reasons(node)]


def test_only_the_table_makes_codes() -> None:
    makers = {
        path
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Code"
    }
    # What an Edge API of another release gives as its reason is quoted.
    assert makers == {"gateway/status_codes.py"}


def test_every_failure_in_the_journal_of_a_device_has_a_code() -> None:
    without = {
        f"{path}: {text}"
        for path, tree in modules().items()
        if path.startswith(("gateway", "worker", "sync"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in LOGGED
        for text in [node.args[0].value if isinstance(node.args[0], ast.Constant) else ""]
        if "[%s]" not in str(text)
    }
    assert without == BROUGHT


def test_every_refusal_has_the_status_of_its_row() -> None:
    calls = (
        node
        for path, tree in modules().items()
        if path.startswith("edge_api")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Refusal", "error_response")
    )
    checked = 0
    for call in calls:
        name = ast.unparse(reason_of(call)).rpartition(".")[2]
        if name.isupper() and isinstance(call.args[0], ast.Constant):
            [row] = find_rows(code_of(name), Refusal)
            assert str(call.args[0].value) in row.place[0].split(", "), ast.unparse(call)
            checked += 1
    assert checked > 30


def reason_of(call: ast.Call) -> ast.expr:
    named = [item.value for item in call.keywords if item.arg == "reason"]
    return named[0] if named else call.args[-1]


def code_of(constant: str) -> str:
    [code] = {getattr(area, constant) for area in AREAS if hasattr(area, constant)}
    return str(code)


def test_every_code_is_provoked_by_a_test() -> None:
    provoked = {code for file in PROVOKED_BY.values() for codes in file.values() for code in codes}
    assert provoked | set(NOT_PROVOKED) == CODES
    assert not provoked & set(NOT_PROVOKED)


@pytest.mark.parametrize("file", PROVOKED_BY)
def test_a_test_compares_with_the_codes_that_it_provokes(file: str) -> None:
    text = (TESTS / file).read_text()
    lines = text.splitlines()
    bodies = {
        node.name: "\n".join(lines[first_line(node) - 1 : node.end_lineno])
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name, codes in PROVOKED_BY[file].items():
        assert [code for code in codes if not re.search(rf"\b{code}\b", bodies[name])] == []


def first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([function.lineno, *(item.lineno for item in function.decorator_list)])


def test_a_device_loads_no_reasons_of_the_control_plane() -> None:
    program = "import sys, flotta.cli.gateway, flotta.cli.device_worker; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    areas = {
        name.rpartition(".")[2] for name in loaded if name.startswith("flotta.protocol.reasons.")
    }
    assert areas == {"reason", "refusals", "workloads", "device_programs", "sync"}


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
