"""Where things are on this device."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flotta.durable_files import read_bounded
from flotta.settings import device as table

MAX_TAGS = 1 << 20  # bytes of the file of tags
DEVICE_DIRECTORY = Path("/var/local/yggdrasil/device")


@dataclass(frozen=True)
class Settings:
    """Paths and addresses; the defaults are those of an installed device.

    `exits_dir` is where conmon writes exit codes, `unit_changes_dir` where systemd keeps a link
    for each unit that runs.
    """

    gateway_address: str = table.YGG_SOCKET_ADDR.default
    state_dir: Path = table.FLOTTA_WORKER_STATE.path
    volumes_dir: Path = DEVICE_DIRECTORY / "volumes"
    units_dir: Path = Path("/etc/systemd/system")
    exits_dir: Path = Path("/run/libpod/exits")
    unit_changes_dir: Path = Path("/run/systemd/units")
    tags_file: Path = Path("/etc/yggdrasil/tags.toml")
    gateway_user: str = "flotta-gateway"
    ipc_group: str = "flotta-ipc"

    @property
    def workloads_dir(self) -> Path:
        """What the worker keeps of each workload."""
        return self.state_dir / "workloads"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read what a gateway hands over; everything has a default."""
        config_dir = table.YGG_CONFIG_DIR.read(environment) or cls.tags_file.parent
        return cls(
            gateway_address=table.YGG_SOCKET_ADDR.read(environment),
            state_dir=table.FLOTTA_WORKER_STATE.read(environment) or cls.state_dir,
            tags_file=config_dir / "tags.toml",
        )

    def target_namespace(self) -> str:
        """Return the tag `namespace`, or `default` when there is none that can be read."""
        try:
            tags = tomllib.loads(read_bounded(self.tags_file, MAX_TAGS).decode())
        except (OSError, ValueError, RecursionError):
            return "default"
        return str(tags.get("namespace") or "default")


def socket_path(address: str) -> str:
    """Return what connect(2) takes for `unix:/path`, `unix:@abstract` or `@abstract`."""
    name = address.removeprefix("unix-abstract:") if address.startswith("unix-abstract:") else None
    if name is not None:
        return "\0" + name
    path = address.removeprefix("unix:").removeprefix("//")
    return "\0" + path[1:] if path.startswith("@") else path
