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
        "is not allowed to do this": flotta(own_engine.kubeconfig("edge-api"), "approve", "x"),
        "no device x requests to join": flotta(admin, "approve", "x"),
        "there is no workload x": flotta(admin, "explain", "workload", "x"),
    }
    for sentence, done in failures.items():
        assert done.returncode == 1
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
