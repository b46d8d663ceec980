"""The module registration_certificate on Secrets in memory."""

from __future__ import annotations

import datetime
from base64 import b64encode
from typing import Any

import pytest
from memory_client import MemoryClient
from module_run import loaded, run

from flotta.identity.authority import Authority
from flotta.resources.kinds import SECRET


def encoded(**pem: bytes) -> dict[str, str]:
    return {name.replace("_", "."): b64encode(value).decode() for name, value in pem.items()}


@pytest.fixture
def authority(client: MemoryClient) -> Authority:
    """Return the CA of a control plane in memory."""
    authority = Authority.create("Flotta CA", "flotta")
    data = encoded(ca_crt=authority.certificate_pem, ca_key=authority.key_pem)
    client.have(SECRET, "flotta-ca", "flotta", data=data)
    return authority


def registration(authority: Authority, name: str, *namespaces: str) -> dict[str, Any]:
    pair = authority.issue_registration(list(namespaces))
    return {
        "metadata": {"name": name},
        "data": encoded(client_crt=pair.certificate, client_key=pair.key),
    }


def test_one_is_issued_once(client: MemoryClient, authority: Authority) -> None:
    first, again = (run("registration_certificate", namespace="shops") for _ in "ab")
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["ca"] == authority.certificate_pem.decode()
    assert (first["certificate"], first["key"]) == (again["certificate"], again["key"])
    assert client.writes == ["create"]


def test_check_mode_issues_nothing(client: MemoryClient, authority: Authority) -> None:
    answer = run("registration_certificate", check_mode=True, namespace="shops")
    assert (answer["changed"], answer["certificate"], answer["key"]) == (True, "", "")
    assert client.writes == []


@pytest.mark.usefixtures("client")
def test_without_a_ca_the_log_to_read_is_named() -> None:
    answer = run("registration_certificate", control_plane_namespace="edge")
    assert "There is no Flotta CA in namespace edge" in answer["msg"]
    assert "journalctl -u flotta-edge-api" in answer["msg"]


def test_usable_is_what_allows_the_namespace_for_a_month(authority: Authority) -> None:
    find_usable = loaded("registration_certificate").find_usable
    shops, tills = registration(authority, "a", "shops"), registration(authority, "b", "tills")
    now = datetime.datetime.now(tz=datetime.UTC)
    assert find_usable([shops, tills], "tills", now) is tills
    assert find_usable([shops], "tills", now) is None
    assert find_usable([shops], "shops", now + datetime.timedelta(days=36500)) is None
    assert find_usable([shops], "shops", now - datetime.timedelta(days=1)) is None
    assert find_usable([], "shops", now) is None
