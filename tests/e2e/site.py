"""Access to a site by the tools that its users have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from e2e.control_plane import Cluster, ControlPlane, Embedded
from e2e.machines import Machines

VOLUMES = "/var/local/yggdrasil/device/volumes"
CONTROL_PLANES: dict[str, type[ControlPlane]] = {
    "embedded": Embedded,
    "kubernetes": Cluster,
}
INVENTORIES = {
    "embedded": ("inventories/local",),
    "kubernetes": ("inventories/kubernetes", "tests/cluster/inventory"),
}


class Site(Machines):
    """The control plane, the storage and the devices, whatever the engine is."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.control_plane = CONTROL_PLANES[self.engine](self)

    def apply(self, manifest: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", manifest=manifest)

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
