"""`runAsNonRoot`: a container that would run as root is not started.

The number in `runAsUser` counts; without one it is the user of the image, which must be a number.
The worker looks at it before it changes anything, the unit of the pod at each start.
"""

from __future__ import annotations

from flotta.protocol.reasons.workloads import CREATE_CONTAINER_CONFIG_ERROR
from flotta.worker.errors import WorkloadError
from flotta.worker.pod_unit.non_root import describe_root, refuse_root
from flotta.worker.pod_unit.plan import UserCheck
from flotta.worker.workloads.pod_spec import Container, PodSpec, list_containers


def list_user_checks(spec: PodSpec) -> tuple[UserCheck, ...]:
    """Return the containers of which the user of the image must be looked at.

    Raises WorkloadError CreateContainerConfigError for one that is to run as root anyway.
    """
    return tuple(
        UserCheck(
            container["name"], container["image"], container.get("imagePullPolicy") != "Never"
        )
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
    """Raise WorkloadError CreateContainerConfigError if an image's user is or may be root."""
    if problem := describe_root(check.image, user):
        raise _refuse(check.container, problem)


def _refuse(container: str, cause: str, *, permanent: bool = False) -> WorkloadError:
    return WorkloadError(
        CREATE_CONTAINER_CONFIG_ERROR, refuse_root(container, cause), permanent=permanent
    )
