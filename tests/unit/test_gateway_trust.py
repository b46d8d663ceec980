"""Which CAs a device trusts."""

from __future__ import annotations

from pathlib import Path

import pytest

from authorities import alone
from flotta.gateway.identity import Identity
from flotta.gateway.identity_store import IdentityStore
from flotta.identity.authority import Authority
from flotta.identity.requests import load_request
from flotta.identity.rollover import Succession, succeed
from flotta.identity.ssl_contexts import client_context

DEVICE = "till-7"


@pytest.fixture(scope="module")
def former() -> Authority:
    return Authority.create("flotta-ca")


@pytest.fixture(scope="module")
def succession(former: Authority) -> Succession:
    return succeed(former)


@pytest.fixture(scope="module")
def rolled(succession: Succession) -> Authority:
    return succession.authority


@pytest.fixture(scope="module")
def cross(succession: Succession) -> bytes:
    return succession.cross


@pytest.fixture
def pki(tmp_path: Path, former: Authority) -> Path:
    registration = former.issue_registration()
    (tmp_path / "ca.pem").write_bytes(former.certificate_pem)
    (tmp_path / "cert.pem").write_bytes(registration.certificate)
    (tmp_path / "key.pem").write_bytes(registration.key)
    return tmp_path


def open_store(pki: Path) -> IdentityStore:
    registration = (pki / "cert.pem", pki / "key.pem")
    return IdentityStore(pki / "device", registration, (pki / "ca.pem",), DEVICE)


def install(pki: Path, authority: Authority, bundle: bytes = b"", cross: bytes = b"") -> Identity:
    store = open_store(pki)
    csr = load_request(store.ensure_pending_key().sign_request(DEVICE))
    certificate = authority.sign_device(csr, DEVICE, "default", "uid", 30)
    return store.install(certificate, bundle, cross)


def test_the_cas_that_came_with_a_certificate_count_instead_of_ca_root(
    pki: Path, rolled: Authority, cross: bytes
) -> None:
    root = (pki / "ca.pem",)
    assert open_store(pki).trusted == root
    install(pki, rolled)
    assert open_store(pki).trusted == root  # of a control plane of an earlier release
    install(pki, rolled, rolled.certificate_pem, cross)

    store = open_store(pki)
    assert store.trusted == rolled.certificate_pem
    identity = store.load_current()
    assert identity.cert_path.parent.name == "2"
    identity.key.present(client_context(store.trusted), identity.cert_path)


def test_a_certificate_without_cas_leaves_those_that_count(
    pki: Path, rolled: Authority, cross: bytes
) -> None:
    install(pki, rolled, rolled.certificate_pem, cross)
    install(pki, rolled)
    assert open_store(pki).trusted == rolled.certificate_pem
    assert open_store(pki).load_current().cert_path.parent.name == "2"


def test_another_content_of_ca_root_counts_again(
    pki: Path, rolled: Authority, cross: bytes
) -> None:
    install(pki, rolled, rolled.certificate_pem, cross)
    content = (pki / "ca.pem").read_bytes()
    (pki / "ca.pem").unlink()
    (pki / "ca.pem").write_bytes(content)
    assert open_store(pki).trusted == rolled.certificate_pem

    (pki / "ca.pem").write_bytes(alone(rolled).certificate_pem)
    assert open_store(pki).trusted == (pki / "ca.pem",)
    assert open_store(pki).load_current().is_device


DAMAGE = [None, b"", b"\0" * 500, b"x" * (1 << 20)]


@pytest.mark.parametrize("content", DAMAGE)
def test_damaged_cas_fall_back_to_ca_root_and_the_device_stays_in_its_fleet(
    pki: Path, rolled: Authority, cross: bytes, content: bytes | None
) -> None:
    install(pki, rolled, rolled.certificate_pem, cross)
    damage(pki / "device/1/ca.pem", content)
    assert open_store(pki).trusted == (pki / "ca.pem",)
    assert open_store(pki).load_current().is_device


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_record_of_ca_root_alone_changes_nothing(
    pki: Path, rolled: Authority, cross: bytes, content: bytes | None
) -> None:
    install(pki, rolled, rolled.certificate_pem, cross)
    damage(pki / "device/1/ca-root.sha256", content)
    assert open_store(pki).trusted == rolled.certificate_pem
    assert open_store(pki).load_current().is_device


def damage(file: Path, content: bytes | None) -> None:
    file.unlink() if content is None else file.write_bytes(content)


def test_what_is_not_the_fleets_cas_is_not_taken_over(
    pki: Path, former: Authority, rolled: Authority, cross: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    install(pki, former, former.certificate_pem)
    leaf = former.issue_server(["edge.example"]).certificate
    stranger = Authority.create("flotta-ca").certificate_pem
    for number, refused in enumerate(
        (
            stranger,
            leaf + rolled.certificate_pem,
            b"nonsense",
            rolled.certificate_pem * 9,
            rolled.certificate_pem + b"\n" * (64 << 10),
        ),
        start=1,
    ):
        identity = install(pki, rolled, refused, cross)
        assert identity.is_device
        assert caplog.text.count("[CABundleRefused]") == number
        assert open_store(pki).trusted == former.certificate_pem


def test_a_new_ca_that_none_of_the_known_ones_vouches_for_is_not_taken_over(
    pki: Path, former: Authority, rolled: Authority, cross: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has the key of the server could otherwise become the CA of the device."""
    install(pki, former, former.certificate_pem)
    impostor = succeed(Authority.create("flotta-ca"))
    for vouching in (b"", cross, impostor.cross, impostor.cross + cross):
        bundle = impostor.authority.certificate_pem + former.certificate_pem
        install(pki, impostor.authority, bundle, vouching)
        assert open_store(pki).trusted == former.certificate_pem
    assert caplog.text.count("No CA that this device trusts vouches for the CA") == 4

    install(pki, rolled, rolled.certificate_pem, cross)
    assert open_store(pki).trusted == rolled.certificate_pem


def test_a_device_that_missed_rollovers_follows_the_chain_of_cross_certificates(
    pki: Path, rolled: Authority, cross: bytes
) -> None:
    third = succeed(alone(rolled))
    newest = alone(third.authority)
    install(pki, newest, newest.certificate_pem, third.cross)
    assert open_store(pki).trusted == (pki / "ca.pem",)  # a link is missing
    install(pki, newest, newest.certificate_pem, cross + third.cross)
    assert open_store(pki).trusted == newest.certificate_pem


def test_comments_of_a_bundle_are_not_kept(pki: Path, former: Authority) -> None:
    install(pki, former, "# Größe\n".encode() + former.certificate_pem)
    assert open_store(pki).trusted == former.certificate_pem


def test_ca_root_that_is_unreadable_or_has_other_comments_is_unchanged(
    pki: Path, rolled: Authority, cross: bytes
) -> None:
    install(pki, rolled, rolled.certificate_pem, cross)
    content = (pki / "ca.pem").read_bytes()
    for other in (b"", b"\0\0", b"# ansible managed\n" + content):
        (pki / "ca.pem").write_bytes(other)
        assert open_store(pki).trusted == rolled.certificate_pem
    (pki / "ca.pem").unlink()
    assert open_store(pki).trusted == rolled.certificate_pem


def test_a_new_registration_certificate_brings_a_device_back_to_a_restored_control_plane(
    pki: Path, former: Authority, rolled: Authority, cross: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The backup is older than the rollover: `ca-root` is what it was when the device joined."""
    install(pki, former, former.certificate_pem)
    for name in ("cert.pem", "key.pem"):  # the role removes what is spent
        (pki / name).unlink()
    open_store(pki).mark_used(install(pki, rolled, alone(rolled).certificate_pem, cross))
    assert open_store(pki).load_current().is_device

    registration = former.issue_registration()
    (pki / "cert.pem").write_bytes(registration.certificate)
    assert open_store(pki).load_current().is_device  # its key is not there yet
    (pki / "key.pem").write_bytes(registration.key)

    store = open_store(pki)
    assert store.trusted == (pki / "ca.pem",)
    assert not store.load_current().is_device
    assert "the device registers again" in caplog.text
    install(pki, former, former.certificate_pem)
    (pki / "cert.pem").unlink()
    assert open_store(pki).trusted == former.certificate_pem
    assert open_store(pki).load_current().is_device


def test_a_new_registration_certificate_of_the_same_fleet_leaves_the_identity(
    pki: Path, rolled: Authority, cross: bytes
) -> None:
    install(pki, rolled, rolled.certificate_pem, cross)
    (pki / "ca.pem").write_bytes(rolled.certificate_pem)
    registration = rolled.issue_registration()
    (pki / "cert.pem").write_bytes(registration.certificate)
    (pki / "key.pem").write_bytes(registration.key)
    assert open_store(pki).load_current().is_device
