"""Settings of a medium: what is accepted, and which field is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.images.errors import ImageError
from flotta.images.settings.medium import parse_settings
from flotta.payload.personalisation import NetworkProfile, WirelessNetwork
from small_iso import fleet

MAC = "52:54:00:12:34:56"
SECRET = "correct horse battery"


def test_settings_of_every_kind_are_read(tmp_path: Path) -> None:
    (tmp_path / "extra.pem").write_text(fleet().ca)
    settings = parse_settings(
        fleet().settings(
            server="[2001:db8::1]:443",
            address="2001:db8::1",
            batch="berlin-2027",
            namespace="default",
            device_id="till-1.berlin",
            labels={"site": "berlin", "example.com/floor": "2"},
            tags={"rack": "7"},
            network=[
                {"interface": "en*"},
                {
                    "mac": "52:54:00:AB:CD:EF",
                    "addresses": ["192.0.2.7/24"],
                    "gateways": ["192.0.2.1"],
                    "dns": ["192.0.2.53"],
                    "vlan": 7,
                },
            ],
            wifi=[{"ssid": "shop", "passphrase": SECRET, "hidden": True}],
            ssh_authorized_keys=["ssh-ed25519 AAAAC3 admin@example"],
            state_disk="/dev/disk/by-id/ata-1",
            extra_ca_file=str(tmp_path / "extra.pem"),
            epoch=1_700_000_000,
        )
    )
    wanted = settings.personalisation
    assert wanted.networks[1] == NetworkProfile(
        "", "52:54:00:ab:cd:ef", ("192.0.2.7/24",), ("192.0.2.1",), ("192.0.2.53",), 7
    )
    assert wanted.wireless == (WirelessNetwork("shop", SECRET, True),)
    assert wanted.labels == {"site": "berlin", "example.com/floor": "2"}
    assert settings.epoch == 1_700_000_000
    assert wanted.not_before == int(settings.credential.peer.not_before.timestamp())


def test_the_usual_port_and_the_namespace_of_the_certificate_need_not_be_given() -> None:
    shops = fleet(("shops", "bars"))
    wanted = parse_settings(shops.settings(server="edge.example", labels=None)).personalisation
    assert wanted.server == "edge.example:8043"
    assert wanted.namespace == "shops"


def test_certificate_key_and_ca_may_be_files(tmp_path: Path) -> None:
    given = fleet().settings()
    files: dict[str, object] = {"server": given["server"]}
    for name in ("certificate", "key", "ca"):
        (tmp_path / name).write_text(str(given[name]))
        files[f"{name}_file"] = str(tmp_path / name)
    assert parse_settings(files) == parse_settings(given)


def test_a_certificate_of_a_long_life_is_worth_a_warning() -> None:
    assert parse_settings(fleet().settings()).credential.warnings == ()
    [warning] = parse_settings(fleet(days=365).settings()).credential.warnings
    assert "364 days" in warning or "365 days" in warning


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"server": None}, "server"),
        ({"server": "https://edge.example"}, "server"),
        ({"server": "edge.example:99999"}, "server"),
        ({"key": None}, "key"),
        ({"certificate_file": "/etc/hosts"}, "certificate"),
        ({"ca": None, "ca_file": "/missing"}, "ca_file"),
        ({"address": "edge"}, "address"),
        ({"namespace": "other"}, "namespace"),
        ({"device_id": "Till 1"}, "device_id"),
        ({"device_id": "register"}, "device_id"),
        ({"labels": ["a"]}, "labels"),
        ({"labels": {"a b": "c"}}, "labels (a name)"),
        ({"labels": {"workload/a": "true"}}, "labels (a name)"),
        ({"labels": {"a": "-"}}, "labels.a"),
        ({"labels": {f"l{index}": "" for index in range(65)}}, "labels"),
        ({"tags": {"namespace": "x"}}, "tags (a name)"),
        ({"tags": {"a": "b\nc"}}, "tags.a"),
        ({"network": {"interface": "eth0"}}, "network"),
        ({"network": [{}]}, "network[0]"),
        ({"network": [{"interface": "eth0", "mac": "52:54:00:ab:cd:ef"}]}, "network[0]"),
        ({"network": [{"interface": "eth0\n"}]}, "network[0].interface"),
        ({"network": [{"mac": "52-54"}]}, "network[0].mac"),
        ({"network": [{"interface": "e", "addresses": ["192.0.2.7"]}]}, "network[0].addresses[0]"),
        ({"network": [{"interface": "e", "gateways": ["192.0.2.1"]}]}, "network[0].gateways"),
        ({"network": [{"interface": "e", "vlan": 4095}]}, "network[0].vlan"),
        ({"network": [{"interface": "e", "colour": "red"}]}, "network[0].colour"),
        ({"network": [{"interface": "e"}] * 33}, "network"),
        ({"wifi": [{"passphrase": SECRET}]}, "wifi[0].ssid"),
        ({"wifi": [{"ssid": "s" * 33}]}, "wifi[0].ssid"),
        ({"wifi": [{"ssid": "s", "passphrase": "short"}]}, "wifi[0].passphrase"),
        ({"wifi": [{"ssid": "s", "passphrase": f"{SECRET}é"}]}, "wifi[0].passphrase"),
        ({"wifi": [{"ssid": "s", "hidden": "yes"}]}, "wifi[0].hidden"),
        ({"ssh_authorized_keys": ["AAAAC3"]}, "ssh_authorized_keys[0]"),
        ({"ssh_authorized_keys": ["ssh-rsa A\ncommand"]}, "ssh_authorized_keys[0]"),
        ({"state_disk": "sda"}, "state_disk"),
        ({"state_disk": "/dev/../etc/passwd"}, "state_disk"),
        ({"extra_ca": "garbage"}, "extra_ca"),
        ({"min_validity": -1}, "min_validity"),
        ({"epoch": True}, "epoch"),
        ({"path_prefix": "a b"}, "path_prefix"),
        ({"batch": "Batch"}, "batch"),
        ({"address": "fe80::1%x evil.example #"}, "address"),
        ({"server": "[::1%a b]:8043"}, "server"),
        (
            {
                "network": [
                    {"interface": "e", "addresses": ["fe80::2/64"], "gateways": ["fe80::1%a\\"]}
                ]
            },
            "network[0].gateways[0]",
        ),
        ({"network": [{"interface": "e", "vlan": 7}, {"mac": MAC, "vlan": 7}]}, "network"),
        ({"network": [{"interface": "e"}, {"interface": "e"}]}, "network"),
        ({"wifi": [{"ssid": "s"}, {"ssid": "s", "passphrase": SECRET}]}, "wifi"),
        ({"wifi": [{"ssid": "s", "passphrase": 1234567890}]}, "wifi[0].passphrase"),
        ({"wifi": [{"ssid": 493}]}, "wifi[0].ssid"),
        ({"wifi": [{"ssid": True}]}, "wifi[0].ssid"),
        ({"wifi": [{"ssid": "a\nb"}]}, "wifi[0].ssid"),
        ({"device_id": 7}, "device_id"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"tags": {"a": False}}, "tags.a"),
        ({"tags": {7: "a"}}, "tags (a name)"),
        ({"state_disk": "serial="}, "state_disk"),
        ({"state_disk": "/dev/"}, "state_disk"),
        ({"ssh_authorized_keys": ["my ssh-key garbage"]}, "ssh_authorized_keys[0]"),
        ({"installer": {"disk": "/dev/../etc/passwd"}}, "installer.disk"),
        ({"installer": {"extra": "d-i preseed/late_command string reboot"}}, "installer.extra"),
        ({"installer": {"extra": "\n d-i  \\\n pkgsel/include string vim"}}, "installer.extra"),
        ({"installer": {"proxy": f"http://user:{SECRET}@proxy:1"}}, "installer.proxy"),
        ({"installer": {"disk": "sda"}}, "installer.disk"),
        ({"installer": {"password_hash": "secret"}}, "installer.password_hash"),
        ({"installer": {"packages": ["vim; rm"]}}, "installer.packages[0]"),
        ({"installer": {"hostname": "a b"}}, "installer.hostname"),
        ({"\x1b[2J": 1}, "␛[2J"),
    ],
)
def test_a_wrong_field_is_named_with_its_path(change: dict[str, object], path: str) -> None:
    with pytest.raises(ImageError) as caught:
        parse_settings(fleet().settings(**change))

    text = str(caught.value)
    assert text.startswith(f"The setting {path} ")
    assert text.endswith("[InvalidSettings]") or path == "extra_ca"
    assert SECRET not in text
    assert fleet().key.splitlines()[1] not in text


def test_a_number_that_yaml_made_of_a_text_is_to_be_put_in_quotes() -> None:
    with pytest.raises(ImageError, match="put it in quotes"):
        parse_settings(fleet().settings(wifi=[{"ssid": "s", "passphrase": 0o123456701}]))


def test_names_and_keys_that_people_have_are_accepted() -> None:
    key = f"restrict,pty ssh-rsa AAAA{'B' * 1400}== admin@example"
    wifi = [{"ssid": "\N{COFFIN}\ufe0f\u200d", "passphrase": SECRET}]
    wanted = parse_settings(fleet().settings(wifi=wifi, ssh_authorized_keys=[key])).personalisation
    assert wanted.ssh_keys == (key,)
    assert wanted.wireless[0].ssid == "\N{COFFIN}\ufe0f\u200d"


@pytest.mark.parametrize(
    "server",
    ["localhost", "LOCALHOST:8043", "a.localhost", "127.0.0.1", "127.1.2.3:1", "[::1]:8043"],
)
def test_a_device_is_not_sent_to_itself(server: str) -> None:
    with pytest.raises(ImageError, match="which is each device itself"):
        parse_settings(fleet().settings(server=server))
