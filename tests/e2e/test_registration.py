"""What is left of registration certificates on devices, and what a revoked one is good for."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path

import pytest

from e2e.site import Site

CONSUMER = "/etc/pki/consumer"
PATH = "/api/flotta-management/v1/data/stranger-1/out"
ENROLMENT = {
    "type": "data",
    "directive": "enrolment",
    "content": {"features": {}, "public_key_fingerprint": "0" * 64},
}


@pytest.mark.on_any_store
def test_a_device_that_joined_has_no_key_but_its_own(site: Site) -> None:
    for host in site.devices.values():
        found = host.run(f"cd {CONSUMER} && find . -name '*.pem' -o -name '*.key'").split()
        assert sorted({path.split("/")[1] for path in found}) == ["ca.pem", "device"]
        search = "grep -rlE 'BEGIN (EC |RSA )?PRIVATE KEY' /etc /var/lib/flotta || true"
        keys = host.run(search).split()
        own = [path for path in keys if "consumer" in path or "flotta" in path]
        assert own
        assert all(path.startswith(f"{CONSUMER}/device/") for path in own)
    secrets = site.control_plane.registration_secrets()
    assert "flotta-ca" in secrets
    assert not [name for name in secrets if name.startswith("device-")]


@pytest.mark.on_any_store
def test_a_revoked_batch_is_refused(site: Site, tmp_path: Path) -> None:
    plane = site.control_plane
    plane.issue_batch("revoked-soon", tmp_path)
    context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    context.check_hostname = False
    context.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    try:
        assert enrol(site, context) == (200, "")
        plane.revoke_batch("revoked-soon")
        assert enrol(site, context) == (403, "RegistrationRevoked")
    finally:
        plane.forget_batch("revoked-soon", "stranger-1")


def enrol(site: Site, context: ssl.SSLContext) -> tuple[int, str]:
    """Enrol as a device of the certificate in a context; return status and reason."""
    plane = site.control_plane
    connection = http.client.HTTPSConnection(plane.address, plane.port, context=context, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", PATH, json.dumps(ENROLMENT), headers)
    response = connection.getresponse()
    body = response.read()
    return response.status, json.loads(body)["reason"] if response.status >= 400 else ""
