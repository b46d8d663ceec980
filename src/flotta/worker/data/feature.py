"""Data synchronisation of workloads, including those that are being removed."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flotta.protocol.models import (
    DataConfiguration,
    DataPath,
    DeviceConfigurationMessage,
    Heartbeat,
    WorkloadStatus,
)
from flotta.protocol.reasons.device_programs import INVALID_STORAGE
from flotta.protocol.reasons.reason import NO_REASON
from flotta.protocol.reasons.sync import TRANSFER_UNFINISHED
from flotta.rfc3339 import format_wire_time
from flotta.sync.loop import DataPath as EnginePath
from flotta.sync.loop import S3Storage, SyncLoop, SyncWorkload
from flotta.worker.configuration import find_s3_storage
from flotta.worker.data.storage import decode_storage
from flotta.worker.errors import ConfigurationError
from flotta.worker.features import AgentContext, Feature

log = logging.getLogger(__name__)

FLUSH_TIMEOUT = 30.0  # seconds for the last upload of a workload that is removed


class DataFeature(Feature):
    """Feeds the engine: configured workloads, and leaving ones until their last upload is done.

    Its results are part of the workloads' statuses. The feature that reports those asks for them
    (`add_transfer_status`), so only a problem of the engine as a whole is reported here.
    """

    def __init__(self, engine: SyncLoop, agent: AgentContext) -> None:
        self._engine = engine
        self._agent = agent
        self._storage: S3Storage | None = None
        self._configured: dict[str, DataConfiguration] = {}
        self._leaving: dict[str, DataConfiguration] = {}
        self._warned = NO_REASON

    @property
    def problem(self) -> str:
        """Why what was synchronised is not kept on disk."""
        return self._engine.problem.message if self._engine.problem else ""

    async def report(self, heartbeat: Heartbeat) -> None:
        """Warn once about a problem of the engine; the device is degraded as long as it lasts."""
        problem = self._engine.problem
        if problem is not None and problem.reason != self._warned:
            self._agent.add_warning(*problem)
        self._warned = problem.reason if problem else NO_REASON

    def configure(self, message: DeviceConfigurationMessage) -> None:
        """Take storage and data paths; storage that cannot be used is an event."""
        self._configured = {
            workload.name: workload.data for workload in message.workloads or [] if workload.data
        }
        section = find_s3_storage(message)
        try:
            self._storage = decode_storage(section) if section else None
        except ConfigurationError as error:
            self._agent.add_warning(INVALID_STORAGE, str(error))
        self._configure_engine()

    async def run(self) -> None:
        """Synchronise until cancelled."""
        await self._engine.run()

    def keep_leaving(self, leaving: Mapping[str, DataConfiguration | None]) -> None:
        """Set which workloads have files here without being configured: removed or held."""
        self._leaving = {name: data for name, data in leaving.items() if data}
        self._configure_engine()

    async def flush_workload(self, name: str, data: DataConfiguration | None) -> None:
        """Upload a last time, within a bound, and forget the workload."""
        if data and data.egress and self._storage is not None:
            self.keep_leaving(self._leaving | {name: data})
            if not await self._engine.flush(name, FLUSH_TIMEOUT):
                log.warning(
                    "Not all files of %s were uploaded before its removal [%s]",
                    name,
                    TRANSFER_UNFINISHED,
                )
        self._leaving.pop(name, None)
        self._configure_engine()
        self._engine.forget_workload(name)

    def add_transfer_status(self, status: WorkloadStatus) -> str:
        """Add upload time and counters to a status; return the problem, empty for none."""
        seen = self._engine.status(status.name)
        status.last_data_upload = format_wire_time(seen.last_data_upload)
        status.files_up, status.files_down = seen.files_up, seen.files_down
        return seen.error or ""

    async def halt(self) -> None:
        """Stop transfers: a download would make the directory of a removed workload again."""
        self._configured, self._leaving, self._storage = {}, {}, None
        await self._engine.halt()

    async def wipe(self) -> None:
        """Forget workloads, storage and what was synchronised."""
        self._configured, self._leaving, self._storage = {}, {}, None
        await self._engine.wipe()

    def _configure_engine(self) -> None:
        wanted = self._leaving | self._configured
        self._engine.configure(
            self._storage,
            [_make_sync_workload(name, data) for name, data in sorted(wanted.items())],
        )


def _make_sync_workload(name: str, data: DataConfiguration) -> SyncWorkload:
    return SyncWorkload(name, _make_engine_paths(data.egress), _make_engine_paths(data.ingress))


def _make_engine_paths(paths: list[DataPath] | None) -> tuple[EnginePath, ...]:
    return tuple(EnginePath(path.source, path.target) for path in paths or [])
