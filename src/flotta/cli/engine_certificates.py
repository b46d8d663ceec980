"""The certificates of the embedded engine and of kubeconfigs that are on this machine."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable
from pathlib import Path

import yaml

from flotta.durable_files import read_bounded
from flotta.identity.errors import IdentityError
from flotta.identity.expiry import Expiry
from flotta.identity.lifetime import load_certificate
from flotta.yaml_loader import load_yaml

# Where the role operator puts them on the control plane.
ENGINE_FILES = (Path("/etc/flotta/pki"), Path("/etc/flotta/kubeconfig"))
EMBEDDED = "client-certificate-data"  # in a kubeconfig; without the end, the path of a file
MAX_SIZE = 1 << 20  # bytes of a file


def list_engine_certificates(
    kubeconfig: str | None, folders: Iterable[Path] = ENGINE_FILES
) -> list[Expiry]:
    """Return the expiries of what can be read: the kubeconfig, those beside it, and the engine's.

    Keys are in some of these files; they are not looked at.
    """
    files = {Path(kubeconfig)} if kubeconfig else set()
    for folder in folders:
        with contextlib.suppress(OSError):
            files |= {*folder.glob("*.kubeconfig"), *folder.glob("*.crt")}
    return [expiry for file in sorted(files) for expiry in _read_file(file)]


def _read_file(file: Path) -> list[Expiry]:
    try:
        content = read_bounded(file, MAX_SIZE)
        if file.suffix == ".crt":
            pems = [(str(file), content)]
        else:
            pems = list(_read_kubeconfig(file, content))
        return [_describe(name, pem) for name, pem in pems]
    except (OSError, IdentityError, yaml.YAMLError, ValueError):
        return []


def _read_kubeconfig(file: Path, content: bytes) -> Iterable[tuple[str, bytes]]:
    for entry in _list(_read(load_yaml(content), "users")):
        user = _read(entry, "user")
        data, path = (_read(user, key) for key in (EMBEDDED, EMBEDDED.removesuffix("-data")))
        if isinstance(data, str):
            yield f"{file} ({_read(entry, 'name')})", base64.b64decode(data)
        elif isinstance(path, str):
            named = file.parent / path
            yield str(named), read_bounded(named, MAX_SIZE)


def _read(value: object, key: str) -> object:
    """Return a value of a mapping; anything else has none."""
    return value.get(key) if isinstance(value, dict) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _describe(name: str, pem: bytes) -> Expiry:
    return Expiry.of("engine", name, load_certificate(pem))
