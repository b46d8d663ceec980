"""The module server_certificate on Secrets in memory."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.identity.errors import (
    IdentityError,
)
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
    SECRET,
    Kind,
)
from memory_client import MemoryClient, Object
from module_run import run

from flotta.identity.authority import Authority
from flotta.identity.server_requests import parse_server_request

MODULE = "server_certificate"
ERROR = "management.project-flotta.io/server-certificate-error"
LABELS = {"flotta-server-certificate": "true"}


class Filled(MemoryClient):
    """Issues each certificate at once, as the Edge API does a moment later."""

    def __init__(self) -> None:
        super().__init__()
        self.authority = Authority.create("Flotta CA", "flotta")
        self.idle = False

    async def create(self, kind: Kind, obj: Object, *, dry_run: bool = False) -> Object:
        created = await super().create(kind, obj, dry_run=dry_run)
        return created if dry_run else self.fill(created)

    async def merge_patch(
        self, kind: Kind, name: str, namespace: str, patch: Object, *, dry_run: bool = False
    ) -> Object:
        patched = await super().merge_patch(kind, name, namespace, patch, dry_run=dry_run)
        return patched if dry_run else self.fill(patched)

    def fill(self, secret: Object) -> Object:
        if self.idle:
            return secret
        try:
            names = parse_server_request(b64decode(secret["data"]["request"]))
        except IdentityError as error:
            secret["metadata"].setdefault("annotations", {})[ERROR] = str(error)
            return secret
        issued = self.authority.issue_server(names)
        new = {
            "server.crt": issued.certificate,
            "server.key": issued.key,
            "ca.crt": self.authority.certificate_pem,
        }
        secret["data"] |= {key: b64encode(value).decode() for key, value in new.items()}
        return secret


@pytest.fixture
def client(client: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> Filled:
    """Return a control plane in memory whose Edge API issues certificates."""
    filled = Filled()
    monkeypatch.setattr(client, "connect", filled.connect)
    return filled


def ask(*names: str, **more: Any) -> dict[str, Any]:
    return run(MODULE, names=names or ("store.example", "192.0.2.7"), **more)


def test_a_certificate_is_issued_once_and_returned_each_time(client: Filled) -> None:
    first = ask()
    again = ask("192.0.2.7", "STORE.example", name="server-store-example")

    assert (first["changed"], first["name"]) == (True, "server-store-example")
    assert first["names"] == ["store.example", "192.0.2.7"]
    assert "PRIVATE KEY" in first["key"]
    assert first["ca"] == client.authority.certificate_pem.decode()
    assert first["expires"].endswith("Z")
    assert again["changed"] is False
    assert (again["certificate"], again["key"]) == (first["certificate"], first["key"])
    assert client.writes == ["create"]
    assert (
        client.objects["Secret", "flotta", "server-store-example"]["metadata"]["labels"] == LABELS
    )


def test_other_names_issue_another_one(client: Filled) -> None:
    first = ask(name="store")
    other = ask("other.example", name="store")

    assert other["changed"]
    assert other["certificate"] != first["certificate"]
    assert other["diff"] == {
        "before": {"names": ["192.0.2.7", "store.example"]},
        "after": {"names": ["other.example"]},
    }


def test_two_servers_never_share_a_secret_unasked(client: Filled) -> None:
    first = ask("a.b", "192.0.2.7")

    for given in ({}, {"check_mode": True}, {"state": "absent"}):
        failed = run(MODULE, names=["a-b"], **given)
        assert "is for another server, a.b, 192.0.2.7; choose a name" in failed["msg"]
    assert ask("a.b", "192.0.2.7")["key"] == first["key"]
    assert ask("a-b", name="other")["changed"]
    assert ask("a.b", "c")["changed"]
    assert run(MODULE, names=["a.b"], state="absent")["changed"]


@pytest.mark.parametrize("name", ["flotta-ca", "flotta-host-certificate", "flotta-certificates"])
def test_the_names_of_the_fleet_are_not_taken(client: Filled, name: str) -> None:
    assert "the Edge API keeps something else in flotta-" in ask(name=name)["msg"]
    assert client.writes == []


def test_check_mode_writes_nothing_and_shows_names_and_no_key(client: Filled) -> None:
    planned = ask(check_mode=True)

    assert (planned["changed"], planned["key"], planned["certificate"]) == (True, "", "")
    assert planned["diff"]["after"] == {"names": ["192.0.2.7", "store.example"]}
    assert client.writes == []
    issued = ask()
    checked = ask(check_mode=True)
    assert (checked["changed"], checked["key"]) == (False, issued["key"])
    assert "PRIVATE KEY" not in json.dumps(checked["diff"])


def test_absent_removes_the_secret_once(client: Filled) -> None:
    ask(name="store")

    checked = run(MODULE, check_mode=True, name="store", state="absent")
    removed = run(MODULE, name="store", state="absent")
    again = run(MODULE, names=["store"], name="store", state="absent")

    assert [answer["changed"] for answer in (checked, removed, again)] == [True, True, False]
    assert "key" not in removed
    assert client.writes == ["create", "delete"]
    assert "set name" in run(MODULE, state="absent")["msg"]


def test_what_cannot_be_asked_for_is_a_sentence(client: Filled) -> None:
    client.have(SECRET, "other-secret", "flotta", data={})

    assert "neither a DNS name nor an address" in ask("a b")["msg"]
    assert "does not ask for the certificate of a server" in ask("a", name="other-secret")["msg"]
    assert "name is 'A/b'; use at most 253 lower-case letters" in ask("a", name="A/b")["msg"]
    assert "names" in run(MODULE, name="store")["msg"]
    assert client.writes == []


def test_an_edge_api_that_does_not_issue_is_named_and_not_waited_for_without_wait(
    client: Filled,
) -> None:
    client.idle = True

    assert "within 0 s. Its log says why" in ask(wait_timeout=0)["msg"]
    left = ask(wait=False)
    assert (left["changed"], left["key"], left["expires"]) == (False, "", "")


def test_what_the_edge_api_notes_is_the_error(client: Filled) -> None:
    client.idle = True
    secret = client.have(SECRET, "store", "flotta", metadata={"labels": LABELS}, data={})
    secret["data"]["request"] = b64encode(b'{"names": ["store"]}').decode()
    secret["metadata"]["annotations"] = {ERROR: "ServerRequestInvalid: no"}

    answer = ask("store", name="store")
    assert "is not issued: ServerRequestInvalid: no" in answer["msg"]
    assert answer["reason"] == "ServerRequestInvalid"
