"""An operator's storage settings, and what an Edge API delivers of storage, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_site import Device
from s3_server import S3Server

Object = dict[str, Any]


def iam_settings(directory: Path, s3: S3Server) -> dict[str, str]:
    """Return an operator's settings on Kubernetes, with the administrator's Secret as a folder."""
    folder = directory / "s3-admin"
    folder.mkdir()
    key = s3.administrator
    (folder / "AWS_ACCESS_KEY_ID").write_text(key.access_key)
    (folder / "AWS_SECRET_ACCESS_KEY").write_text(key.secret_key)
    (folder / "ca.crt").write_bytes(s3.ca_file.read_bytes())
    return {
        "S3_DEVICE_ENDPOINT": s3.endpoint,
        "S3_IAM_ENDPOINT": s3.iam_endpoint,
        "S3_ADMIN_FILE": str(folder),
        "BUCKET_STORAGE_CLASS": "shop-buckets",
    }


async def delivered(device: Device, *, version: str = "", wait: int = 0) -> tuple[str, Object]:
    """Return version and storage section of the device's configuration."""
    headers = {"If_None_Match": version, "Prefer": f"wait={wait}"} if version else {}
    reply = await device.get("data", **headers)
    assert reply.status == 200, reply.body
    section = reply.json()["content"]["configuration"].get("storage") or {}
    return reply.headers["ETag"], section.get("s3") or {}
