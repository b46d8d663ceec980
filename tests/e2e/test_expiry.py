"""A device whose certificate expired while it was offline comes back by itself.

It can do nothing else before.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from e2e.machines import eventually
from e2e.site import Site

PAIR = "/etc/pki/consumer/device/current"
BEAT = '{"type":"data","directive":"heartbeat","content":{"status":"up"}}'
ASK = """
import http.client, ssl
context = ssl.create_default_context(cafile="/etc/pki/consumer/ca.pem")
context.check_hostname = False
context.load_cert_chain("{pair}/cert.pem", "{pair}/key.pem")
for method, path, body in (
    ("GET", "data/camera-1/in", None),
    ("GET", "control/camera-1/in", None),
    ("POST", "data/camera-1/out", {beat!r}),
):
    connection = http.client.HTTPSConnection("{address}", {port}, context=context, timeout=45)
    headers = {{"Content-Type": "application/json"}}
    connection.request(method, "/api/flotta-management/v1/" + path, body, headers)
    print(connection.getresponse().status)
"""


def expired(site: Site, current: bytes) -> bytes:
    """Return the certificate as the fleet's CA would have issued it two days ago for an hour."""
    secret = site.get("secret", "flotta-ca", "flotta")["data"]
    authority = x509.load_pem_x509_certificate(base64.b64decode(secret["ca.crt"]))
    key = serialization.load_pem_private_key(base64.b64decode(secret["ca.key"]), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    old = x509.load_pem_x509_certificate(current)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(extensions=list(old.extensions))
        .issuer_name(authority.subject)
        .subject_name(old.subject)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=2) + timedelta(hours=1))
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def validity(site: Site) -> datetime:
    pem = site.camera.run(f"cat {PAIR}/cert.pem").encode()
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def test_an_expired_device_gets_401_and_renews_its_certificate_by_itself(site: Site) -> None:
    site.camera.run("systemctl stop flotta-gateway")
    old = expired(site, site.camera.run(f"cat {PAIR}/cert.pem").encode())
    site.camera.run(f"cat > $(readlink -f {PAIR})/cert.pem <<'END'\n{old.decode()}END")
    assert validity(site) < datetime.now(UTC)
    address, port = site.control_plane.address, site.control_plane.port
    ask = ASK.format(pair=PAIR, address=address, port=port, beat=BEAT)
    answers = site.camera.run(f"python3 - <<'END'\n{ask}END").split()
    assert answers == ["401", "401", "401"]
    site.camera.run("systemctl start flotta-gateway")
    eventually("the certificate is renewed", lambda: validity(site) > datetime.now(UTC))
    answers = site.camera.run(f"python3 - <<'END'\n{ask}END").split()
    assert answers == ["200", "200", "200"]
    eventually("the camera is ready", lambda: site.ready("camera-1") == "True")
