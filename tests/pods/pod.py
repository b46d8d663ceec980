"""A workload's pod on a device: its containers, and what their processes see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pods.control import Control
from pods.host import LIMIT, Host
from pods.materials import IMAGE
from waiting import wait_until

WORKLOAD_LABEL = "project-flotta.io/workload"
SLEEP = "trap 'exit 0' TERM; sleep 86400 & wait"
# Prints what a process may have: limit and request of memory in bytes, quota and period of CPU in
# microseconds.
LIMITS = """(
cd /sys/fs/cgroup
if test -e memory.max; then exec cat memory.max memory.low cpu.max; fi
cat memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes
cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us
)"""


def container(name: str = "main", script: str = SLEEP, **fields: Any) -> dict[str, Any]:
    """Return a container of the sample image that runs a shell script."""
    return {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", script],
        **fields,
    }


@dataclass(frozen=True)
class ContainerState:
    """One container as podman lists it; two starts of one container differ in `started_at`."""

    id: str
    state: str
    exit_code: int
    started_at: int  # seconds since 1970


class Pod:
    """The pod of the workload `name`; `expected` are the names of its regular containers."""

    def __init__(self, host: Host, control: Control, name: str, expected: Sequence[str]) -> None:
        self._host = host
        self._control = control
        self.name = name
        self.expected = tuple(expected)

    def sh(self, command: str, container: str = "main", *, check: bool = True) -> str:
        """Run a shell command in a container; return its output without the last newline."""
        return self._host.run(
            *("podman", "exec", f"{self.name}-{container}", "sh", "-c", command), check=check
        ).removesuffix("\n")

    def logs(self, container: str = "main") -> str:
        """Return what a container has printed since it was made."""
        return self._host.run("podman", "logs", f"{self.name}-{container}")

    def inspect(self, container: str = "main") -> dict[str, Any]:
        """Return what podman knows of a container."""
        found: list[dict[str, Any]] = json.loads(
            self._host.run("podman", "container", "inspect", f"{self.name}-{container}")
        )
        return found[0]

    def containers(self) -> dict[str, ContainerState]:
        """Return the pod's containers by name, without podman's own."""
        listing = self._host.run(
            *("podman", "ps", "--all", "--format", "json"),
            *("--filter", f"label={WORKLOAD_LABEL}={self.name}"),
        )
        return {
            entry["Names"][0].removeprefix(f"{self.name}-"): ContainerState(
                entry["Id"], entry["State"], entry["ExitCode"] or 0, entry["StartedAt"] or 0
            )
            for entry in json.loads(listing or "[]")
            if not entry.get("IsInfra")
        }

    @property
    def unit(self) -> str:
        """The systemd unit that runs the pod."""
        manifest = f"/var/lib/flotta/worker/workloads/{self.name}/pod.yaml"
        return self._host.run("systemd-escape", "--template=podman-kube@.service", manifest).strip()

    def is_running(self) -> bool:
        """Tell whether every regular container runs."""
        states = {name: state.state for name, state in self.containers().items()}
        return all(states.get(name) == "running" for name in self.expected)

    def wait_running(self, seconds: float = LIMIT) -> None:
        """Wait until every regular container runs.

        Raises AssertionError at once when the device reports an error.
        """
        wait_until(lambda: self._raise_error() or self.is_running(), seconds, pause=0.5)

    def _raise_error(self) -> None:
        status = self.status
        if status.get("status") == "Error":
            raise AssertionError(f"{self.name} does not start: {status}")

    @property
    def status(self) -> dict[str, Any]:
        """What the newest heartbeat says: `status` (the phase), `reason`, `message`, and so on."""
        return self._control.status(self.name)

    def wait_phase(self, phase: str, seconds: float = LIMIT) -> dict[str, Any]:
        """Wait until the device reports a phase; return the status."""
        return self._control.wait_status(
            self.name, lambda status: status.get("status") == phase, seconds
        )

    def wait_reason(self, reason: str, seconds: float = LIMIT) -> dict[str, Any]:
        """Wait until the device reports a reason; return the status."""
        return self._control.wait_status(
            self.name, lambda status: status.get("reason") == reason, seconds
        )

    def wait_log(self, text: str, container: str = "main", seconds: float = LIMIT) -> str:
        """Wait until a container has printed a text; return all that it has printed."""
        return wait_until(
            lambda: (text in (log := self.logs(container)) and log) or "", seconds, pause=0.5
        )
