"""`runAsNonRoot`: a container that would run as root is not started.

Rules: `verifyRunAsNonRoot` of k8s.io/kubernetes/pkg/kubelet/kuberuntime. The number in `runAsUser`
counts; without one it is the user of the image, which must be a number.
"""

from __future__ import annotations

from typing import NamedTuple

from flotta.protocol.reasons.workloads import CREATE_CONTAINER_CONFIG_ERROR
from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.pod_spec import Container, PodSpec, list_containers


class UserCheck(NamedTuple):
    """A container that must not run as root, and the image that says who it runs as."""

    container: str
    image: str


def list_user_checks(spec: PodSpec) -> tuple[UserCheck, ...]:
    """Return the containers of which the user of the image must be looked at.

    Raises WorkloadError CreateContainerConfigError for one that is to run as root anyway.
    """
    return tuple(
        UserCheck(container["name"], container["image"])
        for container in list_containers(spec)
        if _needs_check(container, spec)
    )


def _needs_check(container: Container, spec: PodSpec) -> bool:
    own, common = container.get("securityContext") or {}, spec.get("securityContext") or {}
    non_root = own.get("runAsNonRoot")
    if not (common.get("runAsNonRoot") if non_root is None else non_root):
        return False
    user = own.get("runAsUser")
    if user is None:
        user = common.get("runAsUser")
    if user is None:
        return True
    if user == 0:
        raise _refuse(container["name"], "runAsUser 0, which is root", permanent=True)
    return False


def check_user(check: UserCheck, user: str) -> None:
    """Raise WorkloadError CreateContainerConfigError if an image's user is or may be root.

    `user` is `USER` of the image: empty, a name or number, or that with a group after a colon.
    """
    name = user.partition(":")[0]
    if name.isdecimal() and int(name):
        return
    if name and not name.isdecimal():
        raise _refuse(
            check.container,
            f"image {check.image} has the user {name[:80]!r}, who may be root: only a number tells",
        )
    raise _refuse(check.container, f"image {check.image} runs as root")


def _refuse(container: str, cause: str, *, permanent: bool = False) -> WorkloadError:
    return WorkloadError(
        CREATE_CONTAINER_CONFIG_ERROR,
        f'container "{container}" has runAsNonRoot and {cause}',
        permanent=permanent,
    )
