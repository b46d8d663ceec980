"""Access to a site by the tools that its users have."""

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

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from e2e.control_plane import Cluster, ControlPlane, Embedded

VOLUMES = "/var/local/yggdrasil/device/volumes"
CONTROL_PLANES: dict[str, type[ControlPlane]] = {
    "embedded": Embedded,
    "kubernetes": Cluster,
}
INVENTORIES = {
    "embedded": ("inventories/local",),
    "kubernetes": ("inventories/kubernetes", "tests/cluster/inventory"),
}
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
    """Return the first true answer of `probe`; fail with `what` and the last answer after `seconds`.

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


class Host:
    """One of the site's machines, reached by SSH."""

    def __init__(self, site: Site, name: str):
        self.site = site
        self.name = name
        self.container = f"{site.prefix}-{name}"
        self.address = (site.folder / f"hosts/{name}.address").read_text()

    def run(self, command: str, *, check: bool = True, timeout: float = 180) -> str:
        """Run a shell command as root over SSH and return its output."""
        keys = self.site.folder
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
        self.site.podman("kill", "--signal=KILL", self.container)
        self.site.podman("wait", self.container)

    def stop(self) -> None:
        self.site.podman("stop", "--time=20", self.container)

    def start(self) -> None:
        """Switch it on and wait for SSH."""
        self.site.podman("start", self.container)
        eventually(f"{self.name} answers SSH", lambda: self.run("true") == "")


class Site:
    """The control plane, the storage and the devices, whatever the engine is."""

    def __init__(self, root: Path):
        self.root = root
        self.folder = folder(root)
        self.prefix = self._prefix()
        cluster = (self.folder / "hosts/node.address").exists()
        self.engine = "kubernetes" if cluster else "embedded"
        self.till, self.camera = (Host(self, name) for name in ("till-1", "camera-1"))
        self.storage = Host(self, "storage" if cluster else "control-plane")
        beside = Path(sys.executable).with_name("kubectl")
        self._kubectl = str(beside) if beside.exists() else (shutil.which("kubectl") or "kubectl")
        self.control_plane = CONTROL_PLANES[self.engine](self)

    def _prefix(self) -> str:
        """How the names of the site's containers begin."""
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
        """Run kubectl; `manifest` goes to its standard input as JSON. Standard error is appended to the output."""
        result = self._connected(arguments, manifest)
        if check and result.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {result.stdout}{result.stderr}")
        return result.stdout + ("" if check else result.stderr)

    def _connected(
        self, arguments: tuple[str, ...], manifest: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; again when the API server stood still before anything could be asked of it.

        kubectl waits ten seconds for it, whatever it is told.
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

    def apply(self, manifest: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", manifest=manifest)

    def phase(self, device: str, workload: str) -> str | None:
        entry = self.entry(device, workload)
        return entry.get("phase") if entry else None

    def entry(self, device: str, workload: str) -> dict[str, Any] | None:
        """Return what the device's status says of a workload."""
        listed = self.get("edgedevice", device)["status"].get("workloads", [])
        return next((entry for entry in listed if entry["name"] == workload), None)

    def ready(self, device: str) -> str:
        """Status of the device's condition Ready."""
        conditions = self.get("edgedevice", device).get("status", {}).get("conditions", [])
        return next((c["status"] for c in conditions if c["type"] == "Ready"), "")

    def bucket(self, device: str) -> str:
        """Name of the device's bucket."""
        name: str = self.get("configmap", device)["data"]["BUCKET_NAME"]
        return name

    def s3(self) -> Any:
        """Return a client with the administrator's rights, from the site's `s3.env`."""
        settings = dict(
            line.split("=", 1)
            for line in (self.folder / "s3.env").read_text().splitlines()
            if "=" in line and not line.startswith("#")
        )
        settings = {
            key.removeprefix("export ").strip(): v.strip("\"'") for key, v in settings.items()
        }
        return boto3.client(
            "s3",
            endpoint_url=settings["AWS_ENDPOINT_URL"],
            verify=settings["AWS_CA_BUNDLE"],
            region_name=settings["AWS_DEFAULT_REGION"],
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )

    def keys(self, bucket: str, prefix: str) -> dict[str, int]:
        """Keys below a prefix with their sizes in bytes."""
        pages = self.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}

    def playbook(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the checkout's playbooks on the site's inventory."""
        program = Path(sys.executable).with_name("ansible-playbook")
        sources = [word for source in INVENTORIES[self.engine] for word in ("-i", source)]
        return subprocess.run(
            [str(program), f"flotta.edge.{name}", *sources, *arguments],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def journals(self) -> str:
        texts = [f"==== Edge API\n{self.control_plane.edge_api_log('10m')}"]
        for host in (self.storage, self.till, self.camera):
            try:
                text = host.run(
                    "journalctl --no-pager -n 120 -o short-precise -u 'flotta-*'", check=False
                )
            except (AssertionError, subprocess.SubprocessError) as error:
                text = str(error)
            texts.append(f"==== {host.name}\n{text}")
        return "\n".join(texts)


def workload(name: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    """Return an EdgeWorkload that runs the sample image's shell on devices with these labels."""
    container = {
        "name": "main",
        "image": "localhost/flotta-edge-os-stats:1",
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 86400 & wait"],
        **spec.pop("container", {}),
    }
    return {
        "apiVersion": "management.project-flotta.io/v1alpha1",
        "kind": "EdgeWorkload",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "type": "pod",
            "deviceSelector": {"matchLabels": labels},
            "pod": {"spec": {"containers": [container]}},
            **spec,
        },
    }
