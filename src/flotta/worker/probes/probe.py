"""What a container is asked, when, and how often an answer counts.

Fields and defaults are those of Kubernetes' Probe; `workloads.pod_probes` reads a PodSpec. Probes
are stored beside the manifest, so that the worker still has them after a restart.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from flotta.worker.http_get_action import HttpGet


class Exec(msgspec.Struct, frozen=True, tag="exec"):
    """Passes when the command, run in the container, exits with code 0."""

    command: tuple[str, ...]


class TcpSocket(msgspec.Struct, frozen=True, tag="tcpSocket"):
    """Passes when the port accepts a connection; without `host` that of the pod."""

    port: int
    host: str = ""


class Grpc(msgspec.Struct, frozen=True, tag="grpc"):
    """Passes when the standard health service says SERVING."""

    port: int
    service: str = ""


Action = Exec | HttpGet | TcpSocket | Grpc


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One probe; times in whole seconds. `grace` None stands for the pod's grace period."""

    action: Action
    initial_delay: int = 0
    period: int = 10
    timeout: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grace: int | None = None


class ProbeKind(Enum):
    """What a probe decides; the value is its name in messages."""

    STARTUP = "startup probe"
    LIVENESS = "liveness probe"
    READINESS = "readiness probe"


class ContainerProbes(msgspec.Struct, frozen=True, kw_only=True):
    """The probes of one container, and how many seconds it has to exit after SIGTERM."""

    container: str
    grace: int
    startup: Probe | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None

    @property
    def decides_readiness(self) -> bool:
        """Whether the container can run without being ready."""
        return self.startup is not None or self.readiness is not None


class ProbeFailed(Exception):
    """The container gave a wrong answer or none; the text says which, equal for equal causes."""


class ProbeImpossible(Exception):
    """The container was not asked at all, so that this says nothing about it."""
