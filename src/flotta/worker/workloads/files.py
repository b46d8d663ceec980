"""What the device keeps on disk for each workload, so that its pod starts without the worker.

`<workloads>/<name>/` (0700) holds `pod.yaml`, `auth.json`, `files/` and, written last,
`workload.json`: the digest of what is there and the data paths, which a final upload needs even
after a restart. The unit's drop-in and its link in `multi-user.target.wants` live in systemd's
directory. The whole layout: docs/reference/files-and-ports.md#state.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, sync_directory, write_atomically
from flotta.protocol.models import KEEP, DataConfiguration
from flotta.tree_removal import RemovalFailure, empty_directory, empty_tree, remove_tree
from flotta.worker.errors import WorkloadError
from flotta.worker.known_mounts import KnownMounts
from flotta.worker.pod_unit import plan as process_plan
from flotta.worker.volumes.mounts import remove_mounts
from flotta.worker.volumes.plan import VolumePlan, encode_plan
from flotta.worker.workloads.export_owner import open_to_users
from flotta.worker.workloads.manifest import Pod, check_name, is_name
from flotta.worker.workloads.pod_volumes import PodVolumes
from flotta.worker.workloads.process_commands import render_commands
from flotta.worker.workloads.records import (
    FORMAT,
    RECORD,
    WorkloadRecord,
    find_record,
    read_last_record,
    read_record,
    write_record,
)
from flotta.worker.workloads.stored_probes import write_probes
from flotta.worker.workloads.units import DROP_IN, TEMPLATE, render_drop_in, unit_name
from flotta.worker.workloads.volume_commands import render_preparation
from flotta.worker.workloads.workload_paths import MOUNTS, WorkloadPaths

TEMPLATE_DIRS = ("/usr/lib/systemd/system", "/lib/systemd/system")


@dataclass
class Leftovers:
    """What a removal had to leave: what holds Secrets, and the rest, such as a pod's own files."""

    secrets: list[RemovalFailure] = field(default_factory=list)
    others: list[RemovalFailure] = field(default_factory=list)

    @property
    def all(self) -> list[RemovalFailure]:
        """Everything that is left, Secrets first."""
        return [*self.secrets, *self.others]

    def add(self, other: Leftovers) -> None:
        """Count what another removal left."""
        self.secrets += other.secrets
        self.others += other.others


@dataclass(frozen=True)
class WorkloadFiles:
    """Reads and writes the files of workloads below the given directories."""

    workloads_dir: Path
    volumes_dir: Path
    units_dir: Path
    mounts_dir: Path = MOUNTS
    known_mounts: KnownMounts = field(default_factory=KnownMounts)

    @property
    def suspension_file(self) -> Path:
        """The file that keeps every unit from starting while it exists (`suspension`)."""
        return self.workloads_dir.parent / "pods-stopped"

    def paths_of(self, name: str) -> WorkloadPaths:
        """Return the paths of a workload; raises WorkloadError for a name unfit for a path."""
        check_name(name)
        return WorkloadPaths(self.workloads_dir / name, self.volumes_dir / name, self.mounts_dir)

    def unit_of(self, name: str) -> str:
        """Return the name of the systemd unit of a workload."""
        return unit_name(self.paths_of(name).manifest)

    def list_installed(self) -> dict[str, WorkloadRecord]:
        """Return the workloads that have files here.

        An unreadable record has no digest, so that it is written again.
        """
        found: dict[str, WorkloadRecord] = {}
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(self.workloads_dir.iterdir()):
                with contextlib.suppress(WorkloadError):
                    check_name(entry.name)
                    found[entry.name] = read_record(entry)
        return found

    def write_pod(self, pod: Pod, uids: Set[int] = frozenset()) -> bool:
        """Put everything of a pod in place; return whether systemd has to reload its units.

        Files and volumes of the pod that runs stay (`stale_files`).

        `uids` are the users other than root who write to the export directory. Raises OSError; then
        everything is written again later, because the record with the digest is the last file.
        """
        paths = self.paths_of(pod.name)
        self._make_directories(paths, pod)
        open_to_users(paths.export, uids)
        _write_volume_files(pod.volumes, paths.directory)
        self._write_plan(pod.volumes.plan, paths)
        self.write_auth(pod)
        write_probes(paths.directory, pod.digest, pod.probes)
        _write_if_changed(paths.manifest, pod.manifest, 0o600)
        _write_process(pod, paths)
        changed = self._install_unit(pod, paths)
        write_record(paths.directory, _describe(pod))
        return changed

    def write_data(self, name: str, data: DataConfiguration | None) -> None:
        """Remember what becomes of the files of an installed workload; raises OSError."""
        directory = self.paths_of(name).directory
        record = find_record(directory)
        if record is not None:
            write_record(directory, msgspec.structs.replace(record, data=data))

    def remove_workload(self, name: str, *, with_kept: bool = False) -> Leftovers:
        """Remove everything of a workload that exists, and return what is left of it.

        Its export directory stays if that is wanted, except `with_kept`. Secrets go first. The
        record goes last, and only if nothing else is left: the workload
        counts as installed until then, so its removal is tried again after a restart, too.
        """
        paths = self.paths_of(name)
        unit = self.unit_of(name)
        is_kept = read_last_record(paths.directory).is_kept and not with_kept
        left = Leftovers(self._remove_secrets(paths))
        for path in (self._wants_link(unit), self.units_dir / f"{unit}.d"):
            left.others += remove_tree(path)
        left.others += remove_mounts(paths.mounts)
        left.others += remove_tree(paths.scratch)
        left.others += _keep_export(paths.export) if is_kept else self._remove_export(name)
        if not left.all:
            left.others += remove_tree(paths.directory)
        return left

    def _remove_export(self, name: str) -> list[RemovalFailure]:
        absent = self.known_mounts.list_absent(name)
        if absent:  # what is on that file system would come back with it
            reason = f"it is not mounted; {self.known_mounts.remedy}"
            return [RemovalFailure(path, reason) for path in absent]
        failures = _remove_export(self.volumes_dir / name)
        self.known_mounts.forget_workload(name)  # they are empty, and may be unmounted now
        return failures

    def remove_all(
        self, pods: Iterable[str] = (), proceed: Callable[[], bool] = lambda: True
    ) -> Leftovers:
        """Remove the files of every workload, of those that no record names, and of these pods.

        Ends before the next one when `proceed` says no.
        """
        left = Leftovers()
        names = sorted({*self._list_names(left), *filter(is_name, pods)})
        for name in filter(is_name, names):  # of all, before the many files that others may have
            if not proceed():
                return left
            self._remove_secrets(self.paths_of(name))
        for name in names:
            if not proceed():
                break
            if is_name(name):
                left.add(self.remove_workload(name, with_kept=True))
            else:  # no workload has such a name, nor a unit
                left.secrets += remove_tree(self.workloads_dir / name)
                left.others += _remove_export(self.volumes_dir / name)
        return left

    def _list_names(self, left: Leftovers) -> set[str]:
        names: set[str] = set()
        for directory, unread in (
            (self.workloads_dir, left.secrets),
            (self.volumes_dir, left.others),
        ):
            try:
                names.update(os.listdir(directory))
            except FileNotFoundError:
                continue
            except OSError as error:
                unread.append(RemovalFailure(str(directory), error.strerror or str(error)))
        return names

    def _remove_secrets(self, paths: WorkloadPaths) -> list[RemovalFailure]:
        """Remove manifest, credentials, files and temporary files; keep a record without a pod.

        What was to be sent has been sent. Whether files stay counts until the end.
        """
        record = read_last_record(paths.directory)
        failures = [
            *remove_tree(paths.manifest),
            *remove_tree(paths.auth_file),
            *empty_directory(paths.directory, kept=(RECORD, paths.scratch.name)),
        ]
        with contextlib.suppress(OSError):  # the disk may be full or gone
            if paths.directory.is_dir():
                sync_directory(paths.directory)
                absent = self.known_mounts.list_absent(paths.directory.name)
                write_record(paths.directory, _without_pod(record, unsent=bool(absent)))
        return failures

    @staticmethod
    def _write_plan(plan: VolumePlan, paths: WorkloadPaths) -> None:
        if plan.is_empty:
            paths.plan.unlink(missing_ok=True)
        else:
            _write_if_changed(paths.plan, encode_plan(plan), 0o600)

    def _make_directories(self, paths: WorkloadPaths, pod: Pod) -> None:
        self.known_mounts.expect_workload(pod.name)
        absent = self.known_mounts.describe_absent(pod.name)
        if absent:  # what is written below the mount point would be hidden later
            raise OSError(errno.ENOENT, absent)
        self.workloads_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.volumes_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        paths.directory.mkdir(mode=0o700, exist_ok=True)
        if find_record(paths.directory) is None:  # a removal must know what becomes of files
            write_record(paths.directory, WorkloadRecord(data=pod.data))
        paths.export.mkdir(mode=0o755, exist_ok=True)

    def write_auth(self, pod: Pod) -> None:
        """Write the registry credentials of a pod, or remove them if it has none."""
        paths = self.paths_of(pod.name)
        if pod.auth is None:
            paths.auth_file.unlink(missing_ok=True)
            return
        self._make_directories(paths, pod)
        _write_if_changed(paths.auth_file, pod.auth, 0o600)

    def _install_unit(self, pod: Pod, paths: WorkloadPaths) -> bool:
        unit = self.unit_of(pod.name)
        settings = self.units_dir / f"{unit}.d"
        settings.mkdir(mode=0o755, parents=True, exist_ok=True)
        auth_file = paths.auth_file if pod.auth is not None else None
        preparation = render_preparation(pod.volumes.plan, paths, pod.mounts)
        content = render_drop_in(
            *(pod.name, pod.restart_policy, pod.grace, auth_file, self.suspension_file),
            preparation,
            render_commands(pod.process, paths),
        )
        changed = _write_if_changed(settings / DROP_IN, content, 0o644)
        link = self._wants_link(unit)
        if not link.is_symlink():
            link.parent.mkdir(mode=0o755, exist_ok=True)
            link.symlink_to(_find_template())
            sync_directory(link.parent)
            return True
        return changed

    def _wants_link(self, unit: str) -> Path:
        return self.units_dir / "multi-user.target.wants" / unit


def _write_volume_files(volumes: PodVolumes, directory: Path) -> None:
    for folder in volumes.folders:
        (directory / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
    for relative, file in volumes.files.items():
        target = directory / relative
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _write_if_changed(target, file.content, file.mode, file.group)


def _find_template() -> str:
    found = (path for path in TEMPLATE_DIRS if os.path.exists(f"{path}/{TEMPLATE}"))
    return f"{next(found, TEMPLATE_DIRS[0])}/{TEMPLATE}"


def _remove_export(path: Path) -> list[RemovalFailure]:
    """Remove an export directory; one that is a mount point itself is emptied and stays."""
    failures = remove_tree(path)
    if any(failure.is_mount_point and failure.path == str(path) for failure in failures):
        return empty_tree(path)
    return failures


def _keep_export(path: Path) -> list[RemovalFailure]:
    """Leave an export directory unless it is empty."""
    with contextlib.suppress(OSError):
        path.rmdir()
    return []


def _describe(pod: Pod) -> WorkloadRecord:
    return WorkloadRecord(
        *(pod.digest, pod.data, FORMAT, pod.rendering, pod.restart_policy, list(pod.mounts))
    )


def _without_pod(record: WorkloadRecord, *, unsent: bool) -> WorkloadRecord:
    if unsent:
        return WorkloadRecord(data=record.data)
    kept = DataConfiguration(retention=KEEP) if record.is_kept else None
    return WorkloadRecord(data=kept)


def _write_process(pod: Pod, paths: WorkloadPaths) -> None:
    """Write what the unit does besides podman, and the manifest of the init containers."""
    if not pod.process.is_addressed:  # they contain secrets of another specification
        paths.addressed_manifest.unlink(missing_ok=True)
        paths.addressed_init.unlink(missing_ok=True)
    plan = None if pod.process.is_empty else process_plan.encode_plan(pod.process)
    for path, content in ((paths.init_manifest, pod.init_manifest), (paths.process_plan, plan)):
        if content is None:
            path.unlink(missing_ok=True)
        else:
            _write_if_changed(path, content, 0o600)


def _write_if_changed(path: Path, content: bytes, mode: int, group: int | None = None) -> bool:
    with contextlib.suppress(OSError):
        if read_bounded(path, len(content)) == content:
            return False
    write_atomically(path, content, mode, group)
    return True
