"""Who is not of this fleet stays outside, and the device's journal says why."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from e2e.certificates import authority, issue
from e2e.machines import eventually
from e2e.site import Site

CONSUMER = "/etc/pki/consumer"


@pytest.fixture
def stranger(site: Site) -> Iterator[None]:
    """Set the camera's identity aside, and put it back at the end."""
    site.camera.run(f"systemctl stop flotta-gateway && cp -a {CONSUMER} /root/consumer.kept")
    yield
    site.camera.run(
        f"systemctl stop flotta-gateway; rm -rf {CONSUMER}; mv /root/consumer.kept {CONSUMER}; "
        "systemctl restart flotta-gateway"
    )
    eventually("the camera is back", lambda: site.ready("camera-1") == "True", 240)


def install(site: Site, certificate: bytes, key: bytes) -> None:
    """Make this the camera's only identity and start its gateway."""
    for name, content in (("cert.pem", certificate), ("key.pem", key)):
        site.camera.run(f"cat > {CONSUMER}/{name} <<'END'\n{content.decode()}END")
    site.camera.run(
        f"rm -rf {CONSUMER}/device && systemctl restart flotta-gateway flotta-device-worker"
    )


def failed_handshakes(site: Site) -> set[str]:
    """Return what the Edge API says of them; every line has the client's port or a time."""
    lines = site.control_plane.edge_api_log("10m").splitlines()
    return {line for line in lines if "TLS handshake with" in line}


@pytest.mark.parametrize("kind", ["self-made", "of another CA", "issued by a device"])
def test_a_foreign_certificate_is_refused_and_the_journal_says_why(
    site: Site, stranger: None, kind: str
) -> None:
    if kind == "issued by a device":
        pair = f"{CONSUMER}/device/current"
        signer = tuple(site.camera.run(f"cat {pair}/{n}.pem").encode() for n in ("cert", "key"))
    else:
        signer = authority("flotta-operator")
    certificate, key = issue(signer, "register", self_signed=kind == "self-made")
    if kind == "issued by a device":
        certificate += signer[0]
    before, began = failed_handshakes(site), f"@{int(time.time())}"
    install(site, certificate, key)
    eventually(
        "the device's journal says why",
        lambda: "probably refused" in site.camera.journal("flotta-gateway", since=began),
    )
    eventually("the server logged the failed handshake", lambda: failed_handshakes(site) - before)


def test_no_certificate_at_all_is_refused(site: Site) -> None:
    plane = site.control_plane
    program = (
        "import http.client, ssl; "
        "c = ssl.create_default_context(); c.check_hostname = False; "
        "c.verify_mode = ssl.CERT_NONE; "
        f"h = http.client.HTTPSConnection('{plane.address}', {plane.port}, context=c, timeout=60); "
        "h.request('GET', '/api/flotta-management/v1/data/till-1/in'); "
        "print(h.getresponse().status)"
    )
    output = site.till.run(f'python3 -c "{program}" 2>&1', check=False)
    assert not any(line.isdecimal() for line in output.splitlines()), output
    # The answer is an alert; a server that hangs up right after it may take it back.
    ends = ("closed", "alert", "reset by peer", "Broken pipe")
    assert any(word in output for word in ends), output


@pytest.mark.on_one_engine
def test_an_unreachable_control_plane_fails_the_device_role_with_a_sentence(site: Site) -> None:
    result = site.playbook("site", "-e", "device_control_plane_address=192.0.2.1")
    assert result.returncode != 0
    output = " ".join((result.stdout + result.stderr).split())
    port = site.control_plane.port
    assert f"till-1 does not reach the control plane at 192.0.2.1:{port}" in output
    assert f"TCP port {port}" in output
