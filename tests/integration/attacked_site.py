"""A site under attack: a device of its own that measures, and what its attackers hold."""

from __future__ import annotations

import uuid
from base64 import b64decode
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from edge_site import Device, Fleet

from attackers.target import Target
from flotta.identity.authority import CertificateAndKey


async def make_target(fleet: Fleet, source: str = "127.0.0.2") -> Target:
    """Let a device join that attacks, and return what it and strangers know."""
    attacker = await fleet.joined()
    await attacker.close()
    assert attacker.identity is not None
    folder = fleet.site.directory
    cluster = yaml.safe_load(fleet.site.kubeconfig.read_text())["clusters"][0]["cluster"]
    return Target(
        edge_api=fleet.site.port,
        resource_api=urlsplit(cluster["server"]).port or 443,
        ca=_write(folder, fleet.authority.certificate_pem),
        resource_ca=_write(folder, b64decode(cluster["certificate-authority-data"])),
        device_id=attacker.device_id,
        device=_write_pair(folder, attacker.identity),
        registration=_write_pair(folder, fleet.registration),
        source=source,
    )


def again(fleet: Fleet, device: Device) -> Device:
    """Return the same device with connections of its own."""
    return fleet.device(device.device_id, device.identity)


def _write_pair(folder: Path, pair: CertificateAndKey) -> tuple[str, str]:
    return _write(folder, pair.certificate), _write(folder, pair.key)


def _write(folder: Path, data: bytes) -> str:
    path = folder / f"{uuid.uuid4().hex}.pem"
    path.touch(0o600)
    path.write_bytes(data)
    return str(path)
