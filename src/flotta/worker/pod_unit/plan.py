"""What the unit of one pod does before podman plays it, after that, and before it is stopped.

`process.json` beside the manifests has the plan of one pod.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded
from flotta.worker.http_get_action import HttpGet

MAX_PLAN = 1 << 20  # bytes
# What stands in a manifest for an address until the unit knows it, at each start.
HOST_ADDRESS = "flotta-host-address-2c0f7f0e"
POD_ADDRESS = "flotta-pod-address-2c0f7f0e"
STARTED_PLAN = "process.started.json"  # beside `process.json`: that of the pod that runs
ADDRESSED_MANIFEST, ADDRESSED_INIT = "pod.addressed.yaml", "init.addressed.yaml"
ADDRESS_FILE = "address.env"  # what systemd gives podman as its environment


class Hook(msgspec.Struct, frozen=True, omit_defaults=True):
    """`postStart` or `preStop` of a container: one of a command, a request, seconds to sleep."""

    container: str
    command: tuple[str, ...] = ()
    http_get: HttpGet | None = None
    sleep: int = 0


class UserCheck(msgspec.Struct, frozen=True):
    """A container that must not run as root, and the image that says who it runs as.

    `may_pull` is whether an image that is missing is fetched.
    """

    container: str
    image: str
    may_pull: bool = True


class ProcessPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be done for the pod `workload`.

    `init_containers` are names in the order in which they run. `grace` is how many seconds
    containers have to exit after SIGTERM. With `host_network` the pod has the addresses of the
    host. `is_addressed` is whether the manifests contain marks for addresses.
    """

    workload: str
    init_containers: tuple[str, ...] = ()
    restart_policy: str = "Always"
    grace: int = 0
    is_addressed: bool = False
    host_network: bool = False
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    non_root: tuple[UserCheck, ...] = ()

    @property
    def init_pod(self) -> str:
        """The name of the pod in which the init containers run; no workload can have it."""
        return init_pod_of(self.workload)

    @property
    def is_empty(self) -> bool:
        """Whether podman alone starts and stops the pod."""
        return self == ProcessPlan(
            self.workload,
            restart_policy=self.restart_policy,
            grace=self.grace,
            host_network=self.host_network,
        )

    @property
    def has_hooks(self) -> bool:
        """Whether a container has a hook."""
        return bool(self.post_start or self.pre_stop)

    @property
    def is_long(self) -> bool:
        """Whether a start may take any time."""
        return bool(self.init_containers or self.post_start)


def init_pod_of(workload: str) -> str:
    """Return the name of the pod in which the init containers of a workload run."""
    return f"{workload}_init"


def address_pod_of(workload: str) -> str:
    """Return the name of the pod that finds an address for the pod of a workload."""
    return f"{workload}_address"


def encode_plan(plan: ProcessPlan) -> bytes:
    """Return the content of `process.json`."""
    return msgspec.json.encode(plan)


def read_plan(path: Path) -> ProcessPlan:
    """Read a plan; raises OSError, and ValueError for a damaged one."""
    return msgspec.json.decode(read_bounded(path, MAX_PLAN), type=ProcessPlan)
