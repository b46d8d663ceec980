"""`flotta` against the resource API: status, approval, and one sentence on failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from administrator import flotta
from contract.api import GROUP, Api
from contract.engine import Engine, free_port

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = f"{GROUP}/namespaces/default/edgedevicesignedrequest"


def test_a_request_is_seen_declined_and_approved(own_engine: Engine) -> None:
    own_engine.start()
    kubeconfig = own_engine.kubeconfig("admin")
    assert flotta(kubeconfig, "status").stdout.startswith("There are no devices")
    body = {
        "apiVersion": "management.project-flotta.io/v1alpha1",
        "kind": "EdgeDeviceSignedRequest",
        "metadata": {"name": "asking"},
        "spec": {"targetNamespace": "default"},
    }
    Api(kubeconfig).create(REQUESTS, body)
    assert "waiting for approval" in flotta(kubeconfig, "status").stdout
    flotta(kubeconfig, "decline", "asking")
    assert "was declined" in flotta(kubeconfig, "explain", "device", "asking").stdout
    assert flotta(kubeconfig, "approve", "asking", "--set", "north").returncode == 0
    (row,) = json.loads(flotta(kubeconfig, "status", "-o", "json").stdout)
    assert (row["name"], row["state"], row["set"]) == ("asking", "approved", "north")


def test_a_failure_is_one_sentence(own_engine: Engine, tmp_path: Path) -> None:
    own_engine.start()
    admin = own_engine.kubeconfig("admin")
    away = tmp_path / "away"
    text = admin.read_text().replace(str(own_engine.port), str(free_port()))
    away.write_text(text)
    failures = {
        "there is no kubeconfig": flotta(tmp_path / "none", "status"),
        "does not answer": flotta(away, "status"),
        "is not allowed to do this": flotta(
            own_engine.kubeconfig("operator"), "registration", "list"
        ),
        "no device x requests to join": flotta(admin, "approve", "x"),
        "there is no workload x": flotta(admin, "explain", "workload", "x"),
        "there is no registration batch x": flotta(admin, "registration", "revoke", "x"),
    }
    for sentence, done in failures.items():
        assert done.returncode == 1
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1


def test_batches_are_asked_for_listed_and_ended(own_engine: Engine, tmp_path: Path) -> None:
    """Without an Edge API; tests/integration/test_registration_commands.py has one."""
    own_engine.start()
    kubeconfig = own_engine.kubeconfig("admin")
    assert flotta(kubeconfig, "registration", "list").stdout.startswith("There are no registration")
    quick = ("--timeout", "0", "--output", str(tmp_path / "stick"))
    issue = ("registration", "issue", "berlin", "--uses", "5", "--device-id", "cam-*")
    done = flotta(kubeconfig, *issue, *quick)
    assert (
        "did not issue the certificate of the registration batch berlin within 0 s" in done.stderr
    )
    assert not (tmp_path / "stick").exists()
    again = flotta(kubeconfig, *issue, "--automatic", *quick)
    assert "berlin exists with another specification; choose" in again.stderr
    listed = flotta(kubeconfig, "registration", "list").stdout
    assert "waiting   0 of 5" in listed
    wrong = flotta(kubeconfig, "registration", "issue", "other", "--automatic")
    assert "approval.mode must not be Automatic" in wrong.stderr
    assert flotta(kubeconfig, "registration", "expire", "berlin").returncode == 0
    (row,) = json.loads(flotta(kubeconfig, "registration", "list", "-o", "json").stdout)
    assert (row["name"], row["state"], row["uses"], row["uses_taken"]) == (
        "berlin",
        "expired",
        5,
        0,
    )
    revoke = ("registration", "revoke", "berlin", "--reason", "A stick was lost.")
    assert "is revoked" in flotta(kubeconfig, *revoke).stdout
    (row,) = json.loads(flotta(kubeconfig, "registration", "list", "-o", "json").stdout)
    assert (row["state"], row["specification"]["revoked"]["reason"]) == ("revoked", revoke[-1])
