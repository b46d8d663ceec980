"""Operator, Edge APIs and the embedded S3 server as processes, and devices with a bucket in it."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from edge_site import Device, Fleet, edge_api
from edge_site import Site as EdgeSite
from operator_site import Site, resource_api, running_operator, s3_settings
from s3_server import S3Server, running_s3
from storage_site import iam_settings

import administrator
from flotta.resources.kinds import SIGNED_REQUEST
from flotta.storage.access_keys import AccessKey
from waiting import eventually


@dataclass
class Place:
    """Everything that runs, and where."""

    operator: Site
    edges: tuple[EdgeSite, ...]
    s3: S3Server

    @property
    def edge(self) -> EdgeSite:
        """The first Edge API."""
        return self.edges[0]

    def flotta(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as an administrator."""
        return administrator.flotta(self.operator.kubeconfig(), *arguments)


@contextmanager
def quarantine_site(directory: Path, engine: str, replicas: int = 1) -> Iterator[Place]:
    """Start all of it; keys are issued by the directory on the embedded engine, else by IAM."""
    (directory / "s3").mkdir()
    with ExitStack() as stack:
        s3 = stack.enter_context(running_s3(directory / "s3", iam=True))
        access = stack.enter_context(resource_api(directory, engine))
        operator = Site(directory, directory / "operator.log", s3, access)
        settings = s3_settings(s3) if engine == "embedded" else iam_settings(directory, s3)
        stack.enter_context(running_operator(operator, OBC_AUTO_CREATE="true", **settings))
        edges = [stack.enter_context(edge_api(directory, access)) for _ in range(replicas)]
        yield Place(operator, tuple(edges), s3)


async def joined(fleet: Fleet) -> Device:
    """Return a registered device; the operator approves and gives it a bucket."""
    device = fleet.device()
    assert (await device.enrol()).status == 200
    approved = {"spec": {"approved": True}}
    await fleet.client.merge_patch(SIGNED_REQUEST, device.device_id, "default", approved)

    async def is_registered() -> bool:
        return (await device.register(hostname=device.device_id)).status == 200

    await eventually(is_registered)
    return device


async def key_of(device: Device, other_than: AccessKey | None = None) -> AccessKey:
    """Return the access key in the configuration of a device."""

    async def look() -> AccessKey | None:
        reply = await device.get("data")
        if reply.status != 200:
            return None
        section = (reply.json()["content"]["configuration"].get("storage") or {}).get("s3")
        if not section:
            return None
        found, secret = (
            b64decode(section[f"aws_{part}"]).decode()
            for part in ("access_key_id", "secret_access_key")
        )
        key = AccessKey(found, secret, section["bucket_name"])
        return None if key == other_than else key

    found: AccessKey = await eventually(look, pause=0.3)  # a device may not ask more often
    return found


def opens(s3: S3Server, key: AccessKey) -> bool:
    client = s3.client(key)
    try:
        client.put_object(Bucket=key.bucket, Key="probe", Body=b"1")
        client.get_object(Bucket=key.bucket, Key="probe")["Body"].read()
    except (ClientError, BotoCoreError):
        return False
    return True
