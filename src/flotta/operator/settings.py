"""Settings of the operator, read once from the environment (specification 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

EMBEDDED_CLASS = "flotta.project-flotta.io/embedded"
_TRUE = frozenset({"true", "1", "t", "yes", "on"})
_FALSE = frozenset({"false", "0", "f", "no", "off"})


@dataclass(frozen=True)
class StorageSettings:
    """Where the embedded S3 server is: its address for devices, its CA, our key, its key store."""

    endpoint: str
    ca_file: Path | None
    admin_file: Path
    keys: Path


@dataclass(frozen=True)
class Settings:
    """What an administrator may set. Times are seconds."""

    auto_approval: bool = True
    bucket_auto_create: bool = True
    bucket_storage_class: str = EMBEDDED_CLASS
    decommission_timeout: float = 300.0
    workers: int = 3
    device_workers: int = 5
    leader_elect: bool = False
    probe_address: tuple[str, int] = ("127.0.0.1", 8081)
    metrics_address: tuple[str, int] | None = None  # None: only under the probe address
    storage: StorageSettings | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all settings; raises ValueError with a sentence for the first bad one."""
        return cls(
            auto_approval=_flag(environment, "AUTO_APPROVAL_PROCESS", default=True),
            bucket_auto_create=_flag(environment, "OBC_AUTO_CREATE", default=True),
            bucket_storage_class=environment.get("BUCKET_STORAGE_CLASS") or EMBEDDED_CLASS,
            decommission_timeout=_number(environment, "DECOMMISSION_TIMEOUT", 300, lowest=0),
            workers=_number(environment, "MAX_CONCURRENT_RECONCILES", 3, lowest=1),
            device_workers=_number(environment, "EDGEWORKLOAD_CONCURRENCY", 5, lowest=1),
            leader_elect=_flag(environment, "LEADER_ELECT", default=False),
            probe_address=_address(environment, "PROBE_ADDR", 8081),
            metrics_address=(
                _address(environment, "METRICS_ADDR", 8080)
                if environment.get("METRICS_ADDR", "").strip()
                else None
            ),
            storage=_storage(environment),
        )


def _flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name, "").strip().lower()
    if not text:
        return default
    if text not in _TRUE | _FALSE:
        raise ValueError(f"{name} is {environment[name]!r}; use true or false")
    return text in _TRUE


def _number(environment: Mapping[str, str], name: str, default: int, *, lowest: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < lowest:
        raise ValueError(f"{name} is {text!r}; use a whole number of at least {lowest}")
    return int(text)


def _address(environment: Mapping[str, str], name: str, default: int) -> tuple[str, int]:
    text = environment.get(name, "").strip() or f":{default}"
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{name} is {text!r}; use HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _storage(environment: Mapping[str, str]) -> StorageSettings | None:
    names = ("S3_DEVICE_ENDPOINT", "S3_ADMIN_FILE", "S3_KEYS_DIR")
    given = {name: environment.get(name, "").strip() for name in names}
    if not any(given.values()):
        return None
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be set too for embedded object storage")
    url = urlsplit(given["S3_DEVICE_ENDPOINT"])
    if url.scheme != "https" or not url.hostname or url.path.strip("/"):
        raise ValueError(f"S3_DEVICE_ENDPOINT is {url.geturl()!r}; use https://HOST:PORT")
    ca_file = environment.get("S3_CA_FILE", "").strip()
    return StorageSettings(
        endpoint=url.geturl().rstrip("/"),
        ca_file=Path(ca_file) if ca_file else None,
        admin_file=Path(given["S3_ADMIN_FILE"]),
        keys=Path(given["S3_KEYS_DIR"]),
    )
