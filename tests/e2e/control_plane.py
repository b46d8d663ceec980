"""What tests do to a control plane, on either engine."""

from __future__ import annotations

import json
import re
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from administrator import flotta
from e2e.machines import Host, Machines

NAMESPACE = "flotta"
EDGE_API, OPERATOR = "flotta-edge-api", "flotta-operator"
DEVICES_PORT = 8043


class ControlPlane(ABC):
    """Where devices find it, what it logs, and how it is stopped and started, with its storage."""

    port: int

    def __init__(self, site: Machines):
        self.site = site

    @property
    @abstractmethod
    def address(self) -> str:
        """Address at which devices reach the Edge API."""

    @abstractmethod
    def edge_api_log(self, since: str) -> str:
        """Return what the Edge API logged in the last `1m` or another time."""

    @abstractmethod
    def serves(self) -> bool:
        """Tell whether the Edge API runs as installed."""

    @abstractmethod
    def remains(self) -> list[str]:
        """Return what is installed of it, apart from its data."""

    @abstractmethod
    def registration_secrets(self) -> list[str]:
        """Return the names of what the control plane keeps of certificates and batches."""

    @abstractmethod
    def issue_batch(self, name: str, folder: Path) -> None:
        """Issue a registration batch into client.crt, client.key and ca.crt of a folder."""

    @abstractmethod
    def revoke_batch(self, name: str) -> None:
        """Revoke a batch."""

    @abstractmethod
    def forget_batch(self, name: str, device: str) -> None:
        """Remove what is left of a batch, and of a device that asked to join with it."""

    @abstractmethod
    def stop(self) -> None:
        """Stop everything."""

    @abstractmethod
    def start(self) -> None:
        """Start it again."""


class WithResourceApi(ControlPlane):
    """A control plane with a resource API, whichever serves it."""

    def registration_secrets(self) -> list[str]:
        found = self.site.kubectl("get", "secrets", "-n", NAMESPACE, "-o", "name")
        return [name.removeprefix("secret/") for name in found.split()]

    def issue_batch(self, name: str, folder: Path) -> None:
        self._registration("issue", name, "--output", str(folder))

    def revoke_batch(self, name: str) -> None:
        self._registration("revoke", name)

    def forget_batch(self, name: str, device: str) -> None:
        self.site.kubectl("delete", "secret", name, "-n", NAMESPACE)
        self.site.kubectl("delete", "edgedevicesignedrequest", device, "--ignore-not-found")

    def _registration(self, *arguments: str) -> None:
        done = flotta(self.site.folder / "kubeconfig", "registration", *arguments)
        assert done.returncode == 0, done.stderr


class Embedded(WithResourceApi):
    """One machine with everything on it."""

    port = DEVICES_PORT

    @property
    def address(self) -> str:
        return self.site.storage.address

    def edge_api_log(self, since: str) -> str:
        return self.site.storage.journal("flotta-edge-api", since=f"-{since}in")

    def serves(self) -> bool:
        active = self.site.storage.run(f"systemctl is-active {EDGE_API}", check=False)
        return active == "active\n"

    def remains(self) -> list[str]:
        units = "systemctl list-unit-files --no-legend 'flotta-*'; pgrep --list-full flotta-"
        places = "/opt/flotta /usr/local/bin/flotta /etc/*.d/flotta-* /etc/flotta/*.env"
        found = self.site.storage.run(f"{units}; ls -d {places} 2>/dev/null", check=False)
        return [line for line in found.splitlines() if line != "/etc/flotta/s3-admin.env"]

    def stop(self) -> None:
        self.site.storage.stop()

    def start(self) -> None:
        self.site.storage.start()


class Cluster(WithResourceApi):
    """Pods on a node; the storage is a machine of its own."""

    port = 30043

    def __init__(self, site: Machines):
        super().__init__(site)
        self.node = Host(site, "node")

    @property
    def address(self) -> str:
        return self.node.address

    def edge_api_log(self, since: str) -> str:
        arguments = (
            "logs",
            "-n",
            NAMESPACE,
            "-l",
            f"app.kubernetes.io/name={EDGE_API}",
            "--tail=400",
            f"--since={since}",
        )
        try:
            return self.site.kubectl(*arguments, check=False)
        except subprocess.SubprocessError as error:
            return str(error)

    def serves(self) -> bool:
        return self.available(EDGE_API)

    def remains(self) -> list[str]:
        own = "deployment,service,poddisruptionbudget,serviceaccount,role,rolebinding"
        shared = "clusterrole,clusterrolebinding"
        found = self.site.kubectl("get", own, "-n", NAMESPACE, "-o", "name")
        found += self.site.kubectl("get", shared, "-o", "name")
        return [name for name in found.split() if "/flotta-" in name]

    def pods(self, program: str) -> list[str]:
        """Names of the pods of a program that are not being deleted."""
        return [pod["metadata"]["name"] for pod in self._pods(program)]

    def _pods(self, program: str) -> list[dict[str, Any]]:
        label = f"app.kubernetes.io/name={program}"
        listed = self.site.kubectl("get", "pods", "-n", NAMESPACE, "-l", label, "-o", "json")
        pods = json.loads(listed)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def remove(self, pod: str) -> None:
        """Delete a pod with a second of grace.

        A forced deletion would take its token away while the process still lives.
        """
        self.site.kubectl("delete", "pod", pod, "-n", NAMESPACE, "--grace-period=1")

    def kill(self, *pods: str) -> None:
        """Kill pods at once, as when their processes die."""
        if not pods:
            return
        self.site.kubectl(
            "delete",
            "pod",
            *pods,
            "-n",
            NAMESPACE,
            "--grace-period=0",
            "--force",
            "--ignore-not-found",
        )

    def processes(self, program: str) -> list[str]:
        """Ids that the program's processes have on the node, one of each pod."""
        return self.node.run(f"pgrep --full bin/{program}", check=False).split()

    def available(self, program: str) -> bool:
        """Tell whether as many pods of a program answer as there should be.

        The Deployment's own count lags behind a pod that was just removed, and the kubelet's look
        at a pod behind the death of its process: see `restarts`.
        """
        wanted = self.site.get("deployment", program, NAMESPACE)["spec"]["replicas"]
        pods = self._pods(program)
        return len(pods) == wanted and all(_ready(pod) for pod in pods)

    def restarts(self, program: str) -> int:
        """How often the containers of a program were restarted."""
        statuses = [pod["status"].get("containerStatuses", []) for pod in self._pods(program)]
        return sum(container["restartCount"] for pod in statuses for container in pod)

    def receives_devices(self) -> bool:
        """Tell whether all Edge APIs answer, and the node sends devices to them and to nobody else.

        The node learns of a pod's end and of its readiness later than the API.
        """
        if not self.available(EDGE_API):
            return False
        there = {pod["status"]["podIP"] for pod in self._pods(EDGE_API)}
        rules = self.node.run("iptables-save -t nat")
        return there == set(re.findall(rf"--to-destination ([0-9.]+):{DEVICES_PORT}\b", rules))

    def stop(self) -> None:
        self.node.stop()
        self.site.storage.stop()

    def start(self) -> None:
        self.site.storage.start()
        self.node.start()


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
