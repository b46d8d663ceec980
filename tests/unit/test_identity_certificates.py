from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flotta.identity.authority import Authority, AuthorityError, CertificateAndKey
from flotta.identity.holder import Peer
from flotta.identity.keys import (
    KeyFormatError,
    PrivateKey,
    key_to_pem,
    load_key,
    new_key,
    new_key_like,
    public_key_fingerprint,
    to_traditional_pem,
)
from flotta.identity.lifetime import covers, load_certificate, renewal_due
from flotta.identity.peers import PeerError, read_peer
from flotta.identity.requests import RequestError, certificate_request, load_request
from pkcs8 import to_pkcs8

UID = "0b6f0f5c-2f10-4a55-8d3e-5f0c2c3e9e0f"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Flotta CA")


def device(
    authority: Authority, device_id: str = "till-7", namespace: str = "shops"
) -> CertificateAndKey:
    key = new_key()
    csr = load_request(certificate_request(key, device_id))
    return CertificateAndKey(
        authority.sign_device(csr, device_id, namespace, UID, 30), key_to_pem(key)
    )


def peer_of(pem: bytes) -> Peer:
    return read_peer(load_certificate(pem).public_bytes(serialization.Encoding.DER))


def verify_by_openssl(tmp_path: Path, ca: bytes, leaf: bytes, purpose: str) -> str:
    (tmp_path / "ca.pem").write_bytes(ca)
    (tmp_path / "leaf.pem").write_bytes(leaf)
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose]
    command += ["-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "leaf.pem")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_new_key_has_the_algorithm_of_the_present_one() -> None:
    for present in (rsa.generate_private_key(65537, 2048).public_key(), new_key().public_key()):
        assert isinstance(new_key_like(present).public_key(), type(present))
    assert isinstance(new_key_like(None), ec.EllipticCurvePrivateKey)


def test_every_class_passes_the_strict_rules_for_its_purpose_only(
    authority: Authority, tmp_path: Path
) -> None:
    server = authority.issue_server(["edge.example", "192.0.2.7"]).certificate
    clients = [
        device(authority).certificate,
        authority.issue_registration(["default", "shops"]).certificate,
        authority.issue_client("flotta-admin", ["system:masters"]).certificate,
    ]
    ca = authority.certificate_pem
    assert ": OK" in verify_by_openssl(tmp_path, ca, server, "sslserver")
    assert "error" in verify_by_openssl(tmp_path, ca, server, "sslclient")
    for client in clients:
        assert ": OK" in verify_by_openssl(tmp_path, ca, client, "sslclient")
        assert "error" in verify_by_openssl(tmp_path, ca, client, "sslserver")


def test_authority_may_sign_leaves_and_a_successor_only(authority: Authority) -> None:
    extensions = load_certificate(authority.certificate_pem).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 1)
    assert usage.critical
    assert usage.value.key_cert_sign


def test_leaf_has_identifiers_and_critical_constraints(authority: Authority) -> None:
    certificate = load_certificate(device(authority).certificate)
    extensions = certificate.extensions
    ca = load_certificate(authority.certificate_pem)
    ca_identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == ca_identifier.digest
    assert extensions.get_extension_for_class(x509.BasicConstraints).critical
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_serials_are_random_and_long(authority: Authority) -> None:
    serials = {load_certificate(device(authority).certificate).serial_number for _ in range(20)}
    assert len(serials) == 20
    assert max(serial.bit_length() for serial in serials) > 128


def test_device_certificate_takes_nothing_from_the_request_but_its_key(
    authority: Authority,
) -> None:
    key = new_key()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "victim"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "other"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        ]
    )
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = load_certificate(authority.sign_device(csr, "till-7", "shops", UID, 30))
    assert certificate.subject.rfc4514_string() == "CN=till-7,OU=shops,O=flotta-operator"
    assert certificate.public_key() == key.public_key()
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_no_leaf_outlives_its_authority() -> None:
    short = Authority.create("short", days=3)
    leaf = load_certificate(short.issue_server(["a"], days=365).certificate)
    assert leaf.not_valid_after_utc == load_certificate(short.certificate_pem).not_valid_after_utc


def test_reserved_and_overlong_device_ids_are_refused(authority: Authority) -> None:
    csr = load_request(certificate_request(new_key(), "x"))
    for reserved in ("register", "flotta-edge-api"):
        with pytest.raises(AuthorityError, match="reserved"):
            authority.sign_device(csr, reserved, "shops", UID, 30)
    with pytest.raises(AuthorityError, match="64"):
        authority.sign_device(csr, "d" * 65, "shops", UID, 30)


@pytest.mark.parametrize(
    "key_format",
    [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8],
)
def test_own_rsa_authority_is_accepted_in_every_key_format(
    key_format: serialization.PrivateFormat, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = self_signed_authority(key)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        key_format,
        serialization.NoEncryption(),
    )
    own = Authority.from_pem(certificate, pem)
    assert ": OK" in verify_by_openssl(tmp_path, certificate, device(own).certificate, "sslclient")


def self_signed_authority(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Our company")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=100))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_sec1_keys_of_the_reference_are_read() -> None:
    key = new_key()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    assert b"BEGIN EC PRIVATE KEY" in pem
    loaded = load_key(pem)
    assert public_key_fingerprint(loaded.public_key()) == public_key_fingerprint(key.public_key())
    assert key_to_pem(loaded) == pem


@pytest.mark.parametrize(
    ("key", "label"),
    [
        (new_key(), b"-----BEGIN EC PRIVATE KEY-----\n"),
        (ec.generate_private_key(ec.SECP384R1()), b"-----BEGIN EC PRIVATE KEY-----\n"),
        (rsa.generate_private_key(65537, 2048), b"-----BEGIN RSA PRIVATE KEY-----\n"),
        (ed25519.Ed25519PrivateKey.generate(), b"-----BEGIN PRIVATE KEY-----\n"),
    ],
    ids=["P-256", "P-384", "RSA", "Ed25519"],
)
def test_keys_are_written_in_the_form_that_v02_reads_if_they_have_one(
    key: PrivateKey, label: bytes
) -> None:
    rewritten = to_traditional_pem(to_pkcs8(key))

    assert rewritten.startswith(label)
    assert load_key(rewritten).public_key() == key.public_key()
    assert to_traditional_pem(rewritten) == rewritten == key_to_pem(key)


def test_key_behind_its_curve_is_rewritten_because_v02_reads_the_first_block() -> None:
    key = new_key()
    curve = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert to_traditional_pem(curve + key_to_pem(key)) == key_to_pem(key)


def test_unreadable_and_weak_keys_are_refused() -> None:
    weak = ec.generate_private_key(ec.SECP192R1())
    pem = weak.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for text in (pem, b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(KeyFormatError):
            load_key(text)


def test_certificate_and_key_of_an_authority_have_to_fit_and_to_be_an_authority(
    authority: Authority,
) -> None:
    with pytest.raises(AuthorityError, match="does not belong"):
        Authority.from_pem(authority.certificate_pem, key_to_pem(new_key()))
    leaf = authority.issue_server(["a"])
    with pytest.raises(AuthorityError, match="not a CA"):
        Authority.from_pem(leaf.certificate, leaf.key)


def test_bundle_issues_with_the_certificate_of_the_key(authority: Authority) -> None:
    other = Authority.create("older CA")
    bundle = other.certificate_pem + authority.certificate_pem
    both = Authority.from_pem(bundle, authority.key_pem)
    assert both.certificate_pem == bundle
    issuer = load_certificate(both.issue_server(["a"]).certificate).issuer
    assert issuer == load_certificate(authority.certificate_pem).subject


def test_request_with_a_broken_self_signature_is_refused() -> None:
    request = load_request(certificate_request(new_key(), "till-7"))
    der = bytearray(request.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(RequestError, match="not signed by its own key"):
        load_request(forged)


@pytest.mark.parametrize("text", ["", "nonsense", "x" * 20_000])
def test_unreadable_requests_are_refused(text: str) -> None:
    with pytest.raises(RequestError):
        load_request(text)


def test_device_peer_is_read_from_the_leaf(authority: Authority) -> None:
    peer = peer_of(device(authority).certificate)
    assert (peer.kind, peer.device_id, peer.namespace, peer.uid) == (
        "device",
        "till-7",
        "shops",
        UID,
    )
    assert peer.valid_at(datetime.now(UTC))
    assert not peer.valid_at(NOW + timedelta(days=31))
    assert not peer.valid_at(NOW - timedelta(days=1))


def test_registration_peer_lists_its_namespaces(authority: Authority) -> None:
    peer = peer_of(authority.issue_registration(["default", "shops"]).certificate)
    assert (peer.kind, peer.device_id, peer.uid) == ("registration", "", None)
    assert peer.namespaces == ("default", "shops")


def test_other_classes_are_no_peers(authority: Authority) -> None:
    with pytest.raises(PeerError, match="server certificate"):
        peer_of(authority.issue_server(["edge.example"]).certificate)
    with pytest.raises(PeerError, match="CA certificate"):
        peer_of(authority.certificate_pem)
    with pytest.raises(PeerError, match="organization"):
        peer_of(authority.issue_client("flotta-admin", ["system:masters"]).certificate)
    with pytest.raises(PeerError, match="cannot be read"):
        read_peer(b"nonsense")


def reference_certificate(common_name: str, units: tuple[str, ...] = ()) -> bytes:
    """Return what v0.2 issued: both usages, no basic constraints, no UID."""
    key = new_key()
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "flotta-operator")]
    attributes += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    name = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_certificates_of_the_reference_are_understood() -> None:
    device_peer = peer_of(reference_certificate("Press-03", ("plant-7",)))
    assert (device_peer.device_id, device_peer.namespace) == ("press-03", "plant-7")
    assert device_peer.uid is None
    assert peer_of(reference_certificate("register")).namespaces == ("default",)


@pytest.mark.parametrize("name", ["*", "Register", "a b", "-x", "a..b", "till/7"])
def test_names_that_are_no_device_ids_are_refused(name: str) -> None:
    with pytest.raises(PeerError, match="not a device id"):
        peer_of(reference_certificate(name, ("default",)))


def test_device_certificate_with_two_namespaces_is_refused() -> None:
    with pytest.raises(PeerError, match="more than one namespace"):
        peer_of(reference_certificate("till-7", ("a", "b")))


def test_names_of_a_server_certificate_are_compared_in_normal_form(authority: Authority) -> None:
    pem = authority.issue_server(["edge.example", "192.0.2.7", "2001:db8::1"]).certificate
    assert covers(pem, ["edge.example", "2001:0db8:0::1"])
    assert not covers(pem, ["edge.example", "192.0.2.8"])


def test_renewal_is_due_after_two_thirds(authority: Authority) -> None:
    pem = authority.issue_server(["a"], days=30).certificate
    assert not renewal_due(pem, NOW + timedelta(days=19))
    assert renewal_due(pem, NOW + timedelta(days=21))
