"""In check mode a module fails where the run would, and an object that leaves is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.errors import (
    Invalid,
    NotFound,
)
from memory_client import MemoryClient
from module_run import run

from flotta.resources.kinds import CONFIG_MAP, SECRET, SIGNED_REQUEST

STORAGE = {
    "name": "shops",
    "endpoint": "https://s3.example",
    "bucket": "shop-files",
    "access_key": "AKIAEXAMPLE",
    "secret_key": "secret",
}
BATCH = {"labels": {"reg-client-ca": "true"}}
SERVER = {"labels": {"flotta-server-certificate": "true"}}
LEAVING = {"deletionTimestamp": "2026-05-01T12:00:00Z"}
PRESENT = {
    "edge_device_signed_request": {"name": "till-1"},
    "registration_certificate": {"name": "a", "wait": False},
    "s3_storage": STORAGE,
    "server_certificate": {"name": "a", "names": ["store.example"], "wait": False},
}


def have_all(client: MemoryClient, **metadata: Any) -> None:
    """Put what the modules change or remove there."""
    request = {"generation": 1, **metadata}
    client.have(SIGNED_REQUEST, "till-1", metadata=request, spec={"targetNamespace": "default"})
    for kind in (CONFIG_MAP, SECRET):
        client.have(kind, "shops", metadata=metadata, data={})


@pytest.mark.parametrize("module", PRESENT)
@pytest.mark.parametrize("exists", [True, False])
def test_what_the_api_refuses_fails_in_check_mode_too(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch, module: str, exists: bool
) -> None:
    if exists or module == "edge_device_signed_request":
        have_all(client)
    tried: list[bool] = []

    async def refuse(*_: object, dry_run: bool = False) -> None:
        tried.append(dry_run)
        raise Invalid(422, "Invalid", "no")

    monkeypatch.setattr(client, "create", refuse)
    monkeypatch.setattr(client, "merge_patch", refuse)
    for check_mode in (True, False):
        answer = run(module, check_mode, **PRESENT[module])
        assert answer["failed"], answer
        assert answer["reason"] == "Invalid"
    assert tried == [True, False]


@pytest.mark.parametrize("module", ["registration_certificate", "server_certificate"])
def test_a_control_plane_that_the_play_would_install_first_is_warned_of(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    async def refuse(*_: object, dry_run: bool = False) -> None:
        raise NotFound(404, "NotFound", 'namespaces "flotta" not found')

    monkeypatch.setattr(client, "create", refuse)
    tried = run(module, check_mode=True, **PRESENT[module])
    assert (tried["changed"], tried["key"]) == (True, "")
    assert "There is no namespace flotta yet" in str(tried["warnings"])
    assert run(module, **PRESENT[module])["reason"] == "NotFound"


@pytest.mark.parametrize("module", PRESENT)
def test_what_is_being_deleted_is_not_changed(client: MemoryClient, module: str) -> None:
    have_all(client, **LEAVING)
    own = {"registration_certificate": BATCH, "server_certificate": SERVER}.get(module, {})
    client.have(SECRET, "a", "flotta", metadata={**own, **LEAVING}, data={})
    for check_mode in (True, False):
        answer = run(module, check_mode, **PRESENT[module])
        assert "is being deleted, so it cannot be changed" in answer["msg"]
    assert client.writes == []


@pytest.mark.parametrize("module", ["registration_certificate", "s3_storage", "server_certificate"])
def test_what_is_being_deleted_is_not_removed_again(client: MemoryClient, module: str) -> None:
    have_all(client, **LEAVING)
    own = BATCH if module == "registration_certificate" else SERVER
    client.have(SECRET, "a", "flotta", metadata={**own, **LEAVING}, data={})
    name = PRESENT[module]["name"]
    for check_mode in (True, False):
        answer = run(module, check_mode, name=name, state="absent")
        assert (answer["changed"], answer["diff"]) == (False, [])
    assert client.writes == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"wait_timeout": -1}, "wait_timeout is -1; set it to at least 0."),
        ({"wait_sleep": 0}, "wait_sleep is 0; set it to at least 1."),
    ],
)
def test_times_that_cannot_be_waited_for_are_refused(
    client: MemoryClient, given: dict[str, int], sentence: str
) -> None:
    for module in ("edge_device", "registration_certificate"):
        assert run(module, name="a", wait=True, **given)["msg"] == sentence
