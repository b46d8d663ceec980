"""The README of the collection, word by word, on machines without anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from plain_controller import ROOT, PlainController, code_blocks, run

pytestmark = [pytest.mark.deep, pytest.mark.timeout(2400)]
NAME = "flotta-readme"
HOSTS = ("fleet", "till-1", "till-2")  # as in the README


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the folder with key and addresses of containers that a user takes for machines."""
    folder = tmp_path_factory.mktemp("machines")
    site, inventory = folder / "site", folder / "machines.json"
    local = {"localhost": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}}
    names = {"local_hosts_name": NAME, "local_hosts_network": NAME}
    own = {
        "hosts": local,
        "vars": {**names, "local_hosts_directory": str(site)},
        "children": {"flotta_local_hosts": {"hosts": dict.fromkeys(HOSTS)}},
    }
    inventory.write_text(json.dumps({"all": own}))
    playbook = ROOT / ".venv-site/bin/ansible-playbook"
    try:
        run(playbook, "flotta.edge.local_hosts", "-i", inventory, cwd=ROOT)
        yield site
    finally:
        run(playbook, "flotta.edge.local_hosts_absent", "-i", inventory, cwd=ROOT)


def test_the_quick_start_brings_up_a_fleet(controller: PlainController, machines: Path) -> None:
    text = next(block for block in code_blocks() if "[flotta_control_plane]" in block).lstrip()
    for host in HOSTS:
        address = (machines / f"hosts/{host}.address").read_text().strip()
        text, count = re.subn(rf"(?m)^({host} ansible_host=)\S+$", rf"\g<1>{address}", text)
        assert count == 1, text
    (controller.folder / "hosts.ini").write_text(text)
    access = {
        "ANSIBLE_PRIVATE_KEY_FILE": str(machines / "id_ed25519"),
        "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={machines}/hosts/%h.known_hosts",
    }
    command = controller.command_of_readme("ansible-playbook flotta.edge.site -i hosts.ini")
    output = controller.run(command, **access)
    for device in HOSTS[1:]:
        assert re.search(rf"{device} +ready", output), output[-4000:]
    recap = controller.run(command, **access).split("PLAY RECAP")[1]
    assert not re.search(r"changed=[1-9]", recap), recap
