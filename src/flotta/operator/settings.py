"""Settings of the operator, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flotta.environment import Address, read_address, read_flag, read_number, read_text
from flotta.fleet.object_storage import NOOBAA_CLASS
from flotta.own_names import FLOTTA_NAMESPACE
from flotta.storage.settings import StorageSettings

EMBEDDED_CLASS = "flotta.project-flotta.io/embedded"
PROBE_ADDRESS = ("127.0.0.1", 8081)


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
    probe_address: Address | None = PROBE_ADDRESS
    metrics_address: Address | None = PROBE_ADDRESS
    storage: StorageSettings | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all settings; raises ValueError with a sentence for the first bad one."""
        storage_class = read_text(environment, "BUCKET_STORAGE_CLASS", EMBEDDED_CLASS)
        probe_address = read_address(environment, "PROBE_ADDR", PROBE_ADDRESS)
        return cls(
            auto_approval=read_flag(environment, "AUTO_APPROVAL_PROCESS", default=True),
            bucket_auto_create=read_flag(environment, "OBC_AUTO_CREATE", default=True),
            bucket_storage_class=storage_class,
            decommission_timeout=read_number(environment, "DECOMMISSION_TIMEOUT", 300, 0),
            request_expiry=read_number(environment, "REQUEST_EXPIRY", 30 * 86400, 0),
            workers=read_number(environment, "MAX_CONCURRENT_RECONCILES", 3, 1),
            device_workers=read_number(environment, "EDGEWORKLOAD_CONCURRENCY", 5, 1),
            leader_elect=read_flag(environment, "LEADER_ELECT", default=False),
            namespace=read_text(environment, "FLOTTA_NAMESPACE", FLOTTA_NAMESPACE),
            probe_address=probe_address,
            metrics_address=read_address(environment, "METRICS_ADDR", probe_address),
            storage=_read_storage(environment, storage_class),
        )


def _read_storage(environment: Mapping[str, str], storage_class: str) -> StorageSettings | None:
    """Read where the buckets are; a class that OpenShift answers must not be answered twice."""
    storage = StorageSettings.from_environment(environment)
    if storage is not None and storage_class == NOOBAA_CLASS:
        raise ValueError(
            f"BUCKET_STORAGE_CLASS {NOOBAA_CLASS} is answered by OpenShift Data Foundation; "
            "choose another name, or remove the S3_ settings"
        )
    return storage
