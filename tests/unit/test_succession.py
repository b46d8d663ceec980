"""A CA that takes over from another, as strict verifiers see it that know one of them only."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtensionOID

from authorities import alone
from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.stored_authority import CROSS, StoredAuthority, read_authority
from flotta.identity.authority import Authority, AuthorityError
from flotta.identity.issuers import issued_by
from flotta.identity.keys import key_to_pem, new_key
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import read_peer
from flotta.identity.requests import certificate_request, load_request
from flotta.identity.rollover import Succession, is_of_fleet, succeed


def earlier_authority(path_length: int | None) -> Authority:
    """Return a CA as earlier releases (path length 0) and v0.2 (none) made it."""
    new, key = Authority.create("flotta-ca"), new_key()
    made = new.certificate
    builder = x509.CertificateBuilder(
        issuer_name=made.issuer,
        subject_name=made.subject,
        public_key=key.public_key(),
        serial_number=made.serial_number,
        not_valid_before=made.not_valid_before_utc,
        not_valid_after=made.not_valid_after_utc,
    )
    builder = builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    builder = builder.add_extension(usage, critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = builder.add_extension(issuer, critical=False)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return Authority.from_pem(certificate, key_to_pem(key))


@pytest.fixture(scope="module", params=["own", "earlier", "v0.2"])
def former(request: pytest.FixtureRequest) -> Authority:
    if request.param == "own":
        return Authority.create("flotta-ca")
    return earlier_authority(0 if request.param == "earlier" else None)


@pytest.fixture(scope="module")
def succession(former: Authority) -> Succession:
    return succeed(former)


def verify(
    folder: Path, trusted: bytes, leaf: bytes, sent: bytes, options: Sequence[str] = ()
) -> str:
    for name, content in (("ca", trusted), ("leaf", leaf), ("sent", sent)):
        (folder / name).write_bytes(content)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver"]
    command += [*options, "-verify_hostname", "edge.example", "-CAfile", str(folder / "ca")]
    command += ["-untrusted", str(folder / "sent"), str(folder / "leaf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_server_of_the_new_ca_is_verified_with_the_former_one_alone(
    former: Authority, succession: Succession, tmp_path: Path
) -> None:
    server = succession.authority.issue_server(["edge.example"]).certificate

    assert ": OK" in verify(tmp_path, former.certificate_pem, server, succession.cross)
    assert ": OK" not in verify(tmp_path, former.certificate_pem, server, b"")


def test_who_knows_the_new_ca_or_both_verifies_servers_of_what_it_knows(
    former: Authority, succession: Succession, tmp_path: Path
) -> None:
    new = succession.authority
    server = new.issue_server(["edge.example"]).certificate
    once_more = former.issue_server(["edge.example"]).certificate

    assert ": OK" in verify(tmp_path, alone(new).certificate_pem, server, succession.cross)
    assert ": OK" not in verify(tmp_path, alone(new).certificate_pem, once_more, succession.cross)
    for leaf in (server, once_more):
        assert ": OK" in verify(tmp_path, new.certificate_pem, leaf, succession.cross)


def test_the_cross_certificate_is_the_new_ca_in_the_words_of_the_former_one(
    former: Authority, succession: Succession
) -> None:
    cross, new = load_certificate(succession.cross), succession.authority

    assert issued_by(cross, [former.certificate])
    assert (cross.subject, cross.public_key()) == (
        new.certificate.subject,
        new.certificate.public_key(),
    )
    assert cross.not_valid_after_utc <= former.certificate.not_valid_after_utc
    assert cross.not_valid_before_utc <= datetime.now(UTC)
    own = cross.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_KEY_IDENTIFIER).value
    assert own.key_identifier.hex() == new.identifier


def test_the_bundle_says_which_ca_issues_and_whether_a_former_one_is_left(
    former: Authority, succession: Succession
) -> None:
    new = succession.authority
    assert (former.has_others, new.has_others, alone(new).has_others) == (False, True, False)
    assert new.identifier != former.identifier
    again = Authority.from_pem(new.certificate_pem, new.key_pem)
    assert again.certificate == new.certificate


def test_a_ca_of_the_users_own_pki_is_told_from_one_of_a_fleet(former: Authority) -> None:
    assert is_of_fleet(former.certificate)
    assert not is_of_fleet(Authority.create("Corp CA", "Corp").certificate)


def test_devices_renew_when_the_ca_is_rolled_and_once_more_when_that_has_ended(
    former: Authority, succession: Succession
) -> None:
    new, now = succession.authority, datetime.now(UTC)

    def wants(authority: Authority, issuer: Authority, finished: datetime | None = None) -> bool:
        csr = load_request(certificate_request(new_key(), "till-1"))
        issued = load_certificate(issuer.sign_device(csr, "till-1", "default", "uid", 30))
        peer = read_peer(issued.public_bytes(serialization.Encoding.DER))
        return StoredAuthority(authority, b"", finished).wants_renewal(peer)

    assert not wants(former, former)
    assert wants(new, former)
    assert not wants(new, new)
    assert wants(alone(new), new, now + timedelta(minutes=1))
    assert not wants(alone(new), new, now - timedelta(minutes=1))


def test_devices_do_not_renew_because_of_an_end_that_a_wrong_clock_wrote(
    former: Authority,
) -> None:
    csr = load_request(certificate_request(new_key(), "till-1"))
    issued = load_certificate(former.sign_device(csr, "till-1", "default", "uid", 30))
    peer, now = read_peer(issued.public_bytes(serialization.Encoding.DER)), datetime.now(UTC)
    stored = StoredAuthority(former, b"", now + timedelta(days=365))
    assert not stored.wants_renewal(peer)
    assert stored.wants_renewal(peer, now + timedelta(days=366))


def test_a_certificate_that_another_server_issued_before_it_saw_the_end_is_renewed(
    former: Authority,
) -> None:
    csr = load_request(certificate_request(new_key(), "till-1"))
    issued = load_certificate(former.sign_device(csr, "till-1", "default", "uid", 30))
    peer = read_peer(issued.public_bytes(serialization.Encoding.DER))
    finished = datetime.now(UTC) - timedelta(seconds=10)
    assert StoredAuthority(former, b"", finished).wants_renewal(peer)


def stored_after(*rollovers: bytes, authority: Authority) -> StoredAuthority:
    data = {"ca.crt": authority.certificate_pem, "ca.key": authority.key_pem}
    return read_authority(
        StoredSecret("flotta-ca", {**data, CROSS: b"".join(rollovers)}, "1", False)
    )


def test_who_knows_the_first_ca_alone_verifies_servers_after_three_rollovers(
    former: Authority, succession: Succession, tmp_path: Path
) -> None:
    second = succeed(alone(succession.authority))
    third = succeed(alone(second.authority))
    stored = stored_after(
        third.cross, second.cross, succession.cross, authority=alone(third.authority)
    )
    server = third.authority.issue_server(["edge.example"]).certificate

    assert ": OK" in verify(tmp_path, former.certificate_pem, server, stored.cross)
    assert ": OK" not in verify(tmp_path, former.certificate_pem, server, third.cross)


def test_of_a_chain_only_what_vouches_for_the_ca_is_served(
    former: Authority, succession: Succession
) -> None:
    stranger, second = succeed(former), succeed(alone(succession.authority))
    new = alone(second.authority)

    assert stored_after(second.cross, stranger.cross, authority=new).cross == second.cross
    assert stored_after(succession.cross, second.cross, authority=new).cross == b""
    assert stored_after(b"nonsense", authority=new).cross == b""


def expired_authority() -> Authority:
    begin = datetime.now(UTC) - timedelta(days=3651)
    return Authority.create("flotta-ca", days=-1, since=begin)


def test_an_expired_ca_issues_nothing_but_vouches_for_its_successor(tmp_path: Path) -> None:
    expired = expired_authority()
    with pytest.raises(AuthorityError, match="Roll it over: flotta certificates roll-ca"):
        expired.issue_server(["edge.example"])

    succession = succeed(expired)

    cross = load_certificate(succession.cross)
    assert issued_by(cross, [expired.certificate])
    end = expired.certificate.not_valid_after_utc
    assert cross.not_valid_before_utc < cross.not_valid_after_utc == end
    server = succession.authority.issue_server(["edge.example"]).certificate
    assert "expired" in verify(tmp_path, expired.certificate_pem, server, succession.cross)
    ignoring = ["-no_check_time"]  # as devices, whose clocks may be wrong
    verified = verify(tmp_path, expired.certificate_pem, server, succession.cross, ignoring)
    assert ": OK" in verified


def test_devices_forget_the_former_ca_also_beside_a_root_of_others(
    former: Authority, succession: Succession
) -> None:
    root, new = Authority.create("Corp Root", "Corp"), alone(succession.authority)
    both = Authority(new.certificate, new._key, new.certificate_pem + root.certificate_pem)
    csr = load_request(certificate_request(new_key(), "till-1"))
    issued = load_certificate(new.sign_device(csr, "till-1", "default", "uid", 30))
    peer, now = read_peer(issued.public_bytes(serialization.Encoding.DER)), datetime.now(UTC)
    finished = now + timedelta(minutes=1)
    assert StoredAuthority(both, b"", finished).wants_renewal(peer)
    assert not StoredAuthority(both, b"").wants_renewal(peer)
