"""Settings of the operator, read once from the environment (specification 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..resources.kinds import FLOTTA_NAMESPACE
from ..storage.settings import StorageSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

EMBEDDED_CLASS = "flotta.project-flotta.io/embedded"
NOOBAA_CLASS = "openshift-storage.noobaa.io"
_TRUE = frozenset({"true", "1", "t", "yes", "on"})
_FALSE = frozenset({"false", "0", "f", "no", "off"})


@dataclass(frozen=True)
class Settings:
    """What an administrator may set. Times are seconds."""

    auto_approval: bool = True
    bucket_auto_create: bool = True
    bucket_storage_class: str = EMBEDDED_CLASS
    decommission_timeout: float = 300.0
    request_expiry: float = 30 * 86400.0  # 0: a request waits for ever
    workers: int = 3
    device_workers: int = 5
    leader_elect: bool = False
    namespace: str = FLOTTA_NAMESPACE  # of the leader's Lease
    probe_address: tuple[str, int] = ("127.0.0.1", 8081)
    metrics_address: tuple[str, int] | None = None  # None: only under the probe address
    storage: StorageSettings | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all settings; raises ValueError with a sentence for the first bad one."""
        storage_class = environment.get("BUCKET_STORAGE_CLASS", "").strip() or EMBEDDED_CLASS
        return cls(
            auto_approval=_flag(environment, "AUTO_APPROVAL_PROCESS", default=True),
            bucket_auto_create=_flag(environment, "OBC_AUTO_CREATE", default=True),
            bucket_storage_class=storage_class,
            decommission_timeout=_number(environment, "DECOMMISSION_TIMEOUT", 300, lowest=0),
            request_expiry=_number(environment, "REQUEST_EXPIRY", 30 * 86400, lowest=0),
            workers=_number(environment, "MAX_CONCURRENT_RECONCILES", 3, lowest=1),
            device_workers=_number(environment, "EDGEWORKLOAD_CONCURRENCY", 5, lowest=1),
            leader_elect=_flag(environment, "LEADER_ELECT", default=False),
            namespace=environment.get("FLOTTA_NAMESPACE", "").strip() or FLOTTA_NAMESPACE,
            probe_address=_address(environment, "PROBE_ADDR", 8081),
            metrics_address=(
                _address(environment, "METRICS_ADDR", 8080)
                if environment.get("METRICS_ADDR", "").strip()
                else None
            ),
            storage=_storage(environment, storage_class),
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


def _storage(environment: Mapping[str, str], storage_class: str) -> StorageSettings | None:
    """Read where the buckets are; a class that OpenShift answers must not be answered twice."""
    storage = StorageSettings.from_environment(environment)
    if storage is not None and storage_class == NOOBAA_CLASS:
        raise ValueError(
            f"BUCKET_STORAGE_CLASS {NOOBAA_CLASS} is answered by OpenShift Data Foundation; "
            "choose another name, or remove the S3_ settings"
        )
    return storage
