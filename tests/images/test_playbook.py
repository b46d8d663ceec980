"""The playbook that leads from a control plane to an ISO."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flotta.images.personalise.show import show
from images.materials import CACHE
from images.plane import Plane
from images.qemu import HOST
from pods.materials import ROOT, read_output

pytestmark = [pytest.mark.deep, pytest.mark.timeout(3600)]
COLLECTION = ROOT / "collections/ansible_collections/flotta/edge"


def run(plane: Plane, folder: Path, *options: str) -> str:
    """Run the playbook on this machine as the host of the control plane; return its recap."""
    host = {
        "ansible_connection": "local",
        "ansible_host": HOST,
        "ansible_python_interpreter": sys.executable,
        "operator_edge_api_port": plane.edge.port,
        "programs_directory": str(folder / "programs"),
        "flotta_cache_directory": str(CACHE),
        "device_iso_directory": str(folder / "images"),
        "device_iso_batch": "berlin-2027",
        "device_iso_settings": {"labels": {"room": "12"}},
    }
    inventory = folder / "inventory.yml"
    inventory.write_text(json.dumps({"flotta_control_plane": {"hosts": {"plane": host}}}))
    environment = {
        "KUBECONFIG": str(plane.kubeconfig),
        "PYTHONPATH": str(ROOT / "src"),
        "ANSIBLE_STDOUT_CALLBACK": "default",
        "ANSIBLE_NOCOLOR": "1",
    }
    playbook = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [playbook, "-i", inventory, COLLECTION / "playbooks/device_iso.yml", *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("plane "))


def test_a_second_run_of_the_playbook_changes_nothing(plane: Plane, tmp_path: Path) -> None:
    read_output(str(ROOT / "scripts/wheel.sh"), sys.executable)
    iso = tmp_path / "images/berlin-2027.iso"

    run(plane, tmp_path, "--check")
    assert not iso.exists()
    run(plane, tmp_path, "--diff")
    manifest = show(iso).manifest
    assert manifest is not None
    assert (manifest.batch, manifest.server) == ("berlin-2027", plane.server)
    assert manifest.labels == {"room": "12"}
    assert iso.stat().st_mode & 0o777 == 0o600

    assert "changed=0 " in run(plane, tmp_path)
