"""Waiting until the Deployments are ready, and the cause when they are not.

The reasons are explained in docs/reference/reasons.md#while-kubernetes-starts-the-control-plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from flotta.installation import kinds, names
from flotta.installation.apply import Applier
from flotta.installation.deadline import Deadline
from flotta.installation.errors import InstallationError
from flotta.installation.metadata import selector_labels
from flotta.installation.objects import Pod
from flotta.installation.pod_diagnosis import (
    UNKNOWN,
    Diagnosis,
    is_rolled_out,
    replica_failure,
    unhealthy_reason,
)
from flotta.protocol.reasons.installation import (
    CREATE_CONTAINER_CONFIG_ERROR,
    FAILED_CREATE,
    IMAGE_PULL_BACK_OFF,
    OOM_KILLED,
)
from flotta.protocol.reasons.workloads import COMPLETED, CRASH_LOOP_BACK_OFF
from flotta.resources.client import ApiError, Objects
from flotta.resources.views import name_of

# Seconds after which a reason does not go away by itself. For others we wait until the timeout.
HOPELESS_AFTER: dict[str, float] = {
    IMAGE_PULL_BACK_OFF: 30.0,
    CREATE_CONTAINER_CONFIG_ERROR: 30.0,
    CRASH_LOOP_BACK_OFF: 60.0,
    OOM_KILLED: 60.0,
    FAILED_CREATE: 30.0,
}
LAST_LINES = 20  # of a log that are read, because the last may be empty
SHOWN_LENGTH = 400  # characters of a log line in a message


class DeploymentReadiness:
    """Waits for the Deployments of programs in a namespace."""

    def __init__(
        self, applier: Applier, namespace: str, image: str, programs: Iterable[str]
    ) -> None:
        self._applier = applier
        self._programs = programs
        self._namespace = namespace
        self._image = image
        self._since: dict[tuple[str, str], float] = {}

    async def wait(self, wait_timeout: float) -> None:
        """Return when all are rolled out.

        Raises InstallationError with the reason of a pod when they are not after `wait_timeout`
        seconds, or as soon as waiting longer is useless.
        """
        deadline = Deadline(wait_timeout)
        for name in self._programs:
            if not await deadline.wait_until(partial(self._is_ready, name)):
                found = await self._find_reason(name)
                raise await self._describe_failure(name, found, f"after {wait_timeout:.0f} s")

    async def _is_ready(self, name: str) -> bool:
        deployment = await self._applier.get_or_none(kinds.DEPLOYMENT, name, self._namespace)
        if deployment is None:
            raise InstallationError(f"Deployment {name} was deleted while this ran; run this again")
        if is_rolled_out(deployment):
            return True
        found = await self._find_reason(name)
        if self._is_hopeless(name, found.reason):
            raise await self._describe_failure(name, found, "and will not be")
        return False

    def _is_hopeless(self, name: str, reason: str) -> bool:
        """Tell whether a reason has lasted so long that waiting is useless."""
        now = asyncio.get_running_loop().time()
        first = self._since.setdefault((name, reason), now)
        self._since = {
            (other, why): at for (other, why), at in self._since.items() if other != name
        }
        self._since[name, reason] = first
        return reason in HOPELESS_AFTER and now - first >= HOPELESS_AFTER[reason]

    async def _find_reason(self, name: str) -> Diagnosis:
        deployment = await self._applier.get_or_none(kinds.DEPLOYMENT, name, self._namespace)
        found = replica_failure(deployment) if deployment else UNKNOWN
        if found.reason:
            return found
        diagnoses = map(unhealthy_reason, await self._list_pods(name))
        return next((found for found in diagnoses if found.reason), UNKNOWN)

    async def _list_pods(self, name: str) -> Objects[Pod]:
        """Return the pods, the newest first: an older one still works while the new one fails."""
        labels = ",".join(f"{key}={value}" for key, value in selector_labels(name).items())
        pods = await self._applier.list_objects(kinds.POD, self._namespace, labels)
        return sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"], reverse=True)

    async def _describe_failure(self, name: str, found: Diagnosis, when: str) -> InstallationError:
        return InstallationError(await self._explain(name, found, when), found.reason)

    async def _explain(self, name: str, found: Diagnosis, when: str) -> str:
        reason, said = found.reason, found.message.strip().rstrip(".")
        if reason == IMAGE_PULL_BACK_OFF:
            return (
                f"{name} is not ready {when}: the nodes cannot get the image {self._image} "
                f"({said or reason}); load it on every node, or push it to a registry and set "
                "image and image_pull_secrets"
            )
        if reason == OOM_KILLED:
            option = f"{name.removeprefix('flotta-').replace('-', '_')}_resources.memory_limit"
            return (
                f"{name} is not ready {when}: it was killed because it used more memory than its "
                f"limit; raise {option}"
            )
        if reason in (CRASH_LOOP_BACK_OFF, "Error", COMPLETED):
            line = await self._read_last_log_line(name)
            return (
                f"{name} is not ready {when}: it keeps exiting"
                f"{f'; its last log line is: {line}' if line else ''}; change the setting that it "
                f"names, or look at: kubectl --namespace {self._namespace} logs --previous "
                f"--selector {names.NAME}={name}"
            )
        if reason == FAILED_CREATE:
            return (
                f"{name} is not ready {when}: the cluster refuses its pods ({said}); "
                "change the quota or policy that refuses them"
            )
        place = f"kubectl --namespace {self._namespace} describe pod --selector {names.NAME}={name}"
        because = f": {reason}{f' ({said})' if said else ''}" if reason else ""
        return f"{name} is not ready {when}{because}; look at: {place}"

    async def _read_last_log_line(self, name: str) -> str:
        """Return the last log line of a crashing pod; empty when the log cannot be read."""
        for pod in await self._list_pods(name):
            path = kinds.POD.path(self._namespace, name_of(pod), "log")
            for previous in ("true", "false"):
                try:
                    query = {"tailLines": str(LAST_LINES), "previous": previous}
                    text = await self._applier.client.read_text(path, query)
                except ApiError:
                    continue
                lines = (line for line in reversed(text.split("\n")) if line.strip())
                return next(lines, "")[:SHOWN_LENGTH]
        return ""
