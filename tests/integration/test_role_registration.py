"""What the role `device` asks of a control plane for a device that joins, has joined, joins again.

Its tasks run on this machine; the device is a client of the tests, and its files are in a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from edge_site import Device, Fleet, Site, edge_site, fleet_of
from test_modules import ROOT

from flotta.identity.authority import CertificateAndKey
from flotta.resources.kinds import SECRET, SIGNED_REQUEST

ROLE = "flotta.edge.device"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with edge_site(tmp_path_factory.mktemp("role-registration")) as started:
        yield started


@pytest_asyncio.fixture
async def fleet(site: Site) -> AsyncIterator[Fleet]:
    async with fleet_of(site) as fleet:
        yield fleet


def run_tasks(site: Site, folder: Path, device_id: str, *names: str) -> dict[str, Any]:
    """Run tasks of the role; return what they know afterwards, and how many of them changed it."""
    shown = {"needed": "{{ __device_needs_registration }}", "ca": "{{ __device_authority }}"}
    shown |= {key: f"{{{{ __device_registration.{key} }}}}" for key in ("certificate", "key")}
    write = {"content": "{{ shown | to_json }}", "dest": f"{folder}/shown.json", "mode": "0600"}
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": name, "public": True}}
        for name in names
    ]
    copy = {"ansible.builtin.copy": write, "vars": {"shown": shown}, "no_log": True}
    tasks.append({**copy, "changed_when": False})
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    (folder / "play.json").write_text(json.dumps(play))
    given = {
        "device_id": device_id,
        "device_control_plane_host": "localhost",
        "device_control_plane_address": "192.0.2.1",
        "device_ready_timeout": 5,
        "__device_kubeconfig": str(site.kubeconfig),
        "__device_engine": "kubernetes",  # no programs have to be installed on this machine
        "__device_operator_namespace": "flotta",
        "__device_current_identity": str(folder),
        "__device_identity": str(folder),
        "ansible_python_interpreter": sys.executable,
    }
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "PYTHONPATH": str(ROOT / "src"),
    }
    command = [sys.executable, "-m", "ansible.cli.playbook", "play.json", "-e", json.dumps(given)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    changed = re.search(r"changed=(\d+)", done.stdout)
    assert changed
    shown_then: dict[str, Any] = json.loads((folder / "shown.json").read_text())
    return {**shown_then, "changed": int(changed[1])}


def batch_of(device_id: str) -> str:
    return f"device-{hashlib.sha256(f'default/{device_id}'.encode()).hexdigest()[:16]}"


def keep(folder: Path, device: Device) -> None:
    """Write the certificate of a device where its gateway has it."""
    assert device.identity is not None
    (folder / "device/1").mkdir(parents=True)
    (folder / "device/current").symlink_to("1")
    (folder / "device/1/cert.pem").write_bytes(device.identity.certificate)


async def test_one_time_batch_lasts_until_the_device_has_joined(
    site: Site, fleet: Fleet, tmp_path: Path
) -> None:
    device = fleet.device("till-once")

    async def run(*names: str) -> dict[str, Any]:
        """Give the device what the role gets for it."""
        told = run_tasks(site, tmp_path, device.device_id, *names)
        if told["key"]:
            (tmp_path / "cert.pem").write_text(told["certificate"])
            (tmp_path / "key.pem").write_text(told["key"])
            await device.use(CertificateAndKey(told["certificate"].encode(), told["key"].encode()))
        return told

    first, again = await run("registration"), await run("registration")
    assert (first["needed"], first["changed"], again["changed"]) == (True, 1, 0)
    assert (await device.enrol()).status == 200  # takes the use
    assert (await run("registration"))["changed"] == 0  # the approval ends with the batch
    await fleet.client.delete(SIGNED_REQUEST, device.device_id, "default")  # as its EdgeDevice was
    second = await run("registration")
    assert (second["changed"], second["certificate"] != first["certificate"]) == (1, True)
    await device.enrol()
    await fleet.approve(device.device_id)
    assert (await run("registration"))["changed"] == 0  # a run in between spoils no approval
    assert (await device.register()).status == 200
    await device.close()

    keep(tmp_path, device)
    assert (await fleet.batch(batch_of(device.device_id)))["data"]["client.key"]
    joined = await run("registration", "joined")
    assert (joined["needed"], joined["changed"]) == (False, 2)  # batch and files
    assert await fleet.client.get_or_none(SECRET, batch_of(device.device_id), "flotta") is None
    assert not list(tmp_path.glob("*.pem"))
    later = await run("registration", "joined")
    assert (later["needed"], later["changed"]) == (False, 0)
    assert later["ca"] == fleet.authority.certificate_pem.decode()  # the device has none
