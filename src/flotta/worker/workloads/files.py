"""What the device keeps on disk for each workload, so that its pod starts without the worker.

`<workloads>/<name>/` (0700) holds `pod.yaml`, `auth.json`, `files/` and, written last,
`workload.json`: the digest of what is there and the data paths, which a final upload needs even
after a restart. The unit's drop-in and its link in `multi-user.target.wants` live in systemd's
directory. The whole layout: docs/reference/files-and-ports.md#state.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from flotta.durable_files import sync_directory, write_atomically
from flotta.protocol.models import DataConfiguration
from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.manifest import Pod, WorkloadPaths, check_name
from flotta.worker.workloads.units import DROP_IN, TEMPLATE, render_drop_in, unit_name

FORMAT = 3  # version of the unit settings; another one rewrites them without a restart
TEMPLATE_DIRS = ("/usr/lib/systemd/system", "/lib/systemd/system")


class WorkloadRecord(msgspec.Struct):
    """`workload.json`: which pod the files beside it describe."""

    digest: str = ""
    data: DataConfiguration | None = None
    format: int = 0


@dataclass(frozen=True)
class WorkloadFiles:
    """Reads and writes the files of workloads below the given directories."""

    workloads_dir: Path
    volumes_dir: Path
    units_dir: Path

    @property
    def suspension_file(self) -> Path:
        """The file that keeps every unit from starting while it exists (`suspension`)."""
        return self.workloads_dir.parent / "pods-stopped"

    def paths_of(self, name: str) -> WorkloadPaths:
        """Return the paths of a workload; raises WorkloadError for a name unfit for a path."""
        check_name(name)
        return WorkloadPaths(self.workloads_dir / name, self.volumes_dir / name)

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
                    found[entry.name] = self._read_record(entry)
        return found

    def write_pod(self, pod: Pod) -> bool:
        """Put everything of a pod in place; return whether systemd has to reload its units.

        Raises OSError when a file cannot be written; everything is then written again
        later, because the record with the digest is the last file.
        """
        paths = self.paths_of(pod.name)
        self._make_directories(paths)
        for relative, content in pod.files.items():
            target = paths.directory / relative
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            _write_if_changed(target, content, 0o644)
        self.write_auth(pod)
        _write_if_changed(paths.manifest, pod.manifest, 0o600)
        changed = self._install_unit(pod, paths)
        record = WorkloadRecord(pod.digest, pod.data, FORMAT)
        _write_if_changed(paths.directory / "workload.json", msgspec.json.encode(record), 0o600)
        self._remove_old_files(paths, pod)
        return changed

    def remove_workload(self, name: str) -> None:
        """Remove files, unit settings and the export directory of a workload, if they exist."""
        paths = self.paths_of(name)
        unit = self.unit_of(name)
        self._wants_link(unit).unlink(missing_ok=True)
        _remove_tree(self.units_dir / f"{unit}.d")
        _remove_tree(paths.export)
        _remove_tree(paths.directory)

    def _make_directories(self, paths: WorkloadPaths) -> None:
        self.workloads_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.volumes_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        paths.directory.mkdir(mode=0o700, exist_ok=True)
        paths.export.mkdir(mode=0o755, exist_ok=True)

    def write_auth(self, pod: Pod) -> None:
        """Write the registry credentials of a pod, or remove them if it has none."""
        paths = self.paths_of(pod.name)
        if pod.auth is None:
            paths.auth_file.unlink(missing_ok=True)
            return
        self._make_directories(paths)
        _write_if_changed(paths.auth_file, pod.auth, 0o600)

    def _install_unit(self, pod: Pod, paths: WorkloadPaths) -> bool:
        unit = self.unit_of(pod.name)
        settings = self.units_dir / f"{unit}.d"
        settings.mkdir(mode=0o755, parents=True, exist_ok=True)
        auth_file = paths.auth_file if pod.auth is not None else None
        content = render_drop_in(
            pod.name, pod.restart_policy, pod.grace, auth_file, self.suspension_file
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

    @staticmethod
    def _read_record(directory: Path) -> WorkloadRecord:
        try:
            return msgspec.json.decode(
                (directory / "workload.json").read_bytes(), type=WorkloadRecord
            )
        except (OSError, ValueError):
            return WorkloadRecord()

    @staticmethod
    def _remove_old_files(paths: WorkloadPaths, pod: Pod) -> None:
        wanted = {path.parts[1] for path in pod.files}
        with contextlib.suppress(FileNotFoundError):
            for folder in (paths.directory / "files").iterdir():
                if folder.name not in wanted:
                    shutil.rmtree(folder, ignore_errors=True)


def _find_template() -> str:
    found = (path for path in TEMPLATE_DIRS if os.path.exists(f"{path}/{TEMPLATE}"))
    return f"{next(found, TEMPLATE_DIRS[0])}/{TEMPLATE}"


def _write_if_changed(path: Path, content: bytes, mode: int) -> bool:
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return False
    write_atomically(path, content, mode)
    return True


def _remove_tree(path: Path) -> None:
    if path.is_symlink():
        path.unlink(missing_ok=True)
    elif path.exists():
        shutil.rmtree(path)
