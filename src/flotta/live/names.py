"""The device id where programs look for it: configuration of the gateway, names of the host."""

from __future__ import annotations

import json
from pathlib import Path

from flotta.durable_files import read_bounded
from flotta.live.device_id import DeviceID

MAX_SIZE = 1 << 20  # bytes of a configuration file
KEY = "client-id"


def write_client_id(configuration: Path, device_id: str) -> None:
    """Put the device id into `config.toml`, in place of another one. Raises OSError."""
    lines = read_bounded(configuration, MAX_SIZE).decode("utf-8", "replace").splitlines()
    kept = [line for line in lines if line.partition("=")[0].strip().strip("\"'") != KEY]
    text = "\n".join([f"{KEY} = {json.dumps(device_id)}", *kept])
    configuration.write_text(f"{text}\n", encoding="utf-8")


def write_host_name(root: Path, device_id: DeviceID) -> None:
    """Write `hostname`, and the name into `hosts`, as Debian's installer does. Raises OSError."""
    name = device_id.hostname
    (root / "etc/hostname").write_text(f"{name}\n", encoding="ascii")
    hosts = root / "etc/hosts"
    known = read_bounded(hosts, MAX_SIZE).decode("utf-8", "replace") if hosts.exists() else ""
    hosts.write_text(f"{known}127.0.1.1 {name}\n", encoding="utf-8")
