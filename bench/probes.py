"""Measure the CPU time that the probes of a pod cost an idle device.

Method: a device as in tests/pods (podman 4.3 on Debian 12) runs a pod of three containers with a
readiness and a liveness probe each, by httpGet, tcpSocket and exec, every ten seconds as by
default. The CPU time of the whole machine of the device, without that of the containers' own
programs before the probes began, is compared with that of the same pod without probes: worker, OCI
runtime and what the runtime starts. `podman exec` and `crun exec` are compared by one command each.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from pods.device import Device
from pods.materials import BOOKWORM
from pods.pod import container

SETTLE = 60  # seconds after which nothing of the start is left
COMMANDS = 20  # by which the cost of one is measured
SERVER = "mkdir -p /tmp/www; echo fine >/tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
ACTIONS: dict[str, dict[str, Any]] = {
    "server": {"httpGet": {"path": "/", "port": 8080}},
    "main": {"tcpSocket": {"port": 8080}},
    "side": {"exec": {"command": ["true"]}},
}


def make_spec(*, probed: bool) -> dict[str, Any]:
    """Return a pod of three containers, each with two probes or none."""
    patient = {"timeoutSeconds": 30}
    containers = []
    for name, action in ACTIONS.items():
        probes = {"livenessProbe": {**action, **patient}, "readinessProbe": {**action, **patient}}
        script = {"script": SERVER} if name == "server" else {}
        containers.append(container(name, **script, **(probes if probed else {})))
    return {"containers": containers}


def cpu_time(device: Device) -> float:
    """Return the CPU time in seconds of all processes of the device, those that ended included."""
    files = "/sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpuacct/cpuacct.usage"
    for line in device.host.sh(f"cat {files} 2>/dev/null", check=False).splitlines():
        name, _, value = line.rpartition(" ")
        if name == "usage_usec":
            return int(value) / 1e6
        if not name:
            return int(value) / 1e9
    raise SystemExit("The control group of the device does not say what CPU time it took.")


def cost(device: Device, name: str, spec: dict[str, Any], seconds: float) -> float:
    """Return the CPU time in milliseconds a second while a pod runs."""
    with device.running(name, spec):
        time.sleep(SETTLE)
        before, began = cpu_time(device), time.monotonic()
        time.sleep(seconds)
        return 1000 * (cpu_time(device) - before) / (time.monotonic() - began)


def cost_of_command(device: Device, command: str) -> float:
    """Return the CPU time in milliseconds of a shell command."""
    before = cpu_time(device)
    device.host.sh(f"for i in $(seq {COMMANDS}); do {command}; done")
    return 1000 * (cpu_time(device) - before) / COMMANDS


def main() -> None:
    """Print the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="of each of two measurements")
    seconds = parser.parse_args().seconds
    device = Device(BOOKWORM)
    try:
        without = cost(device, "plain", make_spec(probed=False), seconds)
        probed = cost(device, "probed", make_spec(probed=True), seconds)
        print(f"without probes {without:.2f} ms, with six probes {probed:.2f} ms a second")
        print(f"probes: {(probed - without) / 10:.3f} % of a core")
        with device.running("exec", make_spec(probed=False)):
            id_ = device.host.sh("podman container inspect -f '{{.Id}}' exec-main").strip()
            for command in (f"crun exec {id_} true", f"podman exec {id_} true"):
                spent = cost_of_command(device, command)
                print(f"{command.replace(id_, 'ID')}: {spent:.1f} ms of CPU time")
    finally:
        device.close()


if __name__ == "__main__":
    main()
