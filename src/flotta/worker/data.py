"""Data synchronisation: what the configuration asks of the sync engine."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping

from flotta.protocol.models import (
    DataConfiguration,
    DataPath,
    DeviceConfigurationMessage,
    S3StorageConfiguration,
    WorkloadStatus,
)
from flotta.rfc3339 import format_wire_time
from flotta.sync.loop import DataPath as EnginePath
from flotta.sync.loop import S3Storage, SyncLoop, SyncWorkload
from flotta.worker.configuration import find_s3_storage
from flotta.worker.errors import ConfigurationError

log = logging.getLogger(__name__)

FLUSH_TIMEOUT = 30.0  # seconds for the last upload of a workload that goes away


class DataSync:
    """Feeds the engine: configured workloads, and leaving ones until their last upload is done."""

    def __init__(self, engine: SyncLoop) -> None:
        self.engine = engine
        self._storage: S3Storage | None = None
        self._configured: dict[str, DataConfiguration] = {}
        self._leaving: dict[str, DataConfiguration] = {}

    def configure(self, message: DeviceConfigurationMessage) -> str:
        """Take storage and data paths from a configuration; return what is wrong, if anything."""
        self._configured = {w.name: w.data for w in message.workloads or [] if w.data}
        section = find_s3_storage(message)
        try:
            self._storage = decode_storage(section) if section else None
            return ""
        except ConfigurationError as error:
            return str(error)
        finally:
            self._configure_engine()

    def keep_leaving(self, leaving: Mapping[str, DataConfiguration | None]) -> None:
        """Say which workloads are going away but still have files to send."""
        self._leaving = {name: data for name, data in leaving.items() if data}
        self._configure_engine()

    async def flush_workload(self, name: str, data: DataConfiguration | None) -> None:
        """Upload a last time, within a bound, and forget the workload."""
        if data and data.egress and self._storage is not None:
            self.keep_leaving(self._leaving | {name: data})
            if not await self.engine.flush(name, FLUSH_TIMEOUT):
                log.warning("Not all files of %s were uploaded before its removal", name)
        self._leaving.pop(name, None)
        self._configure_engine()
        self.engine.forget_workload(name)

    def add_transfer_status(self, status: WorkloadStatus) -> str:
        """Add upload time and counters to a status; return what is wrong, if anything."""
        seen = self.engine.status(status.name)
        status.last_data_upload = format_wire_time(seen.last_data_upload)
        status.files_up, status.files_down = seen.files_up, seen.files_down
        return seen.error or ""

    def wipe(self) -> None:
        """Forget everything."""
        self._configured, self._leaving, self._storage = {}, {}, None
        self._configure_engine()
        self.engine.wipe()

    def _configure_engine(self) -> None:
        wanted = self._leaving | self._configured
        self.engine.configure(
            self._storage, [_make_sync_workload(n, d) for n, d in sorted(wanted.items())]
        )


def _make_sync_workload(name: str, data: DataConfiguration) -> SyncWorkload:
    return SyncWorkload(name, _make_engine_paths(data.egress), _make_engine_paths(data.ingress))


def _make_engine_paths(paths: list[DataPath] | None) -> tuple[EnginePath, ...]:
    return tuple(EnginePath(path.source, path.target) for path in paths or [])


def decode_storage(section: S3StorageConfiguration) -> S3Storage:
    """Decode the wire form, whose keys and CA are base64; raises ConfigurationError."""
    port = section.bucket_port or 443
    try:
        access, secret, ca = (
            base64.b64decode(value, validate=True).decode()
            for value in (
                section.aws_access_key_id,
                section.aws_secret_access_key,
                section.aws_ca_bundle,
            )
        )
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ConfigurationError("the storage section has values that are not base64") from error
    host = f"[{section.bucket_host}]" if ":" in section.bucket_host else section.bucket_host
    return S3Storage(
        endpoint=f"https://{host}:{port}",
        region=section.bucket_region or "us-east-1",
        bucket=section.bucket_name,
        access_key=access,
        secret_key=secret,
        ca_pem=ca or None,
    )
