"""The roles and playbooks change nothing by surprise, and remove nothing that is not flotta's."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from overlaid_host import OverlaidHost, said

from flotta.identity.authority import Authority

RELEASE = "/opt/flotta/9.9.9+0a1b2c3d"
FOREIGN_CONFIGURATION = '# rhc\nserver = "cert.cloud.redhat.com:443"\n'


@pytest.fixture
def host(tmp_path: Path) -> OverlaidHost:
    return OverlaidHost(tmp_path)


def install_release(host: OverlaidHost, *extras: str) -> None:
    """Make what looks like an installed release."""
    note = {"digest": "0123456789abcdef", "extras": list(extras), "python": "3.11"}
    host.write(f"{RELEASE}/programs.json", json.dumps(note))
    host.write(f"{RELEASE}/bin/flotta")
    host.path("/opt/flotta/current").symlink_to(Path(RELEASE).name)


def install_foreign_identity(host: OverlaidHost) -> dict[str, str]:
    """Write what subscription-manager and rhc have on a host of Red Hat; return path and text."""
    issued = Authority.create("Red Hat Candlepin Authority", "Red Hat, Inc.")
    files = {
        "/etc/pki/consumer/cert.pem": issued.certificate_pem.decode(),
        "/etc/pki/consumer/key.pem": issued.key_pem.decode(),
        "/etc/yggdrasil/config.toml": FOREIGN_CONFIGURATION,
        "/etc/yggdrasil/tags.toml": "group = 'a'\n",
    }
    for place, text in files.items():
        host.write(place, text)
    return files


def unchanged(done: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether a run changed nothing on the host."""
    return re.search(r"^box +: .* changed=0 .* failed=0", done.stdout, re.MULTILINE) is not None


@pytest.mark.parametrize(
    "playbook",
    [
        "site",
        *(pytest.param(name, marks=pytest.mark.deep) for name in ("control_plane", "devices")),
    ],
)
def test_first_run_in_check_mode_says_what_would_be_done_and_does_nothing(
    host: OverlaidHost, playbook: str
) -> None:
    host.variables["flotta_workloads"] = [{"name": "web", "spec": {}}]
    host.variables["operator_kubeconfig"] = str(host.folder / "kubeconfig")
    before = host.written()
    done = host.run(f"flotta.edge.{playbook}", "--check", "--diff")
    assert done.returncode == 0, done.stdout[-4000:]
    text = said(done)
    assert "Would install 9.9.9+" in text
    assert "Would enable and start flotta-" in text
    if playbook != "devices":
        assert "/etc/systemd/system/flotta-edge-api.service" in text
        assert f"Would write {host.folder}/kubeconfig on the controller." in text
    if playbook != "control_plane":
        assert "/etc/pki/consumer/cert.pem" in text
    if playbook == "site":
        assert "this is done by the first run only: workloads web" in text
    assert host.written() == before


@pytest.mark.parametrize(
    "playbook", ["devices", pytest.param("control_plane", marks=pytest.mark.deep)]
)
@pytest.mark.parametrize("mode", [["--check"], pytest.param([], marks=pytest.mark.deep)])
def test_everything_a_host_is_missing_is_named_at_once_and_nothing_is_changed(
    host: OverlaidHost, playbook: str, mode: list[str]
) -> None:
    host.double("podman", "#!/bin/sh\necho podman version 3.4.4\n")
    host.path("/run/systemd/system").rmdir()
    host.variables["programs_python"] = "/usr/bin/python3.8-missing"
    before = host.written()
    text = said(host.run(f"flotta.edge.{playbook}", *mode))
    assert "[systemd] systemd is not the init system" in text
    assert "[python] /usr/bin/python3.8-missing is missing or does not run." in text
    if playbook == "devices":
        assert "3 requirements are not met, and nothing was changed" in text
        assert "[commands] podman is 3.4.4; flotta needs 4.3 or newer. Install the package" in text
    assert host.written() == before


@pytest.mark.parametrize(
    "playbook", ["devices", pytest.param("control_plane", marks=pytest.mark.deep)]
)
def test_host_without_python_gets_the_remedy(host: OverlaidHost, playbook: str) -> None:
    host.variables["ansible_python_interpreter"] = "/usr/bin/python3-missing"
    names = ("podman", "missing-program")
    commands = [{"name": name, "remedy": f"Install {name}."} for name in names]
    needs = {"__device_requirements": {"commands": commands}}
    done = host.run(f"flotta.edge.{playbook}", "--check", **needs)
    assert done.returncode != 0
    text = said(done)
    assert "box does not run Python, which Ansible needs, and nothing was changed" in text
    assert "[python] Install the packages python3 and python3-venv" in text
    if playbook == "devices":
        assert "[commands] missing-program is missing. Install missing-program." in text
        assert "podman is missing" not in text


@pytest.mark.deep  # the Molecule scenario absent sees it on a real site
def test_programs_are_removed_by_their_mark_and_other_files_stay(host: OverlaidHost) -> None:
    install_release(host, "control-plane")
    host.write("/opt/flotta/0.0.9+0a1b2c3d/.flotta-release")
    host.write("/opt/flotta/backup/precious")
    host.write("/opt/flotta/1.0+venv/pyvenv.cfg")
    play = host.folder / "play.json"
    role = {"role": "flotta.edge.programs", "programs_state": "absent"}
    play.write_text(json.dumps([{"hosts": "box", "gather_facts": False, "roles": [role]}]))
    done = host.run(str(play))
    assert done.returncode == 0, done.stdout[-4000:]
    left = {path for path in host.written() if path.startswith("/opt")}
    assert left == {"/opt/flotta/backup/precious", "/opt/flotta/1.0+venv/pyvenv.cfg"}
    assert "/opt/flotta has other files, which stay: 1.0+venv, backup" in said(done)
    assert unchanged(host.run(str(play)))


@pytest.mark.deep
def test_release_of_a_folder_that_is_no_release_is_not_cleaned_up(host: OverlaidHost) -> None:
    """A virtual environment beside the releases is not an old release."""
    host.write("/opt/flotta/venv/pyvenv.cfg")
    host.write("/opt/flotta/0.0.1+0a1b2c3d/programs.json", "{}")
    play = host.folder / "play.json"
    role = {"role": "flotta.edge.programs", "programs_extras": ["sync"]}
    play.write_text(json.dumps([{"hosts": "box", "gather_facts": False, "roles": [role]}]))
    done = host.run(str(play))
    assert done.returncode == 0, done.stdout[-4000:]
    assert host.path("/opt/flotta/venv/pyvenv.cfg").exists()
    assert not host.path("/opt/flotta/0.0.1+0a1b2c3d").is_dir()
    assert (host.path("/opt/flotta/current").resolve() / ".flotta-release").exists()
    assert unchanged(host.run(str(play)))


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_control_plane_on_the_same_host_keeps_its_programs(host: OverlaidHost, again: bool) -> None:
    install_release(host, "control-plane", "device", "sync")
    unit = host.write(
        "/etc/systemd/system/flotta-s3.service", "ExecStart=/opt/flotta/current/bin/flotta-s3\n"
    )
    done = host.run("flotta.edge.devices", device_state="absent")
    assert done.returncode == 0, done.stdout[-4000:]
    assert host.path(f"{RELEASE}/bin/flotta").exists()
    assert "in use by the installation of control-plane, flotta-s3" in said(done)
    assert json.loads(host.path(f"{RELEASE}/programs.json").read_text())["extras"] == [
        "control-plane"
    ]
    assert not again or unchanged(host.run("flotta.edge.devices", device_state="absent"))

    done = host.run("flotta.edge.control_plane", operator_state="absent")
    assert done.returncode == 0, done.stdout[-4000:]
    assert not unit.exists() or unit.is_char_device()
    assert [path for path in host.written() if path.startswith("/opt")] == []


@pytest.mark.deep
def test_device_on_the_same_host_keeps_its_programs(host: OverlaidHost) -> None:
    install_release(host, "control-plane", "device", "sync")
    done = host.run("flotta.edge.control_plane", operator_state="absent")
    assert done.returncode == 0, done.stdout[-4000:]
    assert host.path(f"{RELEASE}/bin/flotta").exists()
    assert "in use by the installation of device, the installation of sync" in said(done)


def test_a_machine_where_flotta_never_was_keeps_everything(host: OverlaidHost) -> None:
    files = install_foreign_identity(host)
    host.write("/opt/flotta/precious")
    host.write("/var/local/yggdrasil/device/volumes/precious")
    empty = host.path("/etc/flotta/device")
    empty.mkdir(parents=True)
    before = host.written()
    for playbook, state in (("devices", "device_state"), ("control_plane", "operator_state")):
        done = host.run(
            f"flotta.edge.{playbook}", **{state: "absent", "operator_delete_data": True}
        )
        assert done.returncode == 0, done.stdout[-4000:]
        assert unchanged(done), done.stdout[-4000:]
    assert host.written() == before
    assert empty.is_dir()
    assert {place: host.path(place).read_text() for place in files} == files


@pytest.mark.parametrize(
    "family", ["foreign files", pytest.param("RedHat", marks=pytest.mark.deep)]
)
def test_device_gets_places_of_its_own_where_those_of_red_hat_are(
    host: OverlaidHost, family: str
) -> None:
    if family == "RedHat":
        host.write("/etc/redhat-release", "Red Hat Enterprise Linux release 9.4 (Plow)\n")
    else:
        install_foreign_identity(host)
    text = said(host.run("flotta.edge.devices", "--check", "--diff", device_id="CAMERA-1"))
    assert 'client-id = "camera-1"' in text
    for place in ("gateway/config.toml", "gateway/tags.toml"):
        assert f"before: /etc/flotta/{place}" in text
    assert "d /etc/flotta/device 0755 root root" in text
    assert "d /etc/pki/consumer" not in text
    assert "before: /etc/yggdrasil" not in text
    assert "flotta-gateway --config /etc/flotta/gateway/config.toml --tags /etc/flotta/gat" in text
    assert "YGG_CONFIG_DIR=/etc/flotta/gateway" in text
    assert 'cert-file = "/etc/flotta/device/cert.pem"' in text


def test_foreign_identity_in_the_chosen_directory_is_a_problem_of_the_host(
    host: OverlaidHost,
) -> None:
    install_foreign_identity(host)
    done = host.run("flotta.edge.devices", device_identity_directory="/etc/pki/consumer")
    assert done.returncode != 0
    assert (
        "[files] /etc/pki/consumer/cert.pem is not a certificate of flotta-operator. Choose "
        "another device_identity_directory, or leave it out." in said(done)
    )


def test_identity_and_settings_of_flotta_are_removed_and_those_of_others_stay(
    host: OverlaidHost,
) -> None:
    files = install_foreign_identity(host)
    registration = Authority.create("Flotta CA", "flotta-operator").issue_registration(["default"])
    host.write("/srv/ids/unrelated")
    host.write("/etc/flotta/device/cert.pem", registration.certificate.decode())
    for name in (
        "key.pem",
        "ca.pem",
        "device/1/cert.pem",
        "device/1/key.pem",
        "device/pending.pem",
    ):
        host.write(f"/etc/flotta/device/{name}")
    host.path("/etc/flotta/device/device/current").symlink_to("1")
    mark = "# Written by the role flotta.edge.device. Changes are lost.\n"
    host.write("/etc/flotta/gateway/config.toml", mark)
    host.write("/etc/flotta/gateway/tags.toml", mark)
    host.write("/etc/tmpfiles.d/flotta-device.conf", mark)
    host.write("/etc/flotta/pki/ca.key", "of the control plane")
    host.write("/var/local/yggdrasil/device/volumes/web/data")
    host.write("/var/lib/flotta/worker/events.json")
    done = host.run("flotta.edge.devices", device_state="absent")
    assert done.returncode == 0, done.stdout[-4000:]
    assert {place: host.path(place).read_text() for place in files} == files
    left = {path for path in host.written() if "flotta" in path or "yggdrasil" in path}
    assert left == {"/etc/flotta/pki/ca.key", *(place for place in files if "yggdrasil" in place)}
    assert "/etc/yggdrasil/config.toml does not contain the mark of flotta" in said(done)


def test_decommissioning_wants_a_word_and_says_what_will_go(host: OverlaidHost) -> None:
    install_release(host, "control-plane", "device", "sync")
    host.groups["flotta_devices"] = ["box", "till-1"]
    before = host.written()
    done = host.run("flotta.edge.decommission")
    assert done.returncode != 0
    text = said(done)
    assert "This decommissions 2 devices: box, till-1. Their workloads stop" in text
    assert "uninstalls the control plane: box with all data." in text
    assert "flotta decommission NAME" in text
    assert "run the playbook again with -e flotta_decommission=yes." in text
    assert text.count("fatal:") == 1
    assert host.written() == before

    done = host.run("flotta.edge.decommission", "--limit", "till-1", flotta_decommission="no")
    assert done.returncode != 0
    assert "This decommissions 1 device: till-1." in said(done)
    assert "The control plane stays, because --limit leaves it out" in said(done)
    assert "flotta_decommission is no, not yes. Nothing was removed yet." in said(done)


@pytest.mark.deep
def test_decommissioning_in_check_mode_removes_nothing_and_with_the_word_the_programs(
    host: OverlaidHost,
) -> None:
    install_release(host, "control-plane", "device", "sync")
    before = host.written()
    checked = host.run("flotta.edge.decommission", "--check")
    assert checked.returncode == 0, checked.stdout[-4000:]
    assert "This decommissions 1 device" in said(checked)
    assert host.written() == before
    done = host.run("flotta.edge.decommission", flotta_decommission="yes")
    assert done.returncode == 0, done.stdout[-4000:]
    assert [path for path in host.written() if path.startswith("/opt")] == []


@pytest.mark.deep
def test_decommissioning_does_not_overrule_an_inventory_that_keeps_the_data(
    host: OverlaidHost,
) -> None:
    host.variables["operator_delete_data"] = False
    kept = host.write("/etc/flotta/pki/ca.key", "key")
    text = said(host.run("flotta.edge.decommission", flotta_decommission=True))
    assert "uninstalls the control plane: box without its data." in text
    assert kept.read_text() == "key"
    del host.variables["operator_delete_data"]
    host.run("flotta.edge.decommission", flotta_decommission="yes")
    assert not kept.exists()


def test_control_plane_stays_while_a_device_was_not_reached(host: OverlaidHost) -> None:
    install_release(host, "control-plane")
    host.groups["flotta_devices"] = ["lost"]
    host.variables["ansible_connection"] = (
        "{{ 'ssh' if inventory_hostname == 'lost' else 'local' }}"
    )
    host.variables |= {"ansible_host": "127.0.0.1", "ansible_port": 1}
    done = host.run("flotta.edge.decommission", flotta_decommission="yes")
    assert done.returncode != 0
    text = said(done)
    assert "The control plane stays, because devices were not decommissioned: lost." in text
    assert "run flotta decommission NAME on the control plane" in text
    assert host.path(f"{RELEASE}/bin/flotta").exists()
    host.run("flotta.edge.decommission", flotta_decommission="yes", flotta_leave_devices="yes")
    assert not host.path(f"{RELEASE}/bin/flotta").exists()


@pytest.mark.parametrize(
    ("playbook", "group"),
    [("site", "flotta_devices"), ("devices", "flotta_devices"), ("status", "flotta_control_plane")],
)
def test_group_that_is_missing_is_named(host: OverlaidHost, playbook: str, group: str) -> None:
    host.groups = {"flotta_control_plane": ["box"]} if playbook != "status" else {}
    done = host.run(f"flotta.edge.{playbook}")
    assert done.returncode != 0
    assert f"The group {group} is missing in the inventory" in said(done)
    assert len(done.stdout.splitlines()) < 22


LEFT_OUT = "--limit leaves no host of the group flotta_devices, so there is nothing to do."


@pytest.mark.parametrize(
    ("playbook", "limit", "sentence"),
    [
        ("devices", "spare", LEFT_OUT),
        ("status", "till-1", "--limit leaves no host of the group flotta_control_"),
        ("site", "spare", "no host of the groups flotta_control_plane or flotta_dev"),
    ],
)
def test_limit_that_leaves_nothing_to_do_is_no_success(
    host: OverlaidHost, playbook: str, limit: str, sentence: str
) -> None:
    # What a local host's address is read from does not exist before the host does.
    host.variables["ansible_host"] = "{{ lookup('ansible.builtin.file', '/nowhere') }}"
    host.groups = {
        "flotta_control_plane": ["box"],
        "flotta_devices": ["till-1"],
        "other": ["spare"],
    }
    done = host.run(f"flotta.edge.{playbook}", "--limit", limit)
    assert done.returncode != 0
    assert sentence in said(done)
    assert len(done.stdout.splitlines()) < 22


def test_site_may_be_limited_to_devices(host: OverlaidHost) -> None:
    host.groups = {"flotta_control_plane": ["box"], "flotta_devices": ["till-1"]}
    done = host.run("flotta.edge.site", "--limit", "till-1", device_control_plane_host="typo")
    assert "till-1 needs a control plane: device_control_plane_host is typo" in said(done)


def test_device_without_a_control_plane_in_the_inventory_fails_with_a_sentence(
    host: OverlaidHost,
) -> None:
    host.groups = {"flotta_devices": ["box"]}
    for given, sentence in (
        (
            {},
            "the inventory has no group flotta_control_plane, or the group is empty. Add the host",
        ),
        ({"device_control_plane_host": "typo"}, "device_control_plane_host is typo, which the"),
    ):
        done = host.run("flotta.edge.devices", **given)
        assert f"box needs a control plane: {sentence}" in said(done)
        assert len(done.stdout.splitlines()) < 36
    here = {"device_control_plane_host": "box", "device_identity_directory": "srv/id"}
    done = host.run("flotta.edge.devices", **here)
    assert "device_identity_directory is srv/id, which is not the absolute path" in said(done)
    done = host.run("flotta.edge.devices", device_control_plane_host="box", device_id="Camera_1")
    assert 'device_id is "Camera_1", which cannot be the id of a device. Set' in said(done)


def test_secrets_are_in_no_output_at_any_verbosity(host: OverlaidHost) -> None:
    files = [
        {"path": "/etc/secret.env", "content": "KEY=topmost\n", "mode": "0600"},
        {"path": "/etc/public.env", "content": "LEVEL=visible\n"},
    ]
    task = {"name": "Write", "flotta.edge.configuration_files": {"files": "{{ files }}"}}
    play = host.folder / "play.json"
    plays = [{"hosts": "box", "gather_facts": False, "tasks": [task]}]
    play.write_text(json.dumps(plays))
    (host.folder / "files.json").write_text(json.dumps({"files": files}))
    done = host.run(str(play), "-vvv", "--diff", "-e", f"@{host.folder / 'files.json'}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "topmost" not in done.stdout + done.stderr
    assert "LEVEL=visible" in done.stdout
    assert host.path("/etc/secret.env").read_text() == "KEY=topmost\n"


@pytest.fixture
def registered(host: OverlaidHost) -> Iterator[dict[str, Any]]:
    """Return what stands in for a control plane: a port, and a registration certificate."""
    for name in ("passwd", "group"):
        lines = Path(f"/etc/{name}").read_text()
        line = {
            "passwd": "flotta-gateway:x:987:987::/:/bin/false\n",
            "group": "flotta-gateway:x:987:\n",
        }
        host.write(f"/etc/{name}", lines + line[name])
    authority = Authority.create("Flotta CA", "flotta-operator")
    issued = authority.issue_registration(["default"])
    certificates = {
        "certificate": issued.certificate.decode(),
        "key": issued.key.decode(),
        "ca": authority.certificate_pem.decode(),
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {
            "device_control_plane_address": "127.0.0.1",
            "device_control_plane_port": server.getsockname()[1],
            "__device_plane": {"stat": {"exists": False}},
            "__device_registration": certificates,
        }


@pytest.mark.deep  # tests/e2e/test_zz_foreign_identity.py moves one in each run, on a host
@pytest.mark.parametrize("again", [False, True])
def test_identity_stays_moves_and_is_removed_with_what_the_device_made(
    host: OverlaidHost, registered: dict[str, Any], again: bool
) -> None:
    files = install_foreign_identity(host)
    own, other = "/etc/flotta/device", "/etc/elsewhere"

    def run(**inputs: Any) -> subprocess.CompletedProcess[str]:
        done = host.run("flotta.edge.devices", **{**registered, **inputs})
        assert done.returncode == 0, done.stdout[-4000:]
        assert {place: host.path(place).read_text() for place in files} == files
        return done

    run()
    assert (
        host.path(f"{own}/cert.pem").read_text()
        == registered["__device_registration"]["certificate"]
    )
    assert host.path("/etc/flotta/gateway/config.toml").exists()
    host.write(f"{own}/device/1/cert.pem", "own certificate")
    host.write(f"{own}/device/1/key.pem", "own key")
    host.path(f"{own}/device/current").symlink_to("1")
    assert not again or unchanged(run())

    both = Authority.create("Flotta CA").certificate_pem.decode()  # while one replaces the other
    both += registered["__device_registration"]["ca"]
    member = {"__device_registration": {"needed": False, "certificate": "", "key": "", "ca": both}}
    run(**member)
    left = {path for path in host.written() if path.startswith(own) and host.path(path).is_file()}
    assert left == {f"{own}/{name}" for name in ("ca.pem", "device/1/cert.pem", "device/1/key.pem")}
    assert host.path(f"{own}/ca.pem").read_text().endswith(f"Changes are lost.\n{both}")
    assert not again or unchanged(run(**member))

    for name in ("cert.pem", "key.pem"):  # what another program or a full disk may leave of it
        host.write(f"{own}/{name}", "")
    run(device_identity_directory=other)
    assert host.path(f"{other}/device/current/key.pem").read_text() == "own key"
    left = {path for path in host.written() if path.startswith(own) and host.path(path).is_file()}
    assert left == {f"{own}/{name}.pem" for name in ("cert", "key")}
    for path in left:
        host.path(path).unlink()
    unit = host.path("/etc/systemd/system/flotta-gateway.service").read_text()
    assert f"ReadWritePaths=-{other}/device" in unit
    assert (
        f'cert-file = "{other}/cert.pem"'
        in host.path("/etc/flotta/gateway/config.toml").read_text()
    )
    assert unchanged(run()), "without the input it stays where it is"

    for name in ("flotta-gateway", "flotta-device-worker"):  # nothing to be told of the removal
        host.path(f"/etc/systemd/system/{name}.service").unlink()
    run(device_state="absent")
    left = {path for path in host.written() if host.path(path).is_file()} - files.keys()
    assert not [path for path in left if "flotta" in path or path.startswith(other)]
