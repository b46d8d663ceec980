"""What is left of registration certificates on devices, and what a revoked one is good for."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path

import pytest

from administrator import flotta
from e2e.site import Site

CONSUMER = "/etc/pki/consumer"
PATH = "/api/flotta-management/v1/data/stranger-1/out"
ENROLMENT = {
    "type": "data",
    "directive": "enrolment",
    "content": {"features": {}, "public_key_fingerprint": "0" * 64},
}


@pytest.mark.parametrize("name", ["till", "camera"])
def test_a_device_that_joined_has_no_key_but_its_own(site: Site, name: str) -> None:
    host = getattr(site, name)
    found = host.run(f"cd {CONSUMER} && find . -name '*.pem' -o -name '*.key'").split()
    assert sorted({path.split("/")[1] for path in found}) == ["ca.pem", "device"]
    keys = host.run("grep -rlE 'BEGIN (EC |RSA )?PRIVATE KEY' /etc /var/lib/flotta || true").split()
    own = [path for path in keys if "consumer" in path or "flotta" in path]
    assert own
    assert all(path.startswith(f"{CONSUMER}/device/") for path in own)
    assert "/device-" not in site.kubectl("get", "secrets", "-n", "flotta", "-o", "name")


def test_a_revoked_batch_is_refused(site: Site, tmp_path: Path) -> None:
    kubeconfig = site.folder / "kubeconfig"
    issue = ("registration", "issue", "revoked-soon", "--output", str(tmp_path))
    done = flotta(kubeconfig, *issue)
    assert done.returncode == 0, done.stderr
    context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    context.check_hostname = False
    context.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    try:
        assert enrol(site, context) == (200, "")
        assert flotta(kubeconfig, "registration", "revoke", "revoked-soon").returncode == 0
        assert enrol(site, context) == (403, "RegistrationRevoked")
    finally:
        site.kubectl("delete", "secret", "revoked-soon", "-n", "flotta")
        site.kubectl("delete", "edgedevicesignedrequest", "stranger-1", "--ignore-not-found")


def enrol(site: Site, context: ssl.SSLContext) -> tuple[int, str]:
    """Enrol as a device of the certificate in a context; return status and reason."""
    plane = site.control_plane
    connection = http.client.HTTPSConnection(plane.address, plane.port, context=context, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", PATH, json.dumps(ENROLMENT), headers)
    response = connection.getresponse()
    body = response.read()
    return response.status, json.loads(body)["reason"] if response.status >= 400 else ""
