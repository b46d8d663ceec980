"""The machines of a site, by SSH and podman, and kubectl for its control plane."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

# What a look at a site raises while something of it is not there or stands still.
NOT_YET = (
    AssertionError,
    KeyError,
    IndexError,
    subprocess.SubprocessError,
    BotoCoreError,
    ClientError,
)


def eventually(
    what: str, probe: Callable[[], Any], seconds: float = 120, pause: float = 0.3
) -> Any:
    """Return the first true answer of `probe`; after `seconds` fail with `what` and the last one.

    The last look begins when the time is over, however slow the ones before it were.
    """
    end = time.monotonic() + seconds
    while True:
        over = time.monotonic() >= end
        try:
            last = probe()
        except NOT_YET as error:
            last = error
        else:
            if last:
                return last
        if over:
            raise AssertionError(f"not within {seconds} s: {what}; last seen: {last!r}")
        time.sleep(pause)


def folder(root: Path) -> Path:
    """Return the site's folder: `FLOTTA_SITE` names it, below the checkout."""
    return root / os.environ.get("FLOTTA_SITE", ".site")


def engine(folder: Path) -> str:
    """Return what serves the resource API of a site; `remote` stands for a data store instead."""
    if (folder / "hosts/node.address").exists():
        return "kubernetes"
    return "remote" if (folder / "hosts/storage.address").exists() else "embedded"


class Host:
    """One of the site's machines, reached by SSH."""

    def __init__(self, machines: Machines, name: str):
        self.machines = machines
        self.name = name
        self.container = f"{machines.prefix}-{name}"
        self.address = (machines.folder / f"hosts/{name}.address").read_text()

    def run(self, command: str, *, check: bool = True, timeout: float = 180) -> str:
        """Run a shell command as root over SSH and return its output."""
        keys = self.machines.folder
        result = subprocess.run(
            [
                "ssh",
                "-i",
                str(keys / "id_ed25519"),
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
                "-o",
                "ConnectTimeout=30",
                f"root@{self.address}",
                command,
            ],
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and result.returncode:
            raise AssertionError(f"{self.name}: {command}: {result.stdout}{result.stderr}")
        return result.stdout

    def journal(self, unit: str, since: str = "-10min") -> str:
        return self.run(f"journalctl --no-pager -o cat -u {unit} --since={since}", check=False)

    def containers(self) -> set[str]:
        """Names of the running containers of workloads."""
        listing = self.run("podman ps --format '{{.Names}}'")
        return {name for name in listing.split() if not name.endswith(("-infra", "-service"))}

    def kill(self) -> None:
        """Cut the power."""
        self.machines.podman("kill", "--signal=KILL", self.container)
        self.machines.podman("wait", self.container)

    def stop(self) -> None:
        self.machines.podman("stop", "--time=20", self.container)

    def start(self) -> None:
        """Switch it on and wait for SSH."""
        self.machines.podman("start", self.container)
        eventually(f"{self.name} answers SSH", lambda: self.run("true") == "")


class Machines:
    """The machines of the site that this checkout left running, whatever the engine is."""

    def __init__(self, root: Path):
        self.root = root
        self.folder = folder(root)
        self.prefix = self._prefix()
        self.engine = engine(self.folder)
        self.devices = {
            name: Host(self, name)
            for name in ("till-1", "camera-1")
            if (self.folder / f"hosts/{name}.address").exists()
        }
        self.till = self.devices["till-1"]
        self.storage = Host(self, "control-plane" if self.engine == "embedded" else "storage")
        beside = Path(sys.executable).with_name("kubectl")
        self._kubectl = str(beside) if beside.exists() else (shutil.which("kubectl") or "kubectl")

    @property
    def camera(self) -> Host:
        return self.devices["camera-1"]

    def _prefix(self) -> str:
        """Prefix of the names of the site's containers."""
        label = f"label=flotta.edge.site={self.folder}"
        names = self.podman("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()
        return next(name.removesuffix("-till-1") for name in names if name.endswith("-till-1"))

    def podman(self, *arguments: str) -> str:
        environment = {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}
        return subprocess.run(
            ["podman", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout

    def kubectl(self, *arguments: str, manifest: Any = None, check: bool = True) -> str:
        """Run kubectl and return its output, standard error at the end.

        `manifest` goes to its standard input as JSON.
        """
        result = self._connected(arguments, manifest)
        if check and result.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {result.stdout}{result.stderr}")
        return result.stdout + ("" if check else result.stderr)

    def _connected(
        self, arguments: tuple[str, ...], manifest: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; again when the API server stood still before anything could be asked of it.

        kubectl waits ten seconds for it, whatever timeout it is given.
        """
        for _ in range(6):
            result = subprocess.run(
                [self._kubectl, f"--kubeconfig={self.folder / 'kubeconfig'}", *arguments],
                input=json.dumps(manifest) if manifest is not None else None,
                capture_output=True,
                text=True,
                timeout=400,
            )
            if "TLS handshake timeout" not in result.stderr:
                break
        return result

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        obj: dict[str, Any] = json.loads(
            self.kubectl("get", kind, name, "-n", namespace, "-o", "json")
        )
        return obj
