"""Settings of the operator, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from flotta.fleet.claim_ownership import NOOBAA_CLASS
from flotta.settings import operator as table
from flotta.settings.common import NAMESPACE
from flotta.settings.setting import Address
from flotta.storage.settings import StorageSettings


@dataclass(frozen=True)
class Settings:
    """What an administrator may set (docs/reference/settings.md). Times are seconds."""

    auto_approval: bool = table.AUTO_APPROVAL.default
    bucket_auto_create: bool = table.BUCKET_FOR_EVERY_DEVICE.default
    bucket_storage_class: str = table.BUCKET_STORAGE_CLASS.default
    decommission_timeout: float = table.DECOMMISSION_TIMEOUT.default
    request_expiry: float = table.REQUEST_EXPIRY.default  # 0: a request waits forever
    workers: int = table.MAX_CONCURRENT_RECONCILES.default
    device_workers: int = table.EDGEWORKLOAD_CONCURRENCY.default
    leader_elect: bool = table.LEADER_ELECT.default
    namespace: str = NAMESPACE.default  # of the leader's Lease
    probe_address: Address | None = table.PROBE_ADDR.default
    metrics_address: Address | None = table.METRICS_ADDR.default
    storage: StorageSettings | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all settings; raises ValueError with a sentence for the first bad one."""
        storage_class = table.BUCKET_STORAGE_CLASS.read(environment)
        probe_address = table.PROBE_ADDR.read(environment)
        # Metrics are beside the probes unless they have an address of their own.
        metrics = replace(table.METRICS_ADDR, default=probe_address)
        return cls(
            auto_approval=table.AUTO_APPROVAL.read(environment),
            bucket_auto_create=table.BUCKET_FOR_EVERY_DEVICE.read(environment),
            bucket_storage_class=storage_class,
            decommission_timeout=table.DECOMMISSION_TIMEOUT.read(environment),
            request_expiry=table.REQUEST_EXPIRY.read(environment),
            workers=table.MAX_CONCURRENT_RECONCILES.read(environment),
            device_workers=table.EDGEWORKLOAD_CONCURRENCY.read(environment),
            leader_elect=table.LEADER_ELECT.read(environment),
            namespace=NAMESPACE.read(environment),
            probe_address=probe_address,
            metrics_address=metrics.read(environment),
            storage=_read_storage(environment, storage_class),
        )


def _read_storage(environment: Mapping[str, str], storage_class: str) -> StorageSettings | None:
    """Read where the buckets are; a class that OpenShift serves must not be served twice."""
    storage = StorageSettings.from_environment(environment)
    if storage is not None and storage_class == NOOBAA_CLASS:
        raise ValueError(
            f"BUCKET_STORAGE_CLASS {NOOBAA_CLASS} is served by OpenShift Data Foundation; "
            "choose another name, or remove the S3_ settings"
        )
    return storage
