"""The module registration_certificate on Secrets in memory."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from base64 import b64encode
from typing import Any

import pytest
from memory_client import MemoryClient
from module_run import COLLECTIONS, loaded, run

from flotta.identity.authority import Authority
from flotta.identity.keys import key_to_pem, new_key
from flotta.resources.kinds import SECRET
from pkcs8 import to_pkcs8


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
def test_check_mode_before_the_first_run_says_that_one_would_be_issued() -> None:
    answer = run("registration_certificate", check_mode=True, wait=True, namespace="shops")
    assert (answer["changed"], answer["certificate"], answer["ca"]) == (True, "", "")


def test_reading_alone_issues_nothing(client: MemoryClient, authority: Authority) -> None:
    answer = run("registration_certificate", namespace="shops", issue=False)
    assert "allows the namespace shops for another 30 days. Leave out issue" in answer["msg"]
    assert client.writes == []
    issued = run("registration_certificate", namespace="shops")
    again = run("registration_certificate", namespace="shops", issue=False)
    assert (again["changed"], again["certificate"]) == (False, issued["certificate"])


@pytest.mark.parametrize("entry", ["ca.crt", "ca.key"])
@pytest.mark.parametrize("value", [None, "nonsense", b64encode(b"no PEM").decode()])
def test_a_damaged_ca_is_a_sentence(
    client: MemoryClient, authority: Authority, entry: str, value: str | None
) -> None:
    data = client.objects["Secret", "flotta", "flotta-ca"]["data"]
    data.pop(entry)
    if value is not None:
        data[entry] = value
    answer = run("registration_certificate", namespace="shops")
    assert answer["failed"]
    assert "The Secret flotta/flotta-ca is damaged" in answer["msg"]


def test_key_is_sec1_whatever_its_form_in_the_secret(
    client: MemoryClient, authority: Authority
) -> None:
    issued = run("registration_certificate", namespace="shops")
    assert issued["key"].startswith("-----BEGIN EC PRIVATE KEY-----")
    (secret,) = (obj for obj in client.objects.values() if "client.key" in obj["data"])
    secret["data"] |= encoded(client_key=to_pkcs8(issued["key"].encode()))

    again = run("registration_certificate", namespace="shops")

    assert (again["changed"], again["key"]) == (False, issued["key"])
    assert client.writes == ["create"]


def test_certificate_of_another_ca_is_not_used(client: MemoryClient, authority: Authority) -> None:
    former = run("registration_certificate", namespace="shops")
    new = Authority.create("Flotta CA", "flotta")  # of the same name
    client.have(
        SECRET,
        "flotta-ca",
        "flotta",
        data=encoded(ca_crt=new.certificate_pem, ca_key=new.key_pem),
    )

    issued, again = (run("registration_certificate", namespace="shops") for _ in "ab")

    assert issued["changed"]
    assert issued["certificate"] != former["certificate"]
    assert again == issued | {"changed": False, "invocation": again["invocation"]}


def test_certificate_of_any_ca_in_the_bundle_is_used(
    client: MemoryClient, authority: Authority
) -> None:
    former = run("registration_certificate", namespace="shops")
    new = Authority.create("Flotta CA", "flotta")
    bundle = new.certificate_pem + authority.certificate_pem
    client.have(SECRET, "flotta-ca", "flotta", data=encoded(ca_crt=bundle, ca_key=new.key_pem))

    again = run("registration_certificate", namespace="shops")

    assert (again["changed"], again["certificate"]) == (False, former["certificate"])


@pytest.mark.parametrize("damage", ["no data", "no key", "foreign key", "no PEM", "server"])
def test_damaged_secret_is_passed_over(
    client: MemoryClient, authority: Authority, damage: str
) -> None:
    good = registration(authority, "good", "shops")["data"]
    server = authority.issue_server(["shops"])
    data = {
        "no data": {},
        "no key": {"client.crt": good["client.crt"]},
        "foreign key": good | encoded(client_key=key_to_pem(new_key())),
        "no PEM": good | encoded(client_crt=b"nonsense"),
        "server": encoded(client_crt=server.certificate, client_key=server.key),
    }[damage]
    metadata = {"labels": {"reg-client-ca": "true"}}
    client.have(SECRET, "reg-client-ca-damaged", "flotta", data=data, metadata=metadata)

    issued = run("registration_certificate", namespace="shops")

    assert issued["changed"]
    assert issued["certificate"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.usefixtures("client")
def test_without_a_ca_the_log_to_read_is_named() -> None:
    answer = run("registration_certificate", control_plane_namespace="edge")
    assert "There is no Flotta CA in namespace edge" in answer["msg"]
    assert "journalctl -u flotta-edge-api" in answer["msg"]


def test_usable_is_what_allows_the_namespace_for_a_month(authority: Authority) -> None:
    find = loaded("registration_certificate").find_usable
    ca = {"metadata": {}, "data": encoded(ca_crt=authority.certificate_pem)}
    shops, tills = registration(authority, "a", "shops"), registration(authority, "b", "tills")
    now = datetime.datetime.now(tz=datetime.UTC)
    assert find([shops, tills], ca, "tills", now) is tills
    assert find([shops], ca, "tills", now) is None
    assert find([shops], ca, "shops", now + datetime.timedelta(days=36500)) is None
    assert find([shops], ca, "shops", now - datetime.timedelta(days=1)) is None
    assert find([], ca, "shops", now) is None


PRINTED = """
import sys
from importlib import import_module
from types import SimpleNamespace

sys.path.append(sys.argv[1])
plugin = import_module("ansible_collections.flotta.edge.plugins.action.registration_certificate")
context = SimpleNamespace(no_log=False)
action = object.__new__(plugin.ActionModule)
action._connection = SimpleNamespace(_play_context=context)
plugin.ActionBase.run = lambda *_: {}
action._execute_module = lambda **_: {"key": "secret", "hidden": context.no_log}
print(action.run())
"""


def test_connection_does_not_print_the_key_that_the_module_prints() -> None:
    """The connection ssh prints the output of modules at -vvv, unless its context forbids that.

    In a process of its own: modules take one that has imported a plugin for the controller.
    """
    done = subprocess.run(
        [sys.executable, "-c", PRINTED, COLLECTIONS],
        env=os.environ | {"HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{'key': 'secret', 'hidden': True, '_ansible_no_log': True}"
