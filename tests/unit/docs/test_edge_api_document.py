"""docs/reference/edge-api.openapi.yaml says what the code does, and what was recorded."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openapi_spec_validator import validate

from edge_api_document import PATH, document, operations, resolved, validator
from flotta.edge_api.handlers import Handlers
from flotta.edge_api.routes import BASE, add_routes
from flotta.protocol.directives import ANSIBLE, ENROLMENT, HEARTBEAT, REGISTRATION, WANTED_HEADER
from flotta.protocol.envelope import TYPES, Message, encode, new_command_message, new_data_message
from flotta.protocol.models import DeviceConfiguration, DeviceConfigurationMessage, Workload
from flotta.protocol.reasons import refusals
from flotta.protocol.reasons.refusals import REFUSALS

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

import document_edge_api

ROOT = Path(__file__).parents[3]
MESSAGES = Path(__file__).parents[2] / "data" / "messages"
SCHEMAS = {
    "from-agent-ansible": "AnsibleMessage",
    "from-agent-connection-status": "Message",
    "from-agent-enrolment": "EnrolmentMessage",
    "from-agent-heartbeat-hardware": "HeartbeatMessage",
    "from-agent-heartbeat-plain": "HeartbeatMessage",
    "from-agent-heartbeat-workload": "HeartbeatMessage",
    "from-agent-registration": "RegistrationMessage",
    "to-agent-device-configuration": "ConfigurationMessage",
    "to-agent-disconnect": "CommandMessage",
}


def test_it_is_an_openapi_document() -> None:
    validate(document())


def test_its_models_are_those_of_the_code() -> None:
    """To mend it, run `scripts/document_edge_api.py`."""
    assert document_edge_api.render_page(PATH.read_text()) == PATH.read_text()


def test_its_paths_and_methods_are_the_routes() -> None:
    app = web.Application()
    add_routes(app.router, Handlers.__new__(Handlers))  # nothing is called
    routed = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.method != "*" and route.resource is not None
    }
    assert routed == {(method, BASE + path) for method, path, _ in operations()}
    assert document()["servers"][0]["url"].endswith(BASE)


def test_every_refusal_is_named_with_its_statuses() -> None:
    """To mend it, name the code in the responses of the operations that have it."""
    table = {
        (int(status), row.code)
        for row in REFUSALS
        for status in re.findall(r"\d+", row.place.status)
    }
    assert set(_reasons()) == table


def test_every_refusal_in_the_code_has_a_status_of_the_table() -> None:
    documented = set(_reasons())
    raised = set(_raised())
    assert len(raised) > 30
    assert raised - documented == set()


def _raised() -> Iterator[tuple[int, str]]:
    """Yield status and reason of each `Refusal(…)` of the Edge API that names both."""
    for path in (ROOT / "src/flotta/edge_api").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal":
                status = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
                named = {item.arg: ast.unparse(item.value) for item in node.keywords}
                name = named.get("reason", "").removeprefix("refusals.")
                code = getattr(refusals, name, None)
                if status is not None and code is not None:
                    yield int(str(status)), str(code)


def _reasons() -> Iterator[tuple[int, str]]:
    """Yield each status with each reason that the document names for it."""
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            yield from ((int(status), code) for code in _codes(resolved(response)))
    for name in ("MalformedRequest", "UnknownPath", "MethodNotAllowed"):  # of no operation
        response = document()["components"]["responses"][name]
        status = int(response["description"][-4:-1])
        yield from ((status, code) for code in _codes(response))


def _codes(response: dict[str, Any]) -> list[str]:
    content = response.get("content", {}).get("application/json", {})
    codes: list[str] = [
        code
        for part in content.get("schema", {}).get("allOf", [])
        for code in part.get("properties", {}).get("reason", {}).get("enum", [])
    ]
    return codes


def test_its_directives_types_and_headers_are_those_of_the_code() -> None:
    schemas = document()["components"]["schemas"]
    directives = {
        resolved(item)["properties"]["directive"]["const"]
        for _, _, operation in operations()
        if operation["operationId"] == "PostDataMessageForDevice"
        for item in operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    }
    assert directives == {ENROLMENT, REGISTRATION, HEARTBEAT, ANSIBLE}
    assert set(schemas["Message"]["properties"]["type"]["enum"]) == {*TYPES, ""}
    assert set(schemas["Message"]["properties"]) == set(Message.__struct_fields__)
    response = document()["paths"]["/data/{device_id}/out"]["post"]["responses"]["200"]
    assert WANTED_HEADER in response["headers"]


@pytest.mark.parametrize(("name", "schema"), SCHEMAS.items())
def test_every_recorded_message_fits(name: str, schema: str) -> None:
    message = json.loads((MESSAGES / f"{name}.json").read_text())
    assert [error.message for error in validator(schema).iter_errors(message)] == []


def test_every_recorded_message_is_looked_at() -> None:
    assert {path.stem for path in MESSAGES.glob("*.json")} == set(SCHEMAS)


def test_what_this_control_plane_writes_fits() -> None:
    configuration = DeviceConfigurationMessage(
        configuration=DeviceConfiguration(), workloads=[Workload(name="camera")], version="1"
    )
    written = {
        "ConfigurationMessage": new_data_message("device", configuration),
        "CommandMessage": new_command_message("disconnect"),
    }
    for schema, message in written.items():
        validator(schema).validate(json.loads(encode(message)))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("2026-01-10T09:00:00.123456789+01:00", True),
        ("2026-01-10T09:00:00+0100", True),
        ("2026-01-10", True),
        ("", True),
        ("yesterday", False),
        ("2026-13-10T09:00:00Z", False),
    ],
)
def test_date_times_are_those_that_the_code_reads(text: str, *, fits: bool) -> None:
    message = {"type": "event", "sent": text}
    assert validator("Message").is_valid(message) is fits
