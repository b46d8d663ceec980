"""Access to a site by the tools that its users have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from e2e.control_plane import Cluster, ControlPlane, Embedded
from e2e.machines import Machines, engine, folder
from e2e.remote import Remote, Store

VOLUMES = "/var/local/yggdrasil/device/volumes"
CONTROL_PLANES: dict[str, type[ControlPlane]] = {
    "embedded": Embedded,
    "kubernetes": Cluster,
    "remote": Remote,
}
INVENTORIES = {
    "embedded": ("inventories/local",),
    "kubernetes": ("inventories/kubernetes", "tests/cluster/inventory"),
    "remote": ("tests/remote/inventory",),
}


class Site(Machines):
    """The control plane, the storage and the devices, whatever the engine is."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.control_plane = CONTROL_PLANES[self.engine](self)

    def apply(self, manifest: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", manifest=manifest)

    def place(self, name: str, device: str, **container: Any) -> None:
        """Run a pod of the sample image's shell on a device."""
        self.kubectl("label", "edgedevice", device, f"e2e={name}", "--overwrite")
        self.apply(workload(name, {"e2e": name}, container=container))

    def take_away(self, name: str, device: str) -> None:
        """Run it no more; nothing if it does not."""
        self.kubectl("delete", "edgeworkload", name, "--ignore-not-found", check=False)
        self.kubectl("label", "edgedevice", device, "e2e-", check=False)

    def phase(self, device: str, workload: str) -> str | None:
        entry = self.entry(device, workload)
        return entry.get("phase") if entry else None

    def entry(self, device: str, workload: str) -> dict[str, Any] | None:
        """Return what the device's status says about a workload."""
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
        """Return a client with the administrator's access key, from the site's `s3.env`."""
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
        for host in (self.storage, *self.devices.values()):
            try:
                text = host.run(
                    "journalctl --no-pager -n 120 -o short-precise -u 'flotta-*'", check=False
                )
            except (AssertionError, subprocess.SubprocessError) as error:
                text = str(error)
            texts.append(f"==== {host.name}\n{text}")
        return "\n".join(texts)


class RemoteSite(Site):
    """A site with a data store. Nothing of it knows kubectl."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.store = Store(self)

    def place(self, name: str, device: str, **container: Any) -> None:
        new = {"name": name, "namespace": "default", "specification": pod(container)}
        self.store.change(device, lambda found: [*found, new])

    def take_away(self, name: str, device: str) -> None:
        self.store.change(device, lambda found: [item for item in found if item["name"] != name])

    def entry(self, device: str, workload: str) -> dict[str, Any] | None:
        """Return what the device's heartbeat says about a workload."""
        listed = self.store.heartbeat(device).get("workloads") or []
        found = next((entry for entry in listed if entry["name"] == workload), None)
        return {**found, "phase": found["status"]} if found else None

    def ready(self, device: str) -> str:
        """Return "True" for a device that is up, with what was put for it."""
        lines = self.store.run("list").splitlines()
        row = next(line.split() for line in lines if line.startswith(f"default/{device} "))
        return str(row[1:4] == ["registered", "applied", "up"])

    def bucket(self, device: str) -> str:
        return device


def open_site(root: Path) -> Site:
    """Return the site that runs in this checkout, or that FLOTTA_SITE names."""
    return (RemoteSite if engine(folder(root)) == "remote" else Site)(root)


def pod(container: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a pod with the sample image's shell."""
    main = {
        "name": "main",
        "image": "localhost/flotta-edge-os-stats:1",
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 86400 & wait"],
        **container,
    }
    return {"containers": [main]}


def workload(name: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    """Return an EdgeWorkload that runs the sample image's shell on devices with these labels."""
    return {
        "apiVersion": "management.project-flotta.io/v1alpha1",
        "kind": "EdgeWorkload",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "type": "pod",
            "deviceSelector": {"matchLabels": labels},
            "pod": {"spec": pod(spec.pop("container", {}))},
            **spec,
        },
    }
