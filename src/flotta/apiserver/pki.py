"""The engine's own files: CAs, server certificates, kubeconfigs.

Everything is created once and renewed when it is due
(docs/reference/resource-api.md#authentication-and-permissions).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from flotta.durable_files import write_atomically
from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.lifetime import covers, load_certificate
from flotta.yaml_loader import load_yaml

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
LIFETIME = 365  # days, of server and client certificates
# Where the validity of CAs and server certificates begins: when the clock of this machine is set
# back, even to its beginning, its own programs must still accept its own server.
SINCE = datetime(1970, 1, 1, tzinfo=UTC)
USERS = {
    "admin": ("flotta-admin", ("system:masters",)),
    "operator": ("flotta-operator", ()),
    "edge-api": ("flotta-edge-api", ()),
}
"""Name of the kubeconfig → user (CN) and groups (O)."""


@dataclass(frozen=True)
class PkiSettings:
    """Where the files are written, and the address and names that they contain."""

    pki: Path
    kubeconfigs: Path
    server: str
    names: tuple[str, ...]


def ensure_pki(settings: PkiSettings) -> bool:
    """Create what is missing and renew what is due; return whether anything was written."""
    for folder in (settings.pki, settings.kubeconfigs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = [*LOCAL_NAMES, *(name for name in settings.names if name not in LOCAL_NAMES)]
    engine, engine_is_new = _ensure_authority(settings.pki, "ca", "flotta-apiserver")
    storage, storage_is_new = _ensure_authority(settings.pki, "s3-ca", "flotta-s3")
    changed = [
        engine_is_new,
        storage_is_new,
        _ensure_server_certificate(settings.pki, "server", engine, names, renew=engine_is_new),
        _ensure_server_certificate(settings.pki, "s3", storage, names, renew=storage_is_new),
    ]
    changed += [_ensure_kubeconfig(settings, name, engine) for name in USERS]
    return any(changed)


def _ensure_authority(pki: Path, name: str, common_name: str) -> tuple[Authority, bool]:
    certificate, key = pki / f"{name}.crt", pki / f"{name}.key"
    if certificate.exists() and key.exists():
        return Authority.from_pem(certificate.read_bytes(), key.read_bytes()), False
    authority = Authority.create(common_name, since=SINCE)
    write_atomically(key, authority.key_pem)
    write_atomically(certificate, authority.certificate_pem, 0o644)
    return authority, True


def _ensure_server_certificate(
    pki: Path, name: str, authority: Authority, names: list[str], *, renew: bool
) -> bool:
    certificate, key = pki / f"{name}.crt", pki / f"{name}.key"
    if not renew and certificate.exists() and key.exists():
        pem = certificate.read_bytes()
        if covers(pem, names) and not _is_due(pem):
            return False
    issued = authority.issue_server(names, LIFETIME, SINCE)
    write_atomically(key, issued.key)
    write_atomically(certificate, issued.certificate, 0o644)
    return True


def _ensure_kubeconfig(settings: PkiSettings, name: str, authority: Authority) -> bool:
    path = settings.kubeconfigs / f"{name}.kubeconfig"
    if path.exists() and _is_current(path, settings.server, authority):
        return False
    user, groups = USERS[name]
    issued = authority.issue_client(user, groups, LIFETIME)
    write_atomically(
        path, render_kubeconfig(settings.server, authority.certificate_pem, user, issued)
    )
    return True


def _is_current(path: Path, server: str, authority: Authority) -> bool:
    try:
        content = load_yaml(path.read_text())
        cluster = content["clusters"][0]["cluster"]
        certificate = base64.b64decode(content["users"][0]["user"]["client-certificate-data"])
        trusted = base64.b64decode(cluster["certificate-authority-data"])
    except (yaml.YAMLError, KeyError, TypeError, IndexError, ValueError):
        return False
    fits = cluster["server"] == server and trusted == authority.certificate_pem
    return fits and not _is_due(certificate)


def _is_due(pem: bytes) -> bool:
    """Tell whether two thirds of a certificate's lifetime have passed, whenever it begins."""
    end = load_certificate(pem).not_valid_after_utc
    return datetime.now(UTC) >= end - timedelta(days=LIFETIME) / 3


def render_kubeconfig(server: str, ca: bytes, user: str, issued: CertificateAndKey) -> bytes:
    """Return a kubeconfig that contains certificate, key and CA."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "flotta",
                "cluster": {"server": server, "certificate-authority-data": _encoded(ca)},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _encoded(issued.certificate),
                    "client-key-data": _encoded(issued.key),
                },
            }
        ],
        "contexts": [
            {
                "name": "flotta",
                "context": {"cluster": "flotta", "user": user, "namespace": "default"},
            }
        ],
        "current-context": "flotta",
    }
    return yaml.safe_dump(content, sort_keys=False).encode()


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
