"""Components of a control plane on one machine: each is installed and uninstalled by itself."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from overlaid_host import OverlaidHost, said

from flotta.identity.authority import Authority

UNITS = "/etc/systemd/system"
CERTIFICATES = "/var/lib/flotta/edge-api/certificates"
STANDALONE = {"operator_components": ["edge_api", "configuration_api"]}


@pytest.fixture
def host(tmp_path: Path) -> OverlaidHost:
    return OverlaidHost(tmp_path)


def run(host: OverlaidHost, *options: str, **inputs: object) -> subprocess.CompletedProcess[str]:
    done = host.run("flotta.edge.control_plane", *options, **inputs)
    assert done.returncode == 0, done.stdout[-4000:]
    return done


def installed(host: OverlaidHost) -> set[str]:
    """Return what is there of the control plane besides the programs."""
    places = ("/etc/", "/usr/local/bin/")
    return {
        path
        for path in host.written()
        if path.startswith(places) and not host.path(path).is_char_device()
    }


def changed_nothing(done: subprocess.CompletedProcess[str]) -> bool:
    return re.search(r"^box +: .* changed=0 .* failed=0", done.stdout, re.MULTILINE) is not None


def certify(host: OverlaidHost) -> None:
    """Do what an Edge API does when it is asked for a server certificate."""
    names = ["localhost", "127.0.0.1", "box"]
    for name, text in {"request": json.dumps({"names": names}), "server.crt": ""}.items():
        host.write(f"{CERTIFICATES}/flotta-configuration-api/{name}", text)


@pytest.mark.deep
def test_an_edge_api_stands_alone_with_its_data_store(host: OverlaidHost) -> None:
    tried = said(run(host, "--check", "--diff", **STANDALONE))
    assert "/etc/flotta/apiserver.env" not in tried
    assert installed(host) == set()
    certify(host)
    run(host, **STANDALONE)
    assert installed(host) == {
        f"{UNITS}/flotta-edge-api.service",
        f"{UNITS}/flotta-configuration-api.service",
        f"{UNITS}/flotta-configuration-api-renewed.path",
        f"{UNITS}/flotta-configuration-api-renewed.service",
        "/etc/flotta/edge-api.env",
        "/etc/flotta/configuration-api.env",
        *(
            f"/etc/{kind}.d/flotta-{name}.conf"
            for kind in ("sysusers", "tmpfiles")
            for name in ("edge-api", "configuration-api")
        ),
        "/usr/local/bin/flotta",
        "/usr/local/bin/flotta-configuration-api",
    }
    settings = host.path("/etc/flotta/edge-api.env").read_text()
    assert "\nBACKEND=remote\n" in settings
    assert "\nREMOTE_BACKEND_URL=https://localhost:8053\n" in settings
    assert f"\nCERTIFICATES_DIR={CERTIFICATES}\n" in settings
    unit = host.path(f"{UNITS}/flotta-edge-api.service").read_text()
    assert "KUBECONFIG" not in unit
    assert "apiserver" not in unit
    assert changed_nothing(run(host, **STANDALONE))
    host.write("/var/lib/flotta/configuration-api/state.db")
    certificate = host.write(f"{CERTIFICATES}/flotta-ca/ca.crt")
    run(host, **STANDALONE, operator_state="absent")
    assert installed(host) == set()
    assert certificate.exists()
    # Nobody needs it any more, and the Edge API would renew it for ever.
    assert not host.path(f"{CERTIFICATES}/flotta-configuration-api").exists()
    run(host, **STANDALONE, operator_state="absent", operator_delete_data=True)
    assert not any("flotta" in path for path in host.written())


def refused(host: OverlaidHost, sentence: str, **inputs: object) -> None:
    """See that a run says the sentence and leaves everything as it is."""
    before = {path: host.path(path).lstat().st_mtime_ns for path in host.written()}
    done = host.run("flotta.edge.control_plane", **inputs)
    assert sentence in said(done), done.stdout[-4000:]
    assert done.returncode != 0
    assert "changed=0" in done.stdout
    assert {path: host.path(path).lstat().st_mtime_ns for path in host.written()} == before


def test_a_fleet_keeps_its_ca_whatever_components_are_asked_for(host: OverlaidHost) -> None:
    both = {"operator_components": ["edge_api", "operator"]}
    certificate = host.write(f"{CERTIFICATES}/flotta-ca/ca.crt")
    refused(host, "The CA of the fleet is in", **both)
    certificate.unlink()
    certificate.parent.rmdir()
    # The operator was uninstalled, and its data stayed.
    host.write("/etc/flotta/kubeconfig/edge-api.kubeconfig")
    host.write("/var/lib/flotta/apiserver/state.db")
    refused(host, "the data of its resource API are there", **STANDALONE)
    refused(host, "has no resource API", operator_components=["edge_api"])


def test_an_edge_api_keeps_the_resource_api_that_it_uses(host: OverlaidHost) -> None:
    unit = "LoadCredential=kubeconfig:/etc/flotta/kubeconfig/edge-api.kubeconfig\n"
    edge_api = host.write(f"{UNITS}/flotta-edge-api.service", unit)
    host.write(f"{UNITS}/flotta-apiserver.service")
    absent = {"operator_components": ["operator"], "operator_state": "absent"}
    refused(host, "could not start again without it", **absent)
    edge_api.write_text("")
    assert "could not start" not in said(run(host, "--check", **absent))


@pytest.mark.deep
def test_a_part_is_uninstalled_and_the_others_stay(host: OverlaidHost) -> None:
    certify(host)
    ca_pem = Authority.create("CA of the store").certificate_pem.decode()
    run(host, **STANDALONE, operator_remote_backend_ca_pem=ca_pem)
    assert host.path("/etc/flotta/remote-backend-ca.crt").read_text().endswith(f"\n{ca_pem}")
    run(host, **STANDALONE)
    assert not host.path("/etc/flotta/remote-backend-ca.crt").exists()
    before = installed(host)
    given = {"operator_components": ["configuration_api"], "operator_state": "absent"}
    assert "flotta-edge-api on box stays and needs a data store" in said(run(host, **given))
    assert {path for path in before - installed(host) if "configuration-api" not in path} == set()
    assert {path for path in installed(host) if "configuration-api" in path} == set()
    assert changed_nothing(run(host, **given))
    # The Edge API still runs the programs.
    assert host.path("/opt/flotta/current/bin").is_dir()
    run(host, operator_components=["edge_api"], operator_state="absent")
    assert installed(host) == set()
    assert not [path for path in host.written() if path.startswith("/opt")]
