"""The payload of a medium: its manifest, and files that device programs understand."""

from __future__ import annotations

import configparser
import stat
import tomllib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from flotta.gateway.settings import load_settings
from flotta.payload.cpio import Entry, read_archive, write_archive
from flotta.payload.device_files import make_files
from flotta.payload.manifest import Manifest, ManifestError, dump_manifest, parse_manifest
from flotta.payload.network_files import encode_ssid, render_wireless
from flotta.payload.personalisation import (
    Credential,
    NetworkProfile,
    Personalisation,
    WirelessNetwork,
)
from flotta.payload.tree import MANIFEST, PayloadError, PayloadFile, pack, unpack

EPOCH = 1_700_000_000
WANTED = Personalisation(
    server="edge.example:8043",
    credential=Credential(b"certificate", b"key", b"authorities"),
    not_before=EPOCH - 3600,
)
FULL = replace(
    WANTED,
    address="192.0.2.1",
    namespace="shops",
    labels={"site": "berlin"},
    networks=[NetworkProfile("en*", addresses=["192.0.2.7/24"], gateways=["192.0.2.1"])],
    wireless=[WirelessNetwork("shop", "a passphrase")],
    ssh_keys=["ssh-ed25519 AAAA admin"],
    extra_authorities=b"extra",
)


def manifest_of(files: list[PayloadFile]) -> Manifest:
    return Manifest(
        format=1,
        content_id=sha256(b"content").hexdigest(),
        serial_number="2a",
        not_before="2026-01-01T00:00:00Z",
        not_after="2027-01-01T00:00:00Z",
        server=WANTED.server,
        ca_fingerprint=sha256(b"ca").hexdigest(),
        namespace="default",
        release="0.2.0",
        files=[file.describe() for file in files],
    )


def contents(wanted: Personalisation) -> dict[str, str]:
    return {file.path: file.content.decode() for file in make_files(wanted)}


def test_what_is_packed_is_unpacked_with_modes_times_and_secrets() -> None:
    files = list(make_files(FULL))
    preseed = PayloadFile("/preseed.cfg", b"d-i", mtime=EPOCH)
    data = pack(dump_manifest(manifest_of(files)), files, EPOCH, [preseed])

    payload = unpack(data + bytes(512))

    assert payload is not None
    assert [replace(file, mtime=None) for file in payload.files] == [
        replace(file, mtime=None) for file in files
    ]
    assert payload.others == [preseed]
    assert {file.path: file.mtime for file in payload.files}["/usr/lib/clock-epoch"] == EPOCH - 3600
    assert data == pack(dump_manifest(manifest_of(files)), files, EPOCH, [preseed])


def test_the_manifest_comes_first_and_has_no_secret() -> None:
    files = list(make_files(FULL))
    data = pack(dump_manifest(manifest_of(files)), files, EPOCH)

    first = next(entry for entry in read_archive(data) if stat.S_ISREG(entry.mode))

    assert first.name == MANIFEST
    secret = [file for file in parse_manifest(first.content).files if file.secret]
    assert {file.path for file in secret} == {"/etc/pki/consumer/key.pem", "/var/lib/iwd/shop.psk"}
    assert not any(file.sha256 for file in secret)


def test_directories_of_the_system_keep_the_modes_that_they_have_everywhere() -> None:
    entries = read_archive(pack(dump_manifest(manifest_of([])), make_files(FULL), EPOCH))
    modes = {entry.name: stat.S_IMODE(entry.mode) for entry in entries if stat.S_ISDIR(entry.mode)}

    private = {name for name, mode in modes.items() if mode == 0o700}
    assert private == {f"flotta/root/{name}" for name in ("root", "root/.ssh", "var/lib/iwd")}
    assert {modes[name] for name in modes.keys() - private} == {0o755}


def test_a_free_area_has_no_payload_and_others_are_refused() -> None:
    assert unpack(bytes(4096)) is None
    foreign = Entry("init", stat.S_IFREG | 0o755, 0, b"#!/bin/sh")
    half = bytes(512) + pack(dump_manifest(manifest_of([])), make_files(FULL), EPOCH)
    for data in (half, b"garbage" * 100, write_archive([foreign]), write_archive([])):
        with pytest.raises(PayloadError):
            unpack(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{}", "missing required field"),
        (b"[" * 5000, "malformed|deeply|Expected"),
        (b" " * 200_000, "more than"),
        (dump_manifest(manifest_of([])).replace(b'"format": 1', b'"format": 2'), "format 2"),
    ],
)
def test_a_manifest_of_another_form_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(ManifestError, match=problem):
        parse_manifest(data)


def test_a_later_release_may_add_members_to_the_manifest() -> None:
    data = dump_manifest(manifest_of([])).replace(b"{", b'{"added": {"later": true},', 1)
    assert parse_manifest(data) == manifest_of([])


def test_the_gateway_reads_its_configuration(tmp_path: Path) -> None:
    wanted = replace(FULL, tags={"rack": 'a "quoted" one'})
    for file in make_files(wanted):
        (tmp_path / file.path.rpartition("/")[2]).write_bytes(file.content)
    config = tmp_path / "config.toml"
    config.write_text(f'{config.read_text()}client-id = "till-1"\n')

    settings = load_settings(config, tmp_path / "tags.toml")

    assert settings.server == "edge.example:8043"
    assert settings.tags == {"namespace": "shops", "rack": 'a "quoted" one'}
    assert str(settings.key_file) == "/etc/pki/consumer/key.pem"
    labels = tomllib.loads((tmp_path / "labels.toml").read_text())
    assert labels == {"labels": {"site": "berlin"}}


def test_what_is_not_asked_for_is_not_written() -> None:
    assert set(contents(WANTED)) == {
        "/etc/pki/consumer/ca.pem",
        "/etc/pki/consumer/cert.pem",
        "/etc/pki/consumer/key.pem",
        "/etc/yggdrasil/config.toml",
        "/etc/yggdrasil/tags.toml",
        "/usr/lib/clock-epoch",
    }


def test_an_address_of_the_edge_api_becomes_a_line_of_hosts() -> None:
    lines = contents(FULL)["/etc/hosts"].splitlines()
    assert lines[-1] == "192.0.2.1 edge.example"
    assert "127.0.0.1 localhost" in lines


def test_an_interface_gets_its_addresses_and_a_vlan_its_own() -> None:
    plain = contents(FULL)["/etc/systemd/network/10-flotta-0.network"]
    assert "Name=en*" in plain
    assert "Address=192.0.2.7/24" in plain
    assert "DHCP" not in plain

    profile = NetworkProfile(mac="52:54:00:12:34:56", vlan=7)
    files = contents(replace(WANTED, networks=[profile]))
    assert "Id=7" in files["/etc/systemd/network/10-flotta-0.netdev"]
    assert "VLAN=vlan7" in files["/etc/systemd/network/10-flotta-0.network"]
    assert "DHCP=yes" in files["/etc/systemd/network/10-flotta-0-vlan.network"]


def test_an_interface_with_vlans_has_one_file_as_networkd_reads_no_other() -> None:
    own = NetworkProfile("eth0", addresses=["192.0.2.7/24"])
    profiles = [NetworkProfile("eth0", vlan=7), own, NetworkProfile("eth0", vlan=8)]
    files = contents(replace(WANTED, networks=profiles))
    [parent] = [text for text in files.values() if "Name=eth0\n" in text]
    for line in ("VLAN=vlan7", "VLAN=vlan8", "Address=192.0.2.7/24"):
        assert line in parent
    assert "LinkLocalAddressing" not in parent


def test_a_server_by_its_address_needs_no_line_for_its_name() -> None:
    wanted = replace(WANTED, server="192.0.2.1:8043", address="192.0.2.1")
    assert "/etc/hosts" not in contents(wanted)


@pytest.mark.parametrize(
    ("ssid", "name"),
    [("Shop-1 guests_2", "Shop-1 guests_2"), ("Café", "=436166c3a9"), ("a/b", "=612f62")],
)
def test_an_ssid_is_encoded_in_the_name_of_its_file(ssid: str, name: str) -> None:
    assert encode_ssid(ssid) == name


def test_a_passphrase_is_escaped_and_a_derived_key_is_told_apart() -> None:
    networks = [
        WirelessNetwork("one", " back\\slash"),
        WirelessNetwork("two", "0f" * 32, hidden=True),
        WirelessNetwork("three"),
    ]
    files = {file.path: file for file in render_wireless(networks)}

    assert b"Passphrase=\\sback\\\\slash\n" in files["/var/lib/iwd/one.psk"].content
    hidden = configparser.ConfigParser()
    hidden.read_string(files["/var/lib/iwd/two.psk"].content.decode())
    assert hidden["Security"]["PreSharedKey"] == "0f" * 32
    assert hidden["Settings"]["Hidden"] == "true"
    assert files["/var/lib/iwd/three.open"].content == b""


def test_secrets_are_in_no_repr() -> None:
    shown = f"{FULL!r}"
    assert "a passphrase" not in shown
    assert "b'key'" not in shown
