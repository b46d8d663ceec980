"""The identity store survives a power cut after any step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flotta.gateway.device_keys import DeviceKey, FileKey
from flotta.gateway.errors import IdentityUnusable
from flotta.gateway.identity_store import IdentityStore
from flotta.identity.authority import Authority
from flotta.identity.keys import PrivateKey, key_to_pem, load_key, new_key, public_key_fingerprint
from flotta.identity.requests import load_request
from pkcs8 import to_pkcs8

DEVICE = "till-7"
UID = "0b6f0f5c-2f10-4a55-8d3e-5f0c2c3e9e0f"


class PowerCutError(BaseException):
    """Nothing after this point happens."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Flotta CA")


@pytest.fixture
def pki(tmp_path: Path, authority: Authority) -> Path:
    registration = authority.issue_registration()
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "cert.pem").write_bytes(registration.certificate)
    (tmp_path / "key.pem").write_bytes(registration.key)
    return tmp_path


def open_store(pki: Path, device: str = DEVICE) -> IdentityStore:
    registration = (pki / "cert.pem", pki / "key.pem")
    return IdentityStore(pki / "device", registration, (pki / "ca.pem",), device)


def signed(authority: Authority, key: DeviceKey, device: str = DEVICE) -> bytes:
    csr = load_request(key.sign_request(device))
    return authority.sign_device(csr, device, "default", UID, 30)


def install(store: IdentityStore, authority: Authority) -> None:
    store.install(signed(authority, store.ensure_pending_key()), authority.certificate_pem)


def fingerprint(key: DeviceKey | PrivateKey) -> str:
    return public_key_fingerprint(key.public_key())


def test_registration_certificate_is_used_until_there_is_a_device_certificate(
    pki: Path, authority: Authority
) -> None:
    store = open_store(pki)
    assert not store.load_current().is_device
    install(store, authority)
    assert open_store(pki).load_current().is_device
    assert (pki / "cert.pem").exists()


def test_pending_key_is_kept_until_its_certificate_is_installed(
    pki: Path, authority: Authority
) -> None:
    first = fingerprint(open_store(pki).ensure_pending_key())
    assert fingerprint(open_store(pki).ensure_pending_key()) == first
    install(open_store(pki), authority)
    assert fingerprint(open_store(pki).ensure_pending_key()) != first


def test_key_files_are_private(pki: Path, authority: Authority) -> None:
    store = open_store(pki)
    store.ensure_pending_key()
    assert (pki / "device").stat().st_mode & 0o777 == 0o700
    assert (pki / "device/pending.pem").stat().st_mode & 0o777 == 0o600
    install(store, authority)
    assert (pki / "device/current/key.pem").stat().st_mode & 0o777 == 0o600


def key_files(pki: Path) -> dict[str, bytes]:
    found = [*(pki / "device").glob("[0-9]*/key.pem"), pki / "device/pending.pem"]
    return {str(path.relative_to(pki)): path.read_bytes() for path in found}


def test_keys_of_former_releases_are_rewritten_once_and_stay_the_same_keys(
    pki: Path, authority: Authority
) -> None:
    store = open_store(pki)
    install(store, authority)
    install(store, authority)
    store.ensure_pending_key()
    written = key_files(pki)
    for name, pem in written.items():
        (pki / name).write_bytes(to_pkcs8(pem))
    registration = to_pkcs8((pki / "key.pem").read_bytes())
    (pki / "key.pem").write_bytes(registration)
    assert len(written) == 3

    open_store(pki).rewrite_keys()
    assert key_files(pki) == written
    assert all(pem.startswith(b"-----BEGIN EC PRIVATE KEY-----") for pem in written.values())
    assert {(pki / name).stat().st_mode & 0o777 for name in written} == {0o600}
    assert open_store(pki).load_current().is_device
    assert (pki / "key.pem").read_bytes() == registration  # it is Ansible's

    files = [(pki / name).stat().st_ino for name in written]
    open_store(pki).rewrite_keys()
    assert [(pki / name).stat().st_ino for name in written] == files


def test_damaged_key_file_stays_as_it_is(pki: Path, authority: Authority) -> None:
    install(open_store(pki), authority)
    (pki / "device/1/key.pem").write_bytes(b"\0" * 200)
    (pki / "device/pending.pem").mkdir()

    open_store(pki).rewrite_keys()

    assert (pki / "device/1/key.pem").read_bytes() == b"\0" * 200


def test_power_cut_at_any_step_of_rewriting_leaves_the_same_key(
    pki: Path, authority: Authority
) -> None:
    install(open_store(pki), authority)
    path = pki / "device/1/key.pem"
    key, former = load_key(path.read_bytes()), to_pkcs8(path.read_bytes())
    path.write_bytes(former)

    total = steps_of(lambda: open_store(pki).rewrite_keys())
    assert total > 2
    for allowed in range(total):
        path.write_bytes(former)
        cut_after(allowed, lambda: open_store(pki).rewrite_keys())
        assert load_key(path.read_bytes()).public_key() == key.public_key()


def test_former_certificate_stays_until_the_new_one_was_accepted(
    pki: Path, authority: Authority
) -> None:
    store = open_store(pki)
    install(store, authority)
    store.mark_used(store.load_current())
    install(store, authority)
    assert len([identity for identity in store.load_identities() if identity.is_device]) == 2
    store.mark_used(store.load_current())
    assert [
        identity.cert_path.parent.name for identity in store.load_identities() if identity.is_device
    ] == ["2"]


def test_late_response_to_a_former_certificate_does_not_remove_the_new_one(
    pki: Path, authority: Authority
) -> None:
    store = open_store(pki)
    install(store, authority)
    former = store.load_current()
    install(store, authority)
    store.mark_used(former)
    assert [
        identity.cert_path.parent.name for identity in store.load_identities() if identity.is_device
    ] == [
        "2",
        "1",
    ]


@pytest.mark.parametrize("damage", ["truncate", "foreign key", "missing", "garbage"])
def test_damaged_certificate_is_passed_over_for_the_former(
    pki: Path, authority: Authority, damage: str
) -> None:
    store = open_store(pki)
    install(store, authority)
    install(store, authority)
    spoil(pki / "device/2", damage)
    assert open_store(pki).load_current().cert_path.parent.name == "1"
    spoil(pki / "device/1", damage)
    assert not open_store(pki).load_current().is_device


def spoil(folder: Path, damage: str) -> None:
    if damage == "truncate":
        (folder / "cert.pem").write_bytes((folder / "cert.pem").read_bytes()[:100])
    elif damage == "foreign key":
        (folder / "key.pem").write_bytes(key_to_pem(new_key()))
    elif damage == "missing":
        (folder / "key.pem").unlink()
    else:
        (folder / "key.pem").write_bytes(b"\0" * 200)


def test_nothing_usable_is_said_in_a_sentence(pki: Path) -> None:
    (pki / "key.pem").write_bytes(b"")
    with pytest.raises(IdentityUnusable, match="to install the registration certificate"):
        open_store(pki).load_current()


def test_device_that_joined_needs_no_registration_certificate(
    pki: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    install(open_store(pki), authority)
    for name in ("cert.pem", "key.pem"):
        (pki / name).unlink()
    store = open_store(pki)
    store.rewrite_keys()
    assert store.load_current().is_device
    install(store, authority)  # a renewal
    store.mark_used(store.load_current())
    assert [identity.cert_path.parent.name for identity in store.load_identities()] == ["2"]
    assert caplog.text == ""
    store.wipe()
    with pytest.raises(IdentityUnusable, match=r"pods keep running\. Run the role flotta\.edge"):
        store.load_current()


def test_half_a_registration_identity_is_a_fault(
    pki: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    install(open_store(pki), authority)
    (pki / "key.pem").unlink()
    assert open_store(pki).load_current().is_device
    assert f"{pki}/cert.pem is not used" in caplog.text


def test_unfit_certificates_are_not_installed(pki: Path, authority: Authority) -> None:
    store = open_store(pki)
    pending = store.ensure_pending_key()
    for certificate, reason in (
        (signed(authority, FileKey(pki / "none", new_key())), "not for the key"),
        (signed(authority, pending, "other"), "not for this device"),
        (authority.issue_registration().certificate, "not for the key"),
        (b"nonsense", "invalid"),
    ):
        with pytest.raises(IdentityUnusable, match=reason):
            store.install(certificate)
    assert not store.load_current().is_device
    assert fingerprint(store.ensure_pending_key()) == fingerprint(pending)


def test_certificate_of_another_device_id_or_fleet_is_not_used(
    pki: Path, authority: Authority
) -> None:
    install(open_store(pki), authority)
    assert not open_store(pki, "renamed").load_current().is_device
    other = Authority.create("New control plane")
    registration = other.issue_registration()
    (pki / "ca.pem").write_bytes(other.certificate_pem)
    (pki / "cert.pem").write_bytes(registration.certificate)
    (pki / "key.pem").write_bytes(registration.key)
    assert not open_store(pki).load_current().is_device


def test_an_unknown_issuer_alone_does_not_lock_a_device_out(
    pki: Path, authority: Authority
) -> None:
    """With only a root in ca-root, neither issuer is there; the device keeps its identity."""
    install(open_store(pki), authority)
    (pki / "ca.pem").write_bytes(Authority.create("root").certificate_pem)
    assert open_store(pki).load_current().is_device


def test_wipe_leaves_the_registration_identity_only(pki: Path, authority: Authority) -> None:
    store = open_store(pki)
    install(store, authority)
    store.ensure_pending_key()
    (pki / "device/.7.new").mkdir()  # left by a power cut
    store.wipe()
    assert list((pki / "device").iterdir()) == []
    assert not store.load_current().is_device
    store.wipe()


DURABLE_STEPS = ("rename", "replace", "unlink", "fsync", "symlink", "mkdir")


class Cutter:
    """Let a number of file operations happen, then cut the power."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
        self.left = allowed
        for name in DURABLE_STEPS:
            monkeypatch.setattr(os, name, self._guard(getattr(os, name)))

    def _guard(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self.left <= 0:
                raise PowerCutError
            self.left -= 1
            return operation(*args, **kwargs)

        return guarded


def steps_of(work: Callable[[], None]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        cutter = Cutter(patch, 10_000)
        work()
        return 10_000 - cutter.left


def cut_after(allowed: int, work: Callable[[], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Cutter(patch, allowed)
        with pytest.raises(PowerCutError):
            work()


def test_power_cut_at_any_step_of_a_renewal_leaves_a_working_identity(
    pki: Path, authority: Authority
) -> None:
    store = open_store(pki)
    install(store, authority)
    store.mark_used(store.load_current())
    snapshot = pki.parent / f"{pki.name}-snapshot"
    shutil.copytree(pki, snapshot, symlinks=True)

    def renew() -> None:
        fresh = open_store(pki)
        install(fresh, authority)
        fresh.mark_used(fresh.load_current())

    total = steps_of(renew)
    assert total > 10
    for allowed in range(total):
        shutil.rmtree(pki)
        shutil.copytree(snapshot, pki, symlinks=True)
        cut_after(allowed, renew)
        assert_recovers(pki, authority)


def assert_recovers(pki: Path, authority: Authority) -> None:
    """Whatever is there works, and the next renewal ends with one clean generation."""
    store = open_store(pki)
    assert store.load_current().is_device
    install(store, authority)
    store.mark_used(store.load_current())
    current = os.readlink(pki / "device/current")
    assert store.load_current().cert_path.parent.name == current
    names = {entry.name for entry in (pki / "device").iterdir() if entry.name[0] != "."}
    assert names == {current, "current"}


def test_power_cut_during_the_first_registration_asks_with_the_same_key(
    pki: Path, authority: Authority
) -> None:
    """The Edge API has recorded the key: only that one may register again."""
    shutil.rmtree(pki / "device", ignore_errors=True)
    key = open_store(pki).ensure_pending_key()
    snapshot = pki.parent / f"{pki.name}-snapshot"
    shutil.copytree(pki, snapshot, symlinks=True)
    certificate = signed(authority, key)

    def install_it() -> None:
        open_store(pki).install(certificate)

    total = steps_of(install_it)
    for allowed in range(total):
        shutil.rmtree(pki)
        shutil.copytree(snapshot, pki, symlinks=True)
        cut_after(allowed, install_it)
        store = open_store(pki)
        same_key = fingerprint(store.ensure_pending_key()) == fingerprint(key)
        assert same_key or store.load_current().certificate.public_key() == key.public_key()
