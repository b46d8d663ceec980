"""Names of a workload's author that become names on the host, or operands of a command.

The custom resource refuses most of them (docs/reference/crds.md); the worker checks again, because
an object may be older than the rule, or the control plane another one. It allows the characters
that podman allows, so that what ran before still runs.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from flotta.protocol.reasons.workloads import INVALID_CONFIG_MAP, INVALID_SECRET
from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.pod_spec import (
    Container,
    PodSpec,
    invalid_specification,
    list_containers,
)

INVALID = {"ConfigMap": INVALID_CONFIG_MAP, "Secret": INVALID_SECRET}  # by kind
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")  # as podman; no separator, no option
KEY = re.compile(r"[A-Za-z0-9_.-]{1,253}")  # of a ConfigMap or Secret, as Kubernetes
IMAGE = re.compile(r"[^-\s\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*")
MAX_PART = 255  # bytes of a file's name
MAX_PATH = 1024  # bytes of a path inside a volume
SHOWN = 80  # characters of a name that is refused


def check_host_names(spec: PodSpec) -> None:
    """Raise WorkloadError InvalidSpecification for a name that no host or command may get."""
    for container in list_containers(spec):
        _check_plain("container", container["name"])
        _check_image(container)
        for mount in container.get("volumeMounts") or []:
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    check_relative(str(mount[field]))
    for volume in spec.get("volumes") or []:
        _check_plain("volume", volume["name"])


def check_key(kind: str, name: str, key: str) -> str:
    """Return a key of a ConfigMap or Secret that becomes a file or variable.

    Raises WorkloadError for one that Kubernetes would not allow.
    """
    if KEY.fullmatch(key) is None or key in (".", ".."):
        raise WorkloadError(
            INVALID[kind],
            f'{kind} "{name[:SHOWN]}" has the key {key[:SHOWN]!r}: only letters, digits, "-", "_" '
            'and "." are allowed',
            permanent=True,
        )
    return key


def check_relative(path: str) -> PurePosixPath:
    """Return a path that stays inside the directory that it is relative to."""
    pure = PurePosixPath(path)
    fits = all(len(part.encode(errors="replace")) <= MAX_PART for part in pure.parts)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        raise invalid_specification(
            f"volume path {path[:SHOWN]!r} is not a relative path inside the volume"
        )
    if not fits or len(path.encode(errors="replace")) > MAX_PATH:
        raise invalid_specification(f"volume path {path[:SHOWN]!r}… is too long")
    return pure


def _check_plain(what: str, name: str) -> None:
    if PLAIN.fullmatch(name) is None:
        raise invalid_specification(
            f"the {what} name {name[:SHOWN]!r} is not allowed: use lower-case letters, digits and "
            '"-", and begin with a letter or digit'
        )


def _check_image(container: Container) -> None:
    image = container["image"]
    if IMAGE.fullmatch(image) is None:
        raise invalid_specification(
            f"the image {image[:SHOWN]!r} is not allowed: it begins with a hyphen or has a space"
        )
