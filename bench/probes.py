"""Measure the CPU time that the probes of a pod cost an idle device.

Method: a device as in tests/pods (podman 4.3 on Debian 12) runs a pod of three containers with a
readiness and a liveness probe each, by httpGet, tcpSocket and exec, every ten seconds as by
default, in turns with the same pod without probes. In each turn the CPU time of the whole machine
of the device (worker, OCI runtime, what the runtime starts, servers that answer) is measured over a
window that begins when the start of the pod is over. A round is one turn of each; what counts is
the median of the differences of the rounds. An hour is extrapolated from it: probes are periodic,
and nothing of them depends on how long they have been asked. `podman exec` and `crun exec` are
compared by one command each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from pods.device import Device
from pods.materials import BOOKWORM
from pods.pod import container

SETTLE = 30  # seconds after which nothing of the start is left
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


def measure_round(device: Device, seconds: float) -> float:
    """Return what six probes cost, in milliseconds of CPU time a second."""
    without = cost(device, "plain", make_spec(probed=False), seconds)
    probed = cost(device, "probed", make_spec(probed=True), seconds)
    print(f"{without:.2f} ms a second without probes, {probed:.2f} ms with them", flush=True)
    return probed - without


def main() -> None:
    """Print the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="of each window")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    device = Device(BOOKWORM)
    try:
        median = statistics.median(
            measure_round(device, options.seconds) for _ in range(options.rounds)
        )
        print(f"six probes: {median / 10:.3f} % of a core, {3.6 * median:.1f} s of an hour")
        with device.running("exec", make_spec(probed=False)):
            id_ = device.host.sh("podman container inspect -f '{{.Id}}' exec-main").strip()
            for command in (f"crun exec {id_} true", f"podman exec {id_} true"):
                spent = cost_of_command(device, command)
                print(f"{command.replace(id_, 'ID')}: {spent:.1f} ms of CPU time")
    finally:
        device.close()


if __name__ == "__main__":
    main()
