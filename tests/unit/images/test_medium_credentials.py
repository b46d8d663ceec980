"""Certificates and keys of a medium: what is taken of them, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.identity.authority import Authority
from flotta.identity.keys import load_key
from flotta.images.errors import ImageError
from flotta.images.settings.credential import check_credential
from flotta.images.settings.medium import parse_settings
from flotta.payload.device_files import make_files
from small_iso import fleet


@pytest.mark.parametrize("name", ["certificate", "ca", "extra_ca"])
@pytest.mark.parametrize("first", [True, False])
def test_a_private_key_beside_a_certificate_is_refused(name: str, first: bool) -> None:
    pem = str(fleet().settings(extra_ca=fleet().ca)[name])
    both = fleet().key + pem if first else pem + fleet().key
    with pytest.raises(ImageError, match=f"setting {name} has a private key too") as caught:
        parse_settings(fleet().settings(**{name: both}))
    assert caught.value.reason == "InvalidSettings"
    assert fleet().key.splitlines()[1] not in str(caught.value)


def test_certificates_alone_are_taken_from_what_is_given() -> None:
    other = "-----BEGIN SECRET-----\nAAAA\n-----END SECRET-----\n"
    given = {name: str(fleet().settings()[name]) for name in ("certificate", "ca")}
    noisy = {name: f"# a comment\n{pem}{other}" for name, pem in given.items()}
    settings = parse_settings(fleet().settings(**noisy, extra_ca=noisy["ca"]))

    contents = {file.path: file.content for file in make_files(settings.personalisation)}

    assert contents["/etc/pki/consumer/cert.pem"].decode() == given["certificate"]
    for path in ("/etc/pki/consumer/ca.pem", "/etc/ssl/certs/flotta-extra.pem"):
        assert contents[path].decode() == given["ca"]


def with_validity(start: timedelta, end: timedelta) -> str:
    """Return the CA of the fleet with another validity, from now."""
    key = load_key(fleet().authority.key_pem)
    found, now = fleet().authority.certificate, datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(found.issuer, found.subject, found.public_key())
        .serial_number(1)
        .not_valid_before(now + start)
        .not_valid_after(now + end)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("start", "end", "reason", "problem"),
    [
        (-15, -5, "CertificateExpired", "The CA .*Test CA.* expired at 20"),
        (-15, 1, "CertificateExpired", "The CA .*Test CA.* expires at 20.* 3 days at least"),
        (5, 10, "CertificateUntrusted", "The CA .*Test CA.* is not valid before 20"),
    ],
)
def test_an_authority_that_is_not_valid_then(
    start: int, end: int, reason: str, problem: str
) -> None:
    authority = with_validity(timedelta(days=start), timedelta(days=end))
    with pytest.raises(ImageError, match=problem) as caught:
        parse_settings(fleet().settings(ca=authority))
    assert caught.value.reason == reason
    parse_settings(fleet().settings(ca=authority + fleet().ca))  # the same key, valid longer


def test_a_certificate_that_is_not_valid_yet() -> None:
    given = {name: str(fleet().settings()[name]).encode() for name in ("certificate", "key", "ca")}
    before = datetime.now(UTC) - timedelta(days=20)
    with pytest.raises(ImageError, match="is not valid before 20") as caught:
        check_credential(given["certificate"], given["key"], given["ca"], timedelta(), before)
    assert caught.value.reason == "CertificateUntrusted"


def test_an_expired_authority_that_issued_nothing_here_may_stay_in_the_bundle() -> None:
    old = Authority.create("Old CA", days=10, since=datetime.now(UTC) - timedelta(days=15))
    bundle = old.certificate_pem.decode() + fleet().ca
    assert parse_settings(fleet().settings(ca=bundle)).credential.warnings == ()
