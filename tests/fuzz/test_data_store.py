"""Foreign bytes as the reference data store reads them: of devices, and of administrators."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st
from inputs import as_json, json_values, like, mutations
from properties import assert_printable

from flotta.configuration_api import joining, leaving, reports
from flotta.configuration_api.configuration_file import parse_configuration
from flotta.configuration_api.configurations import find_configuration, put_configuration
from flotta.configuration_api.database import open_database
from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.names import Name
from flotta.configuration_api.overview import (
    describe_device,
    format_document,
    format_table,
    list_devices,
)
from flotta.protocol.envelope import decode
from flotta.protocol.models import EnrolmentInfo, Heartbeat, RegistrationInfo

Fuzz = Callable[..., None]
MESSAGES = Path(__file__).parents[1] / "data" / "messages"
CONTENTS = [
    json.loads(path.read_bytes())["content"] for path in sorted(MESSAGES.glob("from-agent-*.json"))
]
CONFIGURATION: dict[str, Any] = {
    "configuration": {"heartbeat": {"period_seconds": 30}, "log-collection": {"a": {}}},
    "workloads": [
        {
            "name": "web",
            "specification": {"containers": [{"name": "web", "image": "i"}]},
            "configmaps": [{"kind": "ConfigMap"}],
            "data": {"egress": [{"source": "a", "target": "b"}]},
        }
    ],
    "secrets": [{"name": "s", "data": {"k": "eA=="}}],
}
TEXTS = (yaml.safe_dump(CONFIGURATION).encode(), json.dumps(CONFIGURATION).encode())
DEVICE = Name("default", "till-7")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(open_database(tmp_path / "state.db", create=True)) as opened:
        opened.execute("PRAGMA synchronous = OFF")
        yield opened


def test_files_of_configurations(fuzz: Fuzz, connection: sqlite3.Connection) -> None:
    def check(data: bytes, is_json: bool) -> None:
        try:
            message = parse_configuration(data, DEVICE.device_id, is_json=is_json)
        except ValueError as error:
            assert_short(str(error))
            return
        put_configuration(connection, DEVICE, message)
        stored = find_configuration(connection, DEVICE)
        assert stored is not None
        again = parse_configuration(stored.content, DEVICE.device_id, is_json=True)
        assert not put_configuration(connection, DEVICE, again), "what is got can be put"

    fuzz(
        check,
        st.one_of(mutations(*TEXTS), as_json(like(CONFIGURATION)), as_json(json_values())),
        st.booleans(),
    )


def test_what_devices_report(fuzz: Fuzz, connection: sqlite3.Connection) -> None:
    def check(data: bytes, way: tuple[str, bool]) -> None:
        step, approved = way
        try:
            carry_out(connection, data, step)
            if approved:
                joining.approve(connection, DEVICE)
        except (ApiError, ValueError):
            pass
        document = describe_device(connection, DEVICE)
        for output in ("yaml", "json"):
            for line in format_document(document, output).splitlines():
                assert_printable(line)
        for line in format_table(list_devices(connection)).splitlines():
            assert_printable(line)

    steps = st.sampled_from(["enrol", "register", "beat", "leave"])
    contents = st.one_of(as_json(like(*CONTENTS)), mutations(*map(as_bytes, CONTENTS)))
    fuzz(check, contents, st.tuples(steps, st.booleans()))


def assert_short(sentences: str) -> None:
    assert len(sentences) < 40_000
    for line in sentences.splitlines():
        assert_printable(line)


def carry_out(connection: sqlite3.Connection, data: bytes, step: str) -> None:
    match step:
        case "enrol":
            joining.enrol(connection, DEVICE, decode(data, EnrolmentInfo))
        case "register":
            joining.register(connection, DEVICE, decode(data, RegistrationInfo))
        case "beat":
            reports.record_heartbeat(connection, DEVICE, decode(data, Heartbeat))
        case "leave":
            leaving.forget(connection, DEVICE, force=True)


def as_bytes(content: object) -> bytes:
    return json.dumps(content).encode()
