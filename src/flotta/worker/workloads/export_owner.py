"""Who may write to `/export`: the user of the pod's containers.

The directory belongs to root until a container runs as somebody else. What an administrator has
made writable stays as it is. With `fsGroup`, the unit of the pod sees to it instead
(docs/reference/device.md#the-export-directory).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from flotta.worker import podman
from flotta.worker.podman_storage import find_user_id
from flotta.worker.workloads.pod_spec import PodSpec, list_containers

OWNER = stat.S_IWUSR | stat.S_IXUSR
OTHERS = stat.S_IWOTH | stat.S_IXOTH
OPEN_TO_ALL = 0o777
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class ContainerUser:
    """The user of a container: `uid`, or that of the image if it is None."""

    image: str
    uid: int | None = None


def list_users(spec: PodSpec) -> tuple[ContainerUser, ...]:
    """Return the users of a pod's containers, each once; none with an `fsGroup`."""
    pod = spec.get("securityContext") or {}
    if pod.get("fsGroup") is not None:
        return ()
    users = (
        ContainerUser(
            container["image"],
            (container.get("securityContext") or {}).get("runAsUser", pod.get("runAsUser")),
        )
        for container in list_containers(spec)
    )
    return tuple(dict.fromkeys(users))


async def find_user_ids(users: Iterable[ContainerUser]) -> frozenset[int]:
    """Return the ids of users other than root; one that an image does not have is left out."""
    found: set[int] = set()
    for user in users:
        uid = user.uid
        if uid is None:
            name = (await podman.read_image_user(user.image)).partition(":")[0]
            uid = await find_user_id(user.image, name) if name else 0
        if uid:
            found.add(uid)
    return frozenset(found)


def open_to_users(export: Path, uids: Set[int]) -> None:
    """Let these users write to a directory: its owner if it is one, else everybody.

    Raises OSError.
    """
    directory = os.open(export, DIRECTORY)
    try:
        found = os.fstat(directory)
        if all(_may_write(found, uid) for uid in uids):
            return
        if len(uids) == 1:
            os.fchown(directory, next(iter(uids)), -1)
            os.fchmod(directory, stat.S_IMODE(found.st_mode) | stat.S_IRWXU)
        else:
            os.fchmod(directory, stat.S_IMODE(found.st_mode) | OPEN_TO_ALL)
    finally:
        os.close(directory)


def _may_write(found: os.stat_result, uid: int) -> bool:
    """Tell whether a user may make files in a directory; groups are not looked at."""
    needed = OWNER if found.st_uid == uid else OTHERS
    return found.st_mode & needed == needed
