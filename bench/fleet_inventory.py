"""Measure how fast Ansible has the inventory of a large fleet.

Method: the embedded resource API as a process, with N EdgeDevices of the size that a small computer
reports (hardware with all flags of its CPU, ten labels, two workloads, five conditions). One is
made through the API, the others are copies of its row in the database. Each run is a new process of
Ansible that reads one inventory file:

* read: from the first request to the last group, without a cache;
* cached: the same from the cache, after the server was stopped, so that no request is part of it;
* listed: `ansible-inventory --list` of that from start to end, mostly what Ansible does with hosts;
* static: `ansible-inventory --list` of a script that prints the same hosts and variables.

The CPU time of read and cached is that of the same span in the process of Ansible, of listed and
static that of the whole process. Say the load of the machine with a result: what other processes
take counts as seconds, not as CPU time.
Usage: PYTHONPATH=src:tests python bench/fleet_inventory.py [devices] [runs] [other python]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from contract.api import MERGE, Api
from contract.engine import Engine
from flotta.apiserver.storage.checksums import checksum_row

ROOT = Path(__file__).parents[1]
DEVICES = "/apis/management.project-flotta.io/v1alpha1/namespaces/default/edgedevices"
FIRST = "device-00000"


class Run(NamedTuple):
    """A process of Ansible."""

    seconds: float
    cpu_seconds: float
    printed: str


TIMED = """
import sys, time
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([])
start, cpu = time.monotonic(), time.process_time()
inventory = InventoryManager(loader=DataLoader(), sources=[sys.argv[1]])
seconds, spent = time.monotonic() - start, time.process_time() - cpu
print(seconds, spent, len(inventory.hosts), len(inventory.groups))
"""


def device_labels(number: int) -> dict[str, str]:
    """Return the labels of a device: six that its hardware gives, and some of an administrator."""
    return {
        "role": ("till", "camera", "kiosk")[number % 3],
        "site": f"site-{number % 200}",
        "flotta/member-of": f"set-{number % 20}",
        "workload/os-stats": "true",
        "device.hostname": f"device-{number:05}",
        "device.cpu-architecture": "x86_64",
        "device.cpu-model": "intelratomtmprocessorx6413e",
        "device.system-manufacturer": "acme",
        "device.system-product": f"box-{number % 5}",
        "device.system-serial": f"serial{number:05}",
    }


def device_status() -> dict[str, Any]:
    """Return the status of a device that is ready."""
    moment = "2026-11-30T07:00:00Z"
    return {
        "phase": "up",
        "lastSeenTime": moment,
        "agentVersion": "0.2.0",
        "lastSyncedResourceVersion": "a" * 64,
        "conditions": [
            {
                "type": name,
                "status": "True",
                "reason": "AsExpected",
                "message": "All is as it should be.",
                "lastTransitionTime": moment,
            }
            for name in ("Ready", "Configured", "Accepted", "StorageReady", "Updatable")
        ],
        "workloads": [
            {"name": name, "phase": "Running", "ready": True, "lastTransitionTime": moment}
            for name in ("os-stats", "till-software")
        ],
        "hardware": device_hardware(),
        "certificate": {"notBefore": moment, "notAfter": moment, "serialNumber": "1f" * 10},
    }


def device_hardware() -> dict[str, Any]:
    """Return a hardware report."""
    return {
        "hostname": "device",
        "boot": {"currentBootMode": "uefi"},
        "cpu": {
            "architecture": "x86_64",
            "modelName": "Intel Atom x6413E",
            "count": 4,
            "flags": [f"flag{number}" for number in range(120)],
        },
        "memory": {"physicalBytes": 8 << 30, "usableBytes": 7 << 30},
        "systemVendor": {"manufacturer": "ACME", "productName": "Box", "serialNumber": "123"},
        "interfaces": [
            {
                "name": f"eth{number}",
                "flags": ["up", "broadcast", "multicast"],
                "hasCarrier": True,
                "ipv4Addresses": [f"10.20.{number}.7/16"],
                "ipv6Addresses": ["fe80::1/64", "fd00::7/64"],
                "macAddress": "52:54:00:12:34:56",
                "mtu": 1500,
            }
            for number in range(2)
        ],
        "disks": [{"name": "sda", "path": "/dev/sda", "sizeBytes": 64 << 30, "model": "Disk"}],
        "gpus": [],
        "mounts": [{"device": "/dev/sda1", "folder": "/", "type": "ext4", "options": "rw"}],
    }


def fill(engine: Engine, count: int) -> int:
    """Give the engine so many devices; returns the bytes of one."""
    engine.start()
    api = Api(engine.kubeconfig("admin"))
    body = {
        "apiVersion": "management.project-flotta.io/v1alpha1",
        "kind": "EdgeDevice",
        "metadata": {"name": FIRST, "labels": device_labels(0)},
        "spec": {"heartbeat": {"periodSeconds": 60}},
    }
    created = api.request("POST", DEVICES, body)
    assert created.status == 201, created.body
    status = {"status": device_status()}
    written = api.request("PATCH", f"{DEVICES}/{FIRST}/status", status, MERGE)
    assert written.status == 200, written.body
    engine.stop()
    with engine.connection() as connection:
        query = "SELECT resource, namespace, version, body FROM objects WHERE name = ?"
        resource, namespace, version, stored = connection.execute(query, (FIRST,)).fetchone()
        for number in range(1, count):
            name, copy = f"device-{number:05}", copied(json.loads(stored), number)
            row = (resource, namespace, name, version, copy)
            connection.execute(
                "INSERT INTO objects (resource, namespace, name, version, body, checksum) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*row, checksum_row(*row)),
            )
    return len(stored)


def copied(device: dict[str, Any], number: int) -> bytes:
    """Return the stored form of a device with another name."""
    metadata = device["metadata"]
    metadata |= {"name": f"device-{number:05}", "labels": device_labels(number)}
    metadata["uid"] = f"{metadata['uid'][:-5]}{number:05}"
    for interface in device["status"]["hardware"]["interfaces"]:
        interface["ipv4Addresses"] = [f"10.20.{number // 250 + 2}.{number % 250}/16"]
    return json.dumps(device, separators=(",", ":")).encode()


def timed(command: list[str], environment: dict[str, str]) -> Run:
    """Run a command, which must succeed without a warning."""
    before, start = os.times(), time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    seconds, after = time.monotonic() - start, os.times()
    spent = sum(after[2:4]) - sum(before[2:4])
    return Run(seconds, spent, done.stdout)


def report(name: str, runs: list[Run]) -> None:
    """Print the median of the seconds of some runs, and of their CPU time."""
    seconds = statistics.median(run.seconds for run in runs)
    spent = statistics.median(run.cpu_seconds for run in runs)
    print(f"{name:8} {seconds:6.2f} s, {spent:6.2f} s of CPU time", flush=True)


def plugin_run(python: str, file: Path, environment: dict[str, str]) -> Run:
    """Return the seconds of reading the inventory file, and those of CPU time."""
    run = timed([python, "-c", TIMED, str(file)], environment)
    seconds, spent, hosts, groups = run.printed.split()
    return Run(float(seconds), float(spent), f"{hosts} hosts, {groups} groups")


def main() -> None:
    """Measure and print."""
    count, runs = (int(text) for text in (*sys.argv[1:3], "10000", "3")[:2])
    python = sys.argv[3] if len(sys.argv) > 3 else sys.executable
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        try:
            measure(engine, count, runs, python)
        finally:
            engine.stop()


def measure(engine: Engine, count: int, runs: int, python: str) -> None:
    """Measure on an engine that has no devices yet."""
    folder, size = engine.folder, fill(engine, count)
    print(f"{count} devices of {size} bytes", flush=True)
    given = {"plugin": "flotta.edge.fleet", "kubeconfig": str(engine.kubeconfig("admin"))}
    cache = {"cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(folder / "cache")}
    fresh, cached = folder / "fresh.flotta.yml", folder / "cached.flotta.yml"
    fresh.write_text(json.dumps(given))
    cached.write_text(json.dumps({**given, **cache, "cache": True}))
    (folder / "ansible.cfg").write_text("[inventory]\nany_unparsed_is_failed = true\n")
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
    }
    whole = [python, "-m", "ansible.cli.inventory", "--list", "-i"]
    engine.start()
    read = [plugin_run(python, fresh, environment) for _ in range(runs)]
    print(read[0].printed)
    report("read", read)
    plugin_run(python, cached, environment)  # fills the cache
    engine.stop()
    report("cached", [plugin_run(python, cached, environment) for _ in range(runs)])
    listed = [timed([*whole, str(cached)], environment) for _ in range(runs)]
    report("listed", listed)
    script = folder / "static"
    script.write_text(f"#!/bin/sh\ncat {folder}/static.json\n")
    script.chmod(0o700)
    (folder / "static.json").write_text(listed[0].printed)
    report("static", [timed([*whole, str(script)], environment) for _ in range(runs)])


if __name__ == "__main__":
    main()
