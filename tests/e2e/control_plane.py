"""What tests do to a control plane, on either engine."""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .site import Site

NAMESPACE = "flotta"
EDGE_API, OPERATOR = "flotta-edge-api", "flotta-operator"


class ControlPlane(ABC):
    """Where devices find it, what it logs, and how it is switched off and on, its storage included."""

    port: int

    def __init__(self, site: Site):
        self.site = site

    @property
    @abstractmethod
    def address(self) -> str:
        """Address at which devices reach the Edge API."""

    @abstractmethod
    def edge_api_log(self, since: str) -> str:
        """What the Edge API logged in this time, as ``1m``."""

    @abstractmethod
    def stop(self) -> None:
        """Switch everything off."""

    @abstractmethod
    def start(self) -> None:
        """Switch it on again."""


class Embedded(ControlPlane):
    """One machine with everything on it."""

    port = 8043

    @property
    def address(self) -> str:
        return self.site.storage.address

    def edge_api_log(self, since: str) -> str:
        return self.site.storage.journal("flotta-edge-api", since=f"-{since}in")

    def stop(self) -> None:
        self.site.storage.stop()

    def start(self) -> None:
        self.site.storage.start()


class Cluster(ControlPlane):
    """Pods on a node; the storage is a machine of its own."""

    port = 30043

    def __init__(self, site: Site):
        super().__init__(site)
        from .site import Host

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
            _label(EDGE_API),
            "--tail=400",
            f"--since={since}",
        )
        try:
            return self.site.kubectl(*arguments, check=False)
        except subprocess.SubprocessError as error:
            return str(error)

    def pods(self, program: str) -> list[str]:
        """Names of the pods of a program that have not been told to end."""
        listed = self.site.kubectl(
            "get", "pods", "-n", NAMESPACE, "-l", _label(program), "-o", "json"
        )
        metadata = [pod["metadata"] for pod in json.loads(listed)["items"]]
        return [item["name"] for item in metadata if "deletionTimestamp" not in item]

    def kill(self, *pods: str) -> None:
        """End pods at once, as when their processes die."""
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

    def available(self, program: str) -> bool:
        """Tell whether as many pods of a program answer as there should be."""
        deployment = self.site.get("deployment", program, NAMESPACE)
        status = deployment["status"]
        return (
            status.get("observedGeneration") == deployment["metadata"]["generation"]
            and status.get("availableReplicas") == deployment["spec"]["replicas"]
            and status.get("replicas") == deployment["spec"]["replicas"]
        )

    def stop(self) -> None:
        self.node.stop()
        self.site.storage.stop()

    def start(self) -> None:
        self.site.storage.start()
        self.node.start()


def _label(program: str) -> str:
    return f"app.kubernetes.io/name={program}"
