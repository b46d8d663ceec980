"""A name that is empty, or a path, is refused before a module asks for anything."""

from __future__ import annotations

from typing import Any

import pytest
from memory_client import MemoryClient
from module_run import run

from flotta.resources.kinds import CONFIG_MAP, SECRET

OF_OBJECTS = {
    "edge_device": {},
    "edge_device_info": {},
    "edge_device_set": {"spec": {}},
    "edge_device_signed_request": {},
    "edge_device_signed_request_info": {},
    "edge_workload": {"spec": {"type": "pod"}},
    "edge_workload_info": {},
    "registration_certificate": {},
    "registration_certificate_info": {},
    "s3_storage": {"state": "absent"},
    "server_certificate": {"state": "absent"},
}


@pytest.fixture
def asked(client: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the requests that were made; there are objects that an empty name could mean."""
    made: list[str] = []
    for kind in (CONFIG_MAP, SECRET):
        client.have(kind, "precious", data={})
    for method in ("get", "get_or_none", "list", "create", "merge_patch", "delete"):
        monkeypatch.setattr(client, method, lambda *_, **__: made.append("asked"))
    return made


@pytest.mark.parametrize("module", OF_OBJECTS)
@pytest.mark.parametrize("name", ["", "../edgedevicesets/s1", "d1?dryRun=All", "D1"])
def test_a_name_that_no_object_can_have_is_refused(
    asked: list[str], module: str, name: str
) -> None:
    answer = run(module, **{**OF_OBJECTS[module], "name": name})
    assert answer["failed"], answer
    assert answer["msg"].startswith("name is "), answer
    assert asked == []


@pytest.mark.parametrize(
    ("module", "given", "sentence"),
    [
        ("s3_storage", {"namespace": ""}, "namespace is empty"),
        ("edge_device", {"namespace": "a.b"}, "namespace is 'a.b'"),
        ("edge_device_info", {"namespace": ""}, "namespace is empty"),
        ("edge_device_signed_request", {"target_namespace": "../x"}, "target_namespace is '../x'"),
        ("edge_device_signed_request", {"target_set": ""}, "target_set is empty"),
        ("registration_certificate", {"namespaces": [""]}, "namespaces is empty"),
        ("server_certificate", {"control_plane_namespace": "/"}, "control_plane_namespace is '/'"),
    ],
)
def test_other_options_with_names_are_checked_too(
    asked: list[str], module: str, given: dict[str, Any], sentence: str
) -> None:
    answer = run(module, **{"name": "a", **OF_OBJECTS[module], **given})
    assert answer["failed"], answer
    assert answer["msg"].startswith(sentence), answer
    assert asked == []


@pytest.mark.parametrize("module", ["edge_device", "edge_device_set", "edge_workload"])
def test_names_in_a_definition_are_checked_too(asked: list[str], module: str) -> None:
    for metadata in ({"name": "../x"}, {"name": "a", "namespace": "a/b"}):
        answer = run(module, definition={"metadata": metadata}, state="absent")
        assert answer["failed"]
        assert "; use at most" in answer["msg"]
    assert asked == []


@pytest.mark.parametrize("state", ["expired", "revoked", "absent"])
@pytest.mark.parametrize("name", [None, ""])
def test_no_batch_ends_because_a_variable_is_empty(
    asked: list[str], state: str, name: str | None
) -> None:
    answer = run("registration_certificate", name=name, state=state)
    assert answer["failed"]
    assert ("name is empty" if name == "" else "set name") in answer["msg"]
    assert asked == []
