"""A gateway as that of v0.2 on a device: it starts the worker, which joins and runs a pod.

The gateway is a program in Go (`tests/servers/yggdrasil`). What is installed is what
docs/reference/device.md#run-the-worker-under-another-gateway says.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pods import materials
from pods.device import PROGRAMS, WORKER, Device
from pods.host import LIMIT
from pods.materials import ROOT
from servers.foreign_peers import program
from waiting import wait_until

pytestmark = pytest.mark.deep
SERVICE = "/etc/systemd/system/yggd.service"
STATE = "/var/lib/flotta/worker"


@pytest.fixture
def folder(device: Device) -> Iterator[Path]:
    """Stop the worker, put its state aside, and bring both back."""
    folder = device.folder / "yggd"
    folder.mkdir()
    shutil.copy(program(), folder / "yggd")
    device.stop_worker()
    device.host.sh(f"mv {STATE} {STATE}.aside")
    yield folder
    device.host.sh("systemctl stop yggd", check=False)
    device.host.sh(f"rm -rf {STATE} && mv {STATE}.aside {STATE}")
    shutil.rmtree(folder)
    device.start_worker()


@contextlib.contextmanager
def edge_api(device: Device, folder: Path) -> Iterator[Path]:
    """Run the Edge API of the device; yields the file with the reports of its pod."""
    reports = folder / "reports"
    network = f"--net=/proc/{device.host.pid()}/ns/net"
    script = Path(__file__).with_name("edge_api_on_device.py")
    with reports.open("wb") as output:
        process = subprocess.Popen(
            ["nsenter", network, sys.executable, str(script), str(folder)], stdout=output
        )
    try:
        wait_until((folder / "key.pem").exists)
        yield reports
    finally:
        process.terminate()
        process.wait()


def install(device: Device, folder: Path) -> None:
    path = f"{ROOT / 'src'}:{materials.packages(device.world)}"
    device.host.write(  # its gateway passes no PYTHONPATH on
        f"{PROGRAMS}/worker-of-yggd",
        f"#!/bin/sh\nPYTHONPATH={path} exec /usr/bin/python3 -m flotta.cli.device_worker\n",
    )
    device.host.write(
        "/etc/yggdrasil/workers/device-worker.toml",
        f'exec = "{PROGRAMS}/worker-of-yggd"\nprotocol = "grpc"\nenv = ["HOME=/root"]\n',
    )
    device.host.write(
        SERVICE,
        f"[Service]\nEnvironment=PYTHONPATH={path}\nRestart=on-failure\n"
        "ExecStartPre=-/usr/bin/python3 -m flotta.worker.own_certificate\n"
        f"ExecStart={folder}/yggd gateway --config {folder}/config.toml"
        " --workers /etc/yggdrasil/workers --poll 1s\n",
    )
    device.host.sh(f"chmod 755 {PROGRAMS}/worker-of-yggd && systemctl daemon-reload")


def test_it_starts_the_worker_which_joins_and_runs_a_pod_until_it_is_disconnected(
    device: Device, folder: Path
) -> None:
    with edge_api(device, folder) as reports:
        install(device, folder)
        device.host.sh("systemctl start yggd")
        wait_until(lambda: '"Running"' in reports.read_text(), LIMIT)
        assert device.pod_names() == ["web"]
        container = device.host.run("podman", "ps", "-q", "--filter", "name=web-main")
        key = (folder / "key.pem").read_bytes()

        device.host.sh("systemctl stop yggd")
        (folder / "key.pem").write_text("torn by a power cut")
        before = len(reports.read_text())
        device.host.sh("systemctl start yggd")
        wait_until(lambda: '"Running"' in reports.read_text()[before:], LIMIT)
        assert (folder / "key.pem").read_bytes() == key
        assert device.host.run("podman", "ps", "-q", "--filter", "name=web-main") == container

        (folder / "disconnect").touch()
        wait_until(lambda: device.pod_names() == [], LIMIT)
        wait_until(lambda: device.host.run("ls", "-A", STATE) == "", LIMIT)
        assert (folder / "key.pem").read_bytes() == key
    assert WORKER not in device.host.sh("systemctl list-units --state=active --plain")
