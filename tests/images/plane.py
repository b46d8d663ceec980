"""The control plane that devices in QEMU join: real processes on the loopback of this machine.

A guest of QEMU's user network reaches them at HOST, for which Edge API and S3 server have
certificates. `fleet_of(plane.edge)` of the integration tests is the administrator's view of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge_site import Fleet, edge_api
from edge_site import Site as EdgeSite
from operator_site import Site, resource_api, running_operator, s3_settings
from s3_server import S3Server, running_s3

from images.qemu import HOST


@dataclass(frozen=True)
class Plane:
    """What runs, and how a device in QEMU reaches it."""

    edge: EdgeSite
    s3: S3Server

    @property
    def server(self) -> str:
        """The address of the Edge API, `HOST:PORT`, as a device has it in its settings."""
        return f"{HOST}:{self.edge.port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's access."""
        return self.edge.kubeconfig

    def object_keys(self, bucket: str) -> list[str]:
        """Return the keys of the objects that are in a bucket."""
        found = self.s3.client(self.s3.administrator).list_objects_v2(Bucket=bucket)
        return [item["Key"] for item in found.get("Contents", [])]


@dataclass(frozen=True)
class Credentials:
    """What a device needs to ask to join: PEM of the CA, and of a batch's certificate and key."""

    ca: bytes
    certificate: bytes
    key: bytes


@contextmanager
def running_plane(directory: Path) -> Iterator[Plane]:
    """Start the embedded API server, operator, Edge API and S3 server; end them with the block."""
    (directory / "s3").mkdir(parents=True)
    with ExitStack() as stack:
        access = stack.enter_context(resource_api(directory, "embedded"))
        s3 = stack.enter_context(running_s3(directory / "s3", names=[HOST]))
        endpoint = f"https://{HOST}:{urlsplit(s3.endpoint).port}"
        settings = {
            **s3_settings(s3),
            "S3_DEVICE_ENDPOINT": endpoint,
            "S3_ENDPOINT": s3.endpoint,
            "AUTO_APPROVAL_PROCESS": "false",
        }
        operator = Site(directory, directory / "operator.log", s3, access)
        stack.enter_context(running_operator(operator, **settings))
        edge = stack.enter_context(
            edge_api(directory, access, SERVER_NAMES=HOST, S3_DEVICE_ENDPOINT=endpoint)
        )
        yield Plane(edge, s3)


async def issue(fleet: Fleet, batch: str, **specification: Any) -> Credentials:
    """Issue a registration batch; return what goes on its sticks."""
    issued = await fleet.issue(batch, **specification)
    return Credentials(fleet.authority.certificate_pem, issued.certificate, issued.key)
