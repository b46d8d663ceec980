"""What tests do to a control plane, on either engine."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .site import Site

PODS = "app.kubernetes.io/component=edge-api"


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
        arguments = ("logs", "-n", "flotta", "-l", PODS, "--tail=400", f"--since={since}")
        try:
            return self.site.kubectl(*arguments, check=False)
        except subprocess.SubprocessError as error:
            return str(error)

    def stop(self) -> None:
        self.node.stop()
        self.site.storage.stop()

    def start(self) -> None:
        self.site.storage.start()
        self.node.start()
