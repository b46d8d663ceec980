"""What installed manifests say, also those that an earlier release wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flotta.durable_files import read_bounded
from flotta.worker.workloads.files import WorkloadFiles

MAX_MANIFEST = 32 << 20  # bytes: as much as a configuration


def list_images(files: WorkloadFiles) -> set[str]:
    """Return the images of all containers and volumes of all installed workloads."""
    return {str(image) for spec in _read_specs(files) for image in _list_images(spec)}


def _list_images(spec: Mapping[str, Any]) -> Iterator[object]:
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or []:
            yield container.get("image")
    for volume in spec.get("volumes") or []:
        if source := volume.get("image"):
            yield source.get("reference")


def list_shared_volumes(files: WorkloadFiles) -> tuple[set[str], set[str]]:
    """Return the names of podman's volumes for claims, and of those for emptyDirs.

    Only manifests of earlier releases have the latter: they left both to podman.
    """
    claims: set[str] = set()
    scratch: set[str] = set()
    for spec in _read_specs(files):
        for volume in spec.get("volumes") or []:
            if "emptyDir" in volume:
                scratch.add(volume["name"])
            elif "persistentVolumeClaim" in volume:
                claims.add(volume["persistentVolumeClaim"]["claimName"])
    return claims, scratch


def _read_specs(files: WorkloadFiles) -> Iterator[dict[str, Any]]:
    """Yield the PodSpecs as podman gets them; a damaged manifest is written again anyway."""
    for name in files.list_installed():
        paths = files.paths_of(name)
        for path in (paths.manifest, paths.init_manifest):
            if spec := read_spec(path):
                yield spec


def read_spec(manifest: Path) -> dict[str, Any]:
    """Return the PodSpec of a manifest, empty where it cannot be read."""
    try:
        return dict(json.loads(read_bounded(manifest, MAX_MANIFEST))["spec"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
