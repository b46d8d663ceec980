"""`runAsNonRoot`: which user an image has is looked at before each start.

Rules: `verifyRunAsNonRoot` of k8s.io/kubernetes/pkg/kubelet/kuberuntime. The image of a name can be
another one at the next start.
"""

from __future__ import annotations

from pathlib import Path

from flotta.worker.pod_unit.plan import ProcessPlan
from flotta.worker.pod_unit.podman_calls import CallFailed, call

PULL_TIMEOUT = 2 * 3600.0  # seconds for one image, on slow links too


class RunsAsRoot(Exception):
    """A container would run as root and must not; the text is a sentence."""


async def check_users(plan: ProcessPlan, directory: Path) -> None:
    """Look at the images of containers that must not be root.

    Raises RunsAsRoot, and CallFailed for an image that is missing.
    """
    for check in plan.non_root:
        problem = describe_root(check.image, await _read_user(check.image, pull=check.may_pull))
        if problem:
            raise RunsAsRoot(refuse_root(check.container, problem))


async def _read_user(image: str, *, pull: bool) -> str:
    argv = ("image", "inspect", "--format", "{{.User}}", "--", image)
    try:
        return await call(*argv)
    except CallFailed:
        if not pull:
            raise
    await call("pull", "-q", "--", image, timeout=PULL_TIMEOUT)
    return await call(*argv)


def describe_root(image: str, user: str) -> str:
    """Say why a user of an image is or may be root, as a clause; empty for one who is not.

    `user` is `USER` of the image: empty, a name or number, or that with a group after a colon.
    """
    name = user.partition(":")[0]
    if name.isdecimal() and int(name):
        return ""
    if name and not name.isdecimal():
        return f"image {image} has the user {name[:80]!r}, who may be root: only a number tells"
    return f"image {image} runs as root"


def refuse_root(container: str, cause: str) -> str:
    """Return the sentence for a container that is not started."""
    return f'container "{container}" has runAsNonRoot and {cause}'
